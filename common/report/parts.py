"""What a report is made of: figures with words, tables of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from common.base.errors import RunError

OPEN_ROWS = 24  # longer tables are folded


@dataclass(frozen=True)
class Shown:
    """One figure of the report."""

    caption: str
    alt: str
    data: str


@dataclass(frozen=True)
class Section:
    """Figures under one heading, with paragraphs beside them."""

    heading: str
    figures: list[Shown]
    text: Sequence[str] = ()


@dataclass(frozen=True)
class Cell:
    """One number of a table, and its interval or range."""

    value: str = ""
    beside: str = ""


@dataclass(frozen=True)
class Table:
    """A table of numbers below the main one."""

    heading: str
    note: str
    columns: list[str]
    rows: list[list[Cell]]

    @property
    def folded(self) -> bool:
        """Whether it is too long to lie open."""
        return len(self.rows) > OPEN_ROWS


def profile_of(folder: Path) -> pd.DataFrame | None:
    """The response profile, where the front end measured one."""
    path = folder / "profile.csv"
    # "NA" or "null" may be the name of somebody's condition.
    names = {"set": str, "condition": str}
    return pd.read_csv(path, dtype=names, keep_default_na=False) if path.is_file() else None


def part_of(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise RunError(f"{path}: this part of the run is gone; run it again in a new folder")
    return path
