"""The first units of a map as a table of the report."""

from __future__ import annotations

from pathlib import Path

from common.base.errors import FunclocError
from common.measure.masks import Mask, load_masks
from common.measure.scores import SelectivityMap
from common.measure.unit_table import unit_table
from common.report.parts import Cell, Table, found_part

FIRST = 20
SHOWN = ("rank", "site", "unit", "position", "symbol", "q", "d_prime", "index", "loudness",
         "times_median", "masks")  # fmt: skip
CALLED = {"d_prime": "d′", "times_median": "× median"}


def own_masks(folder: Path, found: SelectivityMap) -> list[Mask]:
    """The masks of a folder that are no draws; none where they do not fit the map any more."""
    path = found_part(folder, "masks.safetensors")
    try:
        known = {} if path is None else load_masks(path, found)
    except FunclocError:
        return []
    return [mask for mask in known.values() if mask.seed is None]


def top_units(found: SelectivityMap, folder: Path) -> list[Table]:
    """The units with the highest score, one row each."""
    symbol = found.score.words.symbol
    listed = unit_table(found, own_masks(folder, found), FIRST)
    wanted = [symbol if name == "symbol" else name for name in SHOWN]
    names = [name for name in dict.fromkeys(wanted) if name in listed]
    rows = [[Cell(_told(value)) for value in row] for row in listed[names].to_numpy(object)]
    note = (
        f"The first {len(rows)} of {found.n_units:,} units by {found.score.words.prose}. unit: its "
        "number in the tensor, from 0; loudness: mean |activation| over the localizer; × median: "
        "over that of the median unit of its site; masks: those that it is in. The command "
        "units writes all of them."
    )
    return [Table("The top units", note, [CALLED.get(name, name) for name in names], rows)]


def _told(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
