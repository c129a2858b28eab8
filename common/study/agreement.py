"""How far two run folders agree: number by number, file by file; and what was different."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError

from common.base.errors import RunError
from common.base.files import read_arrays, read_json
from common.base.tables import read_large
from common.study.dissociation_file import NAME as DISSOCIATION
from common.study.dissociation_file import load_dissociation
from common.study.folder import differences
from common.study.results import NAME as RESULTS
from common.study.results import load_results

WORDS = ("verdict", "warnings", "warning", "claim", "because", "reason", "finding")
"""Keys whose texts are made from the numbers, in words that another version may choose anew."""
CALLED = ("level", "part", "text", "mask", "rule", "against", "name", "row", "column", "among",
          "group", "percent", "seed", "site", "unit")  # fmt: skip
KEYS = ("localizer", "item", "set", "condition", "name", "group", "mask")
"""Columns that say which row of a table it is."""
NAMES = ("prediction", "label", "correct")  # columns whose numbers are no amounts
SAID = {
    "model.fingerprint": "weights of the model",
    "model.config": "configuration of the model",
    "localizer.stimuli": "stimuli of the localizer",
    "evaluation.stimuli": "stimuli of the evaluation",
    "map": "the map",
}


@dataclass(frozen=True)
class Agreement:
    """How far one file agrees with its other.

    Attributes
    ----------
    part : str
        The file's name.
    n : int
        Numbers, and words that are no sentences, that both have.
    n_other : int
        Those that do not agree.
    furthest : float
        The largest difference of two numbers; infinite where words alone differ.
    where : str
        Where that is; empty where all agree.
    gone, new : int
        What the first alone has, and the second.
    """

    part: str
    n: int
    n_other: int = 0
    furthest: float = 0.0
    where: str = ""
    gone: int = 0
    new: int = 0

    @property
    def agrees(self) -> bool:
        """Whether all that the first has is in the second, too; that may have more."""
        return not self.n_other and not self.gone

    @property
    def said(self) -> str:
        """What does not agree, in words."""
        told = []
        if self.n_other:
            apart = f", by {self.furthest:.3g} at most" if math.isfinite(self.furthest) else ""
            told.append(f"{self.n_other:,} of {self.n:,} differ{apart} (at {self.where})")
        told += [f"{self.gone:,} are gone"] if self.gone else []
        told += [f"{self.new:,} are new"] if self.new else []
        return "; ".join(told) or "all agree"

    def as_json(self) -> dict[str, Any]:
        """The same for JSON, where an infinite difference is null."""
        furthest = self.furthest if math.isfinite(self.furthest) else None
        return {**vars(self), "furthest": furthest, "agrees": self.agrees}


@dataclass(frozen=True)
class Change:
    """What was different when a run was done again.

    Attributes
    ----------
    name : str
        What it is.
    then, now : str
        What it was, and is.
    """

    name: str
    then: str
    now: str

    @property
    def said(self) -> str:
        """In words."""
        return f"{self.name} ({self.then} then, {self.now} now)"


def agreements(one: Path, two: Path, within: float = 0.0) -> list[Agreement]:
    """Hold the numbers of two folders of one kind against each other.

    Parameters
    ----------
    one, two : Path
        Run folders, or those of a localizer's map or of a dissociation.
    within : float, default=0
        How far apart two numbers may be that agree, as a share of the larger one where that is
        above 1.

    Returns
    -------
    list of Agreement
        One a file that the first has.

    Raises
    ------
    RunError
        If a file cannot be read, or the first has no numbers.
    """
    found = [*_all(one, two, within)]
    if not found:
        raise RunError(f"{one}: holds no numbers to compare")
    return found


def _all(one: Path, two: Path, within: float) -> Iterator[Agreement]:
    for name, load in ((RESULTS, load_results), (DISSOCIATION, load_dissociation)):
        if (one / name).is_file():
            then, now = (_leaves(load(folder).as_json()) for folder in (one, two))
            yield _compared(name, then, now, within)
    for name in ("untrained.json", "map.json"):
        if (one / name).is_file():
            then, now = (_leaves(_json(folder / name)) for folder in (one, two))
            yield _compared(name, then, now, within)
    for path in sorted(one.rglob("*.safetensors")):
        name = path.relative_to(one).as_posix()
        if not name.startswith(("partial", ".")):
            yield _arrays(name, path, two / name, within)
    for name in ("stimuli.csv", "items.csv", "windows.csv", "alone.csv", "profile.csv"):
        if (one / name).is_file():
            yield _tables(name, one / name, two / name, within)


def _json(path: Path) -> Any:
    return read_json(path) if path.is_file() else {}


def _leaves(value: Any, at: str = "") -> dict[str, Any]:
    """Numbers and words of JSON by where they are; entries of a list by what they are called."""
    found: dict[str, Any] = {}
    if isinstance(value, Mapping):
        for key, each in value.items():
            if key not in (*WORDS, "digest"):
                found |= _leaves(each, f"{at}.{key}" if at else str(key))
        return found
    if isinstance(value, Sequence) and not isinstance(value, str):
        for name, each in zip(_names(value), value, strict=True):
            found |= _leaves(each, f"{at}[{name}]")
        return found
    return {at: value}


def _names(entries: Sequence[Any]) -> list[str]:
    """What the entries of a list are called: by what tells them apart, or by their number."""
    names = [_name(each) for each in entries]
    numbers = [str(number) for number in range(len(entries))]
    return names if all(names) and len({*names}) == len(names) else numbers


def _name(entry: Any) -> str:
    if not isinstance(entry, Mapping):
        return ""
    own = [str(entry[key]) for key in CALLED if isinstance(entry.get(key), str | int | float)]
    return " ".join(own)


def _compared(
    part: str, one: Mapping[str, Any], two: Mapping[str, Any], within: float
) -> Agreement:
    both = [key for key in one if key in two]
    apart = {key: _apart(one[key], two[key], within) for key in both}
    other = {key: gap for key, gap in apart.items() if gap > 0}
    where = max(other, key=lambda key: _rank(other[key]), default="")
    gone, new = len(one) - len(both), len(two) - len(both)
    return Agreement(part, len(both), len(other), other.get(where, 0.0), where, gone, new)


def _rank(gap: float) -> float:
    """How much a difference says: one of words comes before none, and behind any of numbers."""
    return gap if 0 < gap < math.inf else min(gap, 0.0) - (gap == 0)


def _apart(one: Any, two: Any, within: float) -> float:
    """How far apart two values are; 0 if they agree, infinite if they are no numbers and differ."""
    numbers = [isinstance(each, int | float) and not isinstance(each, bool) for each in (one, two)]
    if not all(numbers):
        return 0.0 if one == two else math.inf
    gap = _gaps(np.array([one], dtype=float), np.array([two], dtype=float), within)
    return float(gap[0])


def _gaps(one: np.ndarray, two: np.ndarray, within: float) -> np.ndarray:
    """Differences of numbers, 0 where they agree; gaps agree with gaps."""
    alike = (one == two) | (np.isnan(one) & np.isnan(two))
    with np.errstate(invalid="ignore"):
        gap = np.abs(one - two)
        alike |= gap <= within * np.maximum(1.0, np.maximum(np.abs(one), np.abs(two)))
    gap = np.where(np.isnan(gap), np.inf, gap)
    found: np.ndarray = np.where(alike, 0.0, gap)
    return found


def _arrays(part: str, one: Path, two: Path, within: float) -> Agreement:
    left, right = _read(one), _read(two) if two.is_file() else {}
    n, n_other, furthest, where = 0, 0, 0.0, ""
    both = [name for name in left if name in right and left[name].shape == right[name].shape]
    for name in both:
        gap = _gaps(left[name].astype(float), right[name].astype(float), within)
        n, n_other = n + gap.size, n_other + int((gap > 0).sum())
        if gap.size and gap.max() > furthest:
            furthest, where = float(gap.max()), name
    gone = sum(array.size for name, array in left.items() if name not in both)
    new = sum(array.size for name, array in right.items() if name not in both)
    return Agreement(part, n, n_other, furthest, where, gone, new)


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        return read_arrays(path)[0]
    except (OSError, SafetensorError, ValueError) as error:
        raise RunError(f"{path}: cannot be read ({error})") from error


def _tables(part: str, one: Path, two: Path, within: float) -> Agreement:
    left = _table(one)
    right = _table(two) if two.is_file() else left.head(0)
    keys = [key for key in KEYS if key in left and key in right]
    left, right = (_keyed(each, keys) for each in (left, right))
    rows = left.index.intersection(right.index, sort=False)
    columns = [str(name) for name in left if name in right]
    n, n_other, furthest, where = 0, 0, 0.0, ""
    for column in columns:
        old, now = left[column].loc[rows], right[column].loc[rows]
        n += len(rows)
        unlike = np.flatnonzero(old.to_numpy() != now.to_numpy())
        if not len(unlike):
            continue
        gap = _gaps_of_cells(column, old.iloc[unlike], now.iloc[unlike], within)
        n_other += int((gap > 0).sum())
        most = max(range(len(gap)), key=lambda place: _rank(float(gap[place])))
        if _rank(float(gap[most])) > _rank(furthest):
            furthest = float(gap[most])
            key = [str(each) for each in rows[unlike[most]][:-1] if str(each)]
            where = f"{column} of {' '.join(key)}"
    # Rows of the columns that both have, and whole columns that one alone has.
    gone = (len(left) - len(rows)) * len(columns) + left.size - len(left) * len(columns)
    new = (len(right) - len(rows)) * len(columns) + right.size - len(right) * len(columns)
    return Agreement(part, n, n_other, furthest, where, gone, new)


def _table(path: Path) -> pd.DataFrame:
    return read_large(path, dtype=str, keep_default_na=False)


def _keyed(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """A table by what says which row it is; rows that are called alike are counted."""
    count = table.groupby(keys, sort=False).cumcount() if keys else pd.Series(range(len(table)))
    return table.set_index([*(table[key] for key in keys), count]).drop(columns=keys)


def _gaps_of_cells(
    column: str, old: pd.Series[Any], now: pd.Series[Any], within: float
) -> np.ndarray:
    """How far apart cells are that are not the same text; infinitely, unless both are numbers."""
    if column in NAMES:
        return np.full(len(old), np.inf)
    one, two = _numbers(old), _numbers(now)
    found: np.ndarray = np.where(np.isnan(one) | np.isnan(two), np.inf, _gaps(one, two, within))
    return found


def _numbers(texts: pd.Series[Any]) -> np.ndarray:
    found: np.ndarray = pd.to_numeric(texts, errors="coerce").to_numpy(float)
    return found


# --- what was different ---


def changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    """Where two ``run.json`` differ in versions, machine, model, stimuli or settings.

    Parameters
    ----------
    then, now : mapping
        As read; an older one may say less.
    """
    found = []
    for part in ("versions", "identity"):
        old, new = _mapping(then, part), _mapping(now, part)
        for name in differences(dict(old), dict(new)):
            if name != "format":
                found.append(Change(SAID.get(name, name), _at(old, name), _at(new, name)))
    for name in ("platform", "device"):
        if then.get(name) != now.get(name):
            found.append(Change(name, _at(then, name), _at(now, name)))
    return found


def _mapping(entry: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    found = entry.get(part)
    return found if isinstance(found, Mapping) else {}


def _at(entry: Mapping[str, Any], name: str) -> str:
    value: Any = entry
    for key in name.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    if value is None:
        return "not told"
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
