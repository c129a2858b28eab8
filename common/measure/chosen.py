"""A mask of one's own: units of a list take the place of those with the highest score.

The map stays what it is; its ranking begins with the listed units, so that the top mask of exactly
their number is the list, and everything that a top mask has (controls of the same sites and
loudness, its matched part, the verdict) the list has, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from common.base.errors import MaskError
from common.measure.scores import SelectivityMap
from common.measure.shares import CHOSEN, without_doses

OF_THE_TOP = ("lower_signed", CHOSEN)  # what a map says of its top units


def with_chosen(found: SelectivityMap, name: str, units: Sequence[int]) -> SelectivityMap:
    """The same map, whose first units are these, whatever their score.

    Parameters
    ----------
    found : SelectivityMap
        The map.
    name : str
        What the list is called.
    units : sequence of int
        Indices into the map's row of units, each once.

    Raises
    ------
    MaskError
        If there is none, or masks of this map leave some of them out.
    """
    chosen = np.unique(np.asarray(units, dtype=int))
    if not len(chosen):
        raise MaskError(f"{name}: lists no unit")
    if out := int(found.excluded[chosen].sum()):
        raise MaskError(
            f"{name}: {out:,} of its {len(chosen):,} units are massive, and `exclude_massive` "
            "leaves these out"
        )
    about = {k: v for k, v in without_doses(found.about).items() if k not in OF_THE_TOP}
    about[CHOSEN] = {"name": name, "units": chosen.tolist()}
    return replace(found, about=about)


def share_of(found: SelectivityMap, k: int) -> float:
    """A percentage with as few digits as can be that is k units of a map.

    Parameters
    ----------
    found : SelectivityMap
        The map.
    k : int
        From 1 to all its units.
    """
    exact = Fraction(100 * k, found.n_units)
    for digits in range(2, 12):
        step = Fraction(1, 10**digits)
        for shift in (0, 1):  # of maps that cut it, the next above
            percent = float((round(exact / step) + shift) * step)
            if percent <= 100 and found.n_chosen(percent) == k:
                return percent
    return float(exact)
