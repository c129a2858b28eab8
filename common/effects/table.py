"""The table of items: one row an item and mask, checked once and laid out as arrays."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from common.base.errors import DataError
from common.effects.measured import MEASURES, Measure

INTACT = "intact"
COLUMNS = ("item", "group", "label", "mask", "rule", "percent", "margin")

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Table:
    """Outcomes of the items of two groups (or of one) under every mask.

    Items are in the order of their names, so the order of rows does not matter.

    Attributes
    ----------
    target : array of bool of shape (n_items,)
        Whether an item is of the target group.
    labels : array of str of shape (n_items,)
        Class or paradigm; empty where there is none.
    margin : array of shape (n_items,)
        Intact.
    margins : array of shape (n_items, n_masks)
        Under every mask.
    correct : array of bool of shape (n_items,) or None
        Intact; ``None`` for running text, which is not right or wrong.
    corrects : array of bool of shape (n_items, n_masks) or None
        Under every mask.
    masks : DataFrame
        ``mask``, ``rule`` and ``percent`` of every mask, by rule and percent, then in the order of
        drawing.
    percents : tuple of float
        Doses of the top masks, in the order of the table's rows.
    measure : {"accuracy", "agreement"}
        What counts as right; see :mod:`common.effects.measured`.
    """

    target: Bools
    labels: npt.NDArray[np.object_]
    margin: Floats
    margins: Floats
    correct: Bools | None
    corrects: Bools | None
    masks: pd.DataFrame
    percents: tuple[float, ...]
    measure: Measure = "accuracy"

    def at(self, rule: str, percent: float) -> Ints:
        """Columns of a rule's masks at a dose, in the order of drawing."""
        chosen = (self.masks["rule"] == rule) & (self.masks["percent"] == percent)
        return np.flatnonzero(chosen.to_numpy())

    def rules(self, percent: float) -> list[str]:
        """Rules that have masks at a dose."""
        return list(dict.fromkeys(self.masks.loc[self.masks["percent"] == percent, "rule"]))


def read_table(items: pd.DataFrame, target: str, other: str | None) -> Table:
    """Check a table of items and lay it out.

    Parameters
    ----------
    items : DataFrame
        Columns `COLUMNS`, ``correct`` where items are right or wrong, and ``measure`` where that
        is by agreement with the intact model.
    target, other : str, str or None
        The groups to compare; ``None`` for the target group alone.

    Raises
    ------
    DataError
        If a column is missing, an item comes twice or not at all under some mask or changes its
        group, a group is unknown, a margin is not finite, or there is no intact pass or top mask.
    """
    if absent := [name for name in COLUMNS if name not in items.columns]:
        raise DataError(f"the table of items lacks the columns {', '.join(absent)}")
    intact = items[items["mask"] == INTACT]
    if intact.empty:
        raise DataError(f"the table of items has no rows with the mask {INTACT!r}")
    _check_groups(intact, target, other)
    names_in = intact.loc[_of(intact, target, other), "item"]
    chosen = items[_of(items, target, other) | items["item"].isin(names_in)]
    names, rows = np.unique(chosen["item"].astype(str).to_numpy(dtype=str), return_inverse=True)
    masks, percents = _masks(chosen)
    columns = pd.Index([INTACT, *masks["mask"]]).get_indexer(pd.Index(chosen["mask"]))
    grid = _Grid(names, [INTACT, *masks["mask"]], rows.astype(np.intp), columns.astype(np.intp))
    groups = grid.constant(chosen["group"], "group")
    labels = grid.constant(chosen["label"].fillna("").astype(str), "label")
    margins, corrects = grid.filled(_finite(chosen)), _corrects(chosen, grid)
    return Table(
        np.asarray(groups == target, dtype=bool),
        labels,
        margins[:, 0],
        margins[:, 1:],
        None if corrects is None else corrects[:, 0],
        None if corrects is None else corrects[:, 1:],
        masks,
        percents,
        _measure(chosen),
    )


def judged_groups(
    items: pd.DataFrame, target: str | None, other: str | None
) -> tuple[str, str | None]:
    """The groups that a table is judged by, where they are not said.

    Parameters
    ----------
    items : DataFrame
        With a column ``group``.
    target, other : str, optional
        As they were said. Left out, a table of one group is judged by that, and one of two by the
        first of them against the second, in the order of the rows.

    Raises
    ------
    DataError
        If the table has no groups, or too many to choose from.
    """
    if target is not None:
        return target, other
    known = [*dict.fromkeys(items["group"].astype(str))] if "group" in items else []
    if other is not None or not 1 <= len(known) <= 2:
        there = ", ".join(known) or "none"
        raise DataError(f"say which group is the target, and which the other; there are: {there}")
    return known[0], known[1] if len(known) == 2 else None


def numbered(labels: npt.NDArray[np.object_]) -> Ints:
    """Clusters of items: those of one label together, one without a label on its own."""
    kinds, items = labels.astype(str), np.arange(len(labels)).astype(str)
    keys = np.where(labels == "", np.char.add("item ", items), np.char.add("label ", kinds))
    return np.unique(keys, return_inverse=True)[1].astype(np.intp)


@dataclass(frozen=True)
class _Grid:
    """Where every row of the table belongs: item by mask, each place exactly once."""

    items: npt.NDArray[np.str_]
    masks: Sequence[str]
    rows: Ints
    columns: Ints

    def __post_init__(self) -> None:
        place = self.rows * len(self.masks) + self.columns
        counts = np.bincount(place, minlength=len(self.items) * len(self.masks))
        for wrong, problem in ((counts > 1, "comes twice"), (counts == 0, "is missing")):
            if wrong.any():
                item, mask = divmod(int(np.flatnonzero(wrong)[0]), len(self.masks))
                raise DataError(
                    f"item {str(self.items[item])!r} {problem} under the mask {self.masks[mask]!r}"
                )

    def filled(self, values: Floats) -> Floats:
        """Values of all rows, shape (n_items, n_masks + 1); the first column is intact."""
        table = np.empty((len(self.items), len(self.masks)))
        table[self.rows, self.columns] = values
        return table

    def constant(self, values: pd.Series, name: str) -> npt.NDArray[np.object_]:
        """One value an item, which no mask may change."""
        codes, kinds = pd.factorize(values)
        table = self.filled(codes.astype(float))
        if len(wrong := np.flatnonzero((table != table[:, :1]).any(axis=1))):
            raise DataError(f"item {str(self.items[wrong[0]])!r} has more than one {name}")
        known: npt.NDArray[np.object_] = np.asarray(kinds, dtype=object)
        return known[table[:, 0].astype(np.intp)]


def _of(items: pd.DataFrame, target: str, other: str | None) -> pd.Series:
    return items["group"].isin([target] if other is None else [target, other])


def _check_groups(intact: pd.DataFrame, target: str, other: str | None) -> None:
    known = sorted(map(str, intact["group"].dropna().unique()))
    for group in (target, other):
        if group is not None and group not in known:
            raise DataError(f"no item is of the group {group!r}; there are {', '.join(known)}")
    if target == other:
        raise DataError(f"target and other are both {target!r}; name two groups, or one alone")


def _masks(items: pd.DataFrame) -> tuple[pd.DataFrame, tuple[float, ...]]:
    """All masks but the intact pass, and the doses of the top ones.

    Draws of a rule are in the order of the number at the end of their names, else as they come.
    """
    masks = items.loc[items["mask"] != INTACT, ["mask", "rule", "percent"]].drop_duplicates()
    if masks["mask"].duplicated().any():
        name = masks.loc[masks["mask"].duplicated(), "mask"].iloc[0]
        raise DataError(f"the mask {name!r} has more than one rule or percent")
    masks = masks.assign(percent=pd.to_numeric(masks["percent"], errors="coerce"))
    if masks["percent"].isna().any() or masks["rule"].isna().any():
        name = masks.loc[masks["percent"].isna() | masks["rule"].isna(), "mask"].iloc[0]
        raise DataError(f"the mask {name!r} has no rule or no percent")
    for rule in ("top", "matched-part", "unmatched-part"):
        ours = masks[masks["rule"] == rule]
        if ours["percent"].duplicated().any():
            twice = ours.loc[ours["percent"].duplicated(), "percent"].iloc[0]
            raise DataError(f"there is more than one {rule} mask of {twice:g} percent")
    if not (masks["rule"] == "top").any():
        raise DataError("no mask of the table has the rule 'top'")
    seeds = [re.search(r"-s(\d+)$", str(name)) for name in masks["mask"]]
    order = masks.assign(seed=[int(found[1]) if found else -1 for found in seeds])
    order = order.sort_values(["rule", "percent", "seed"], kind="stable")
    doses = masks.loc[masks["rule"] == "top", "percent"]
    return order.drop(columns="seed").reset_index(drop=True), tuple(map(float, doses))


def _measure(items: pd.DataFrame) -> Measure:
    """What counts as right: one word for all rows, accuracy where none is said."""
    said = items["measure"].dropna().unique().tolist() if "measure" in items.columns else []
    if len(said) > 1 or any(word not in MEASURES for word in said):
        raise DataError(
            f"the column measure holds {', '.join(map(str, said))}; it takes one of "
            f"{', '.join(MEASURES)}, the same in all rows"
        )
    return said[0] if said else "accuracy"


def _finite(items: pd.DataFrame) -> Floats:
    margins = pd.to_numeric(items["margin"], errors="coerce").to_numpy(dtype=float)
    if len(wrong := np.flatnonzero(~np.isfinite(margins))):
        row = items.iloc[int(wrong[0])]
        raise DataError(
            f"the margin of item {row['item']!r} under the mask {row['mask']!r} is no number"
        )
    return margins


def _corrects(items: pd.DataFrame, grid: _Grid) -> Bools | None:
    """Right or wrong under every mask; ``None`` where no row says it."""
    if "correct" not in items.columns or items["correct"].isna().all():
        return None
    values = pd.to_numeric(items["correct"], errors="coerce").to_numpy(dtype=float)
    if len(wrong := np.flatnonzero(~np.isin(values, (0.0, 1.0)))):
        row = items.iloc[int(wrong[0])]
        raise DataError(
            f"item {row['item']!r} under the mask {row['mask']!r} is neither right (1) nor wrong "
            "(0); leave all of `correct` empty for items that cannot be right"
        )
    return np.asarray(grid.filled(values) == 1)
