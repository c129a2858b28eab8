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
    path = found_part(folder, "profile.csv")
    # "NA" or "null" may be the name of somebody's condition.
    names = {"set": str, "condition": str}
    return None if path is None else pd.read_csv(path, dtype=names, keep_default_na=False)


def found_part(folder: Path, name: str) -> Path | None:
    """A file that a run folder holds itself, if it does.

    Raises
    ------
    RunError
        If it is a link, or lies in a linked folder: that may lead to anybody's file.
    """
    path = folder / name
    for step in (path, *path.parents):
        if step == folder:
            break
        if step.is_symlink():
            raise RunError(f"{step}: is a link, which is not followed; run it again")
    return path if path.is_file() else None


def part_of(folder: Path, name: str) -> Path:
    """A file that a run folder must hold itself.

    Raises
    ------
    RunError
        If it is gone, or a link.
    """
    path = found_part(folder, name)
    if path is None:
        raise RunError(
            f"{folder / name}: this part of the run is gone; run it again in a new folder"
        )
    return path
