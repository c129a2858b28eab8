"""Massive units as masks: all of them, and a top mask without its own."""

from __future__ import annotations

import numpy as np

from common.measure.loudness import EXCLUDED, THRESHOLD
from common.measure.masks import Mask, mask_of
from common.measure.scores import SelectivityMap

WITHOUT_MASSIVE, MASSIVE = MASSIVE_PARTS = "without-massive", "massive"


def threshold_of(found: SelectivityMap) -> float:
    """From how many times the median on a unit of this map is called massive."""
    return float(found.about.get(EXCLUDED, THRESHOLD))


def massive_units(found: SelectivityMap) -> np.ndarray:
    """The massive units of a map, the loudest beside its site first: array of int."""
    times = found.times_median
    loudest = np.argsort(-times, kind="stable")
    return loudest[times[loudest] >= threshold_of(found)]


def without_massive(found: SelectivityMap, top: Mask) -> Mask | None:
    """A mask without its massive units; ``None`` where it has none, or nothing else."""
    own = np.isin(top.units, massive_units(found))
    if not own.any() or own.all():
        return None
    return mask_of(found, WITHOUT_MASSIVE, top.percent, None, top.units[~own])


def massive_mask(found: SelectivityMap, percent: float) -> Mask | None:
    """All massive units of a map, whatever their score; ``None`` where there are none.

    Parameters
    ----------
    found : SelectivityMap
        The map.
    percent : float
        The dose beside which it is shown: its size is that of no dose.
    """
    units = massive_units(found)
    return mask_of(found, MASSIVE, percent, None, units) if len(units) else None
