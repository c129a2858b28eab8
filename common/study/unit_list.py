"""Units of one's own: a table of sites and units, which ``units`` writes and ``evaluate`` reads.

Two masks combined are such a table, too.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from common.base.errors import DataError, SettingError
from common.base.tables import read_table
from common.measure.chosen import share_of, with_chosen
from common.measure.masks import Mask, load_masks
from common.measure.scores import SelectivityMap
from common.measure.sites import Site, numbers_by_name

NEEDED = ("site", "unit")
MASK, POSITION = "mask", "position"
MASKS = "masks.safetensors"
COMBINED: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "union": np.union1d,
    "intersection": np.intersect1d,
    "difference": np.setdiff1d,
}
"""How two masks become one, by name."""


def masks_of(path: Path) -> list[str]:
    """The names of the masks in a list of units, in the order of its rows.

    They are those of the column ``mask``; a list without it is one mask, called as the file is.

    Raises
    ------
    DataError
        If it cannot be read, or a row names none.
    """
    return [*dict.fromkeys(_named(path, read_table(path, NEEDED)))]


def chosen_map(found: SelectivityMap, path: Path, name: str | None) -> SelectivityMap:
    """A map whose first units are those of a list.

    Parameters
    ----------
    found : SelectivityMap
        The map.
    path : Path
        A table with the columns ``site`` and ``unit``, of neurons and weights ``position`` as well,
        and ``mask`` where it holds several masks. Other columns do not matter.
    name : str or None
        Which mask; ``None`` for the only one.

    Raises
    ------
    DataError
        If the list cannot be read, or names a unit that the map has not; names the row.
    SettingError
        If it holds several masks and none is named, or not that one.
    """
    table = read_table(path, NEEDED)
    named = _named(path, table)
    there = [*dict.fromkeys(named)]
    if name is None and len(there) > 1:
        raise SettingError(f"`mask` is missing: {path} holds {', '.join(there)}; name one of them")
    if name is not None and name not in there:
        raise SettingError(f"`mask` {name}: {path} holds {', '.join(there)}")
    name = there[0] if name is None else name
    rows = table[[each == name for each in named]]
    return with_chosen(found, name, _units(path, rows, found))


def dose_of(found: SelectivityMap) -> float:
    """The percentage that the listed units of such a map are."""
    return share_of(found, len(found.about["chosen"]["units"]))


def _named(path: Path, table: pd.DataFrame) -> list[str]:
    if MASK not in table.columns:
        return [path.stem] * len(table)
    names = [str(name).strip() for name in table[MASK]]
    if "" in names:
        raise DataError(f"{path}: row {table.index[names.index('')]} names no mask")
    return names


def _units(path: Path, rows: pd.DataFrame, found: SelectivityMap) -> list[int]:
    """Indices of the listed units into the map's row."""
    known = numbers_by_name(found.sites)
    if found.unit != "channel" and POSITION not in rows.columns:
        raise DataError(
            f"{path}: has no column {POSITION!r}, and a unit of this map is a {found.unit}"
        )
    seen: dict[int, int] = {}
    for row, entry in rows.iterrows():
        at = f"{path}: row {row}"
        if (site := str(entry["site"]).strip()) not in known:
            there = ", ".join(map(str, found.sites[:3])) + (", …" if len(found.sites) > 3 else "")
            raise DataError(f"{at}: the map has no site {site!r}; it has {there}")
        number = known[site]
        place = str(entry.get(POSITION, "")) if found.unit != "channel" else ""
        own = _index(at, found.sites[number], str(entry["unit"]), place, found)
        unit = int(found.offsets[number]) + own
        if unit in seen:
            raise DataError(f"{at}: is the same unit as row {seen[unit]}")
        seen[unit] = int(str(row))
    return [*seen]


def _index(at: str, site: Site, unit: str, place: str, found: SelectivityMap) -> int:
    """Where a unit is among those of its site."""
    shape = site.unit_shape(found.unit)
    try:
        where = [int(part) for part in place.split()]
        where.insert(site.axis - 1 if found.unit != "channel" else 0, int(unit))
    except ValueError as error:
        raise DataError(f"{at}: {f'{unit} {place}'.strip()!r} is no number of a unit") from error
    fits = len(where) == len(shape)
    if not fits or not all(0 <= part < n for part, n in zip(where, shape, strict=True)):
        size = " x ".join(map(str, shape))
        raise DataError(f"{at}: {site} has no unit {' '.join(map(str, where))}; it is {size} large")
    return int(np.ravel_multi_index(where, shape))


# --- from masks that there are ---


def mask_named(folder: Path, found: SelectivityMap, name: str | None) -> Mask:
    """A mask of a run; by default the top one of 1 %, or of its smallest dose.

    Raises
    ------
    SettingError
        If the run has no such mask.
    """
    known = load_masks(folder / MASKS, found) if (folder / MASKS).exists() else {}
    if not known:
        raise SettingError(f"{folder}: holds no masks")
    if name is None:
        tops = [each for each in known if known[each].rule == "top"]
        name = min(tops, key=lambda each: (known[each].percent != 1, known[each].percent))
    if name not in known:
        own = ", ".join(each for each, mask in known.items() if mask.seed is None)
        raise SettingError(f"`mask` {name}: {folder} has {own}, and draws of the controls")
    return known[name]


def combined(
    found: SelectivityMap, one: Mask, other: SelectivityMap, two: Mask, how: str
) -> np.ndarray:
    """The units of two masks of one model, as indices into the first one's map.

    Parameters
    ----------
    found, other : SelectivityMap
        The maps of the masks, of the same sites.
    one, two : Mask
        What is combined.
    how : {"union", "intersection", "difference"}
        What becomes of them; the difference is `one` without `two`.

    Raises
    ------
    SettingError
        If the maps are not of one model and the same units, there is no such way, or nothing is
        left.
    """
    if how not in COMBINED:
        raise SettingError(f"`combine` {how}: choose one of {', '.join(COMBINED)}")
    models = {mask.model_fingerprint for mask in (one, two)}
    if len(models) > 1:
        raise SettingError("`with`: the two masks are of different models")
    if (found.sites, found.unit) != (other.sites, other.unit):
        raise SettingError("`with`: the two maps have other sites or units")
    units = COMBINED[how](one.units, two.units)
    if not len(units):
        raise SettingError(f"`combine` {how}: no unit is left of {one.name} and {two.name}")
    return units
