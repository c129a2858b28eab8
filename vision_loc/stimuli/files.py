"""Files that hold pictures, tables and lines, found and read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from common.base import tables
from common.base.errors import DataError

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"}


def files_in(folder: Path) -> list[Path]:
    """The pictures in a folder and its subfolders, sorted; hidden files are passed over.

    Raises
    ------
    DataError
        If there is no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )
    if not files:
        raise DataError(f"{folder}: holds no pictures")
    return files


def picture_names(folder: Path) -> list[str]:
    """Names of the pictures in a folder, relative to it; those in its ``val/`` if it has one."""
    inner = folder / "val"  # beside it lies train/, which is nothing to evaluate on
    files = files_in(inner if inner.is_dir() else folder)
    return [path.relative_to(folder).as_posix() for path in files]


def read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a table, everything as text; see :func:`common.base.tables.read_table`.

    Raises
    ------
    DataError
        If it cannot be read, is empty, lacks a column or one of its cells, or names a file twice.
    """
    table = tables.read_table(path, columns)
    for name in columns:
        if (gaps := table[name].str.strip() == "").any():
            raise DataError(f"{path}: column {name!r} is empty in row {gaps.idxmax()}")
    if "file" in columns and (twice := table["file"].duplicated()).any():
        raise DataError(f"{path}: {table['file'][twice].iloc[0]} is in the table twice")
    return table


def check_files(table: Path, folder: Path, files: Sequence[str]) -> None:
    """Hold a table's files against the folder.

    Raises
    ------
    DataError
        If some are missing: how many, and the first three.
    """
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        raise DataError(
            f"{table}: {len(missing)} of {len(files)} files are missing, the first: "
            + ", ".join(missing[:3])
        )


def beside(folder: Path, name: str) -> Path | None:
    """A file of that name in the folder, or in the one above."""
    places = (folder / name, folder.resolve().parent / name)
    return next((place for place in places if place.is_file()), None)
