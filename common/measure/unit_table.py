"""The units of a map as a table: for a spreadsheet, a notebook, a colleague."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from common.base.errors import SettingError
from common.measure.masks import Mask
from common.measure.scores import SelectivityMap
from common.measure.sites import Site, Unit


def unit_table(
    found: SelectivityMap,
    masks: Iterable[Mask] = (),
    top: int | None = None,
    only: np.ndarray | None = None,
) -> pd.DataFrame:
    """A row a unit, the highest score first.

    Parameters
    ----------
    found : SelectivityMap
        The map.
    masks : iterable of Mask
        Of the same map; the column ``masks`` says in which of them a unit is.
    top : int, optional
        How many units; all by default.
    only : array of int, optional
        These units alone, as indices into the map's row.

    Returns
    -------
    DataFrame
        ``rank`` from 1; ``site``; ``unit``, its channel or head as in the tensor, from 0; of
        neurons and weights ``position``, along the other axes; the columns of the score (``t``,
        ``p``, ``q``, ``d_prime``, ``index``); ``mean_target`` and ``mean_control``; ``loudness``,
        mean \\|activation\\| or \\|weight\\|, and ``times_median``, over the median of its site;
        ``masks``.

    Raises
    ------
    SettingError
        If `top` is below 1.

    Examples
    --------
    >>> [*unit_table(found, [top_percent(found, 25)], top=2)["masks"]]
    ['top-25', 'top-25']
    """
    if top is not None and top < 1:
        raise SettingError(f"`top` {top}: a table has one unit or more")
    ranks = np.arange(found.n_units) if only is None else np.flatnonzero(_among(found, only))
    order = found.ranking[ranks := ranks[:top]]
    columns: dict[str, Any] = {
        "rank": ranks + 1,
        "site": [str(found.sites[number]) for number in found.site_of_unit[order]],
        **_places(found, order),
        **{name: values[order] for name, values in found.score.arrays.items()},
        "mean_target": found.mean_target[order],
        "mean_control": found.mean_control[order],
        "loudness": found.magnitude[order],
        "times_median": found.times_median[order],
    }
    if inside := {mask.name: np.isin(order, mask.units) for mask in masks}:
        columns["masks"] = [
            " ".join(name for name, chosen in inside.items() if chosen[row])
            for row in range(len(order))
        ]
    return pd.DataFrame(columns)


def _among(found: SelectivityMap, units: np.ndarray) -> np.ndarray:
    """Which places of the ranking hold one of some units."""
    among: np.ndarray = np.isin(found.ranking, units)
    return among


def _places(found: SelectivityMap, order: np.ndarray) -> dict[str, list[Any]]:
    """Which unit of its site each is."""
    units, positions = [], []
    for index, number in zip(order, found.site_of_unit[order], strict=True):
        own = int(index - found.offsets[number])
        unit, position = place_at(found.sites[number], found.unit, own)
        units.append(unit)
        positions.append(position)
    return {"unit": units} if found.unit == "channel" else {"unit": units, "position": positions}


def place_at(site: Site, unit: Unit, number: int) -> tuple[int, str]:
    """Channel or head of the unit that has a number at its site, and its place along other axes."""
    place = [int(part) for part in np.unravel_index(number, site.unit_shape(unit))]
    own = place.pop(site.axis - 1 if unit != "channel" else 0)
    return own, " ".join(map(str, place))
