"""Files that hold pictures, tables and lines, found and read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

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
    """Read a CSV table, everything as text.

    Raises
    ------
    DataError
        If it cannot be read, is empty, lacks a column, or names a file twice.
    """
    try:
        table = pd.read_csv(path, dtype=str, encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such table") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a table ({error})") from error
    if missing := [name for name in columns if name not in table.columns]:
        has = ", ".join(map(str, table.columns))
        raise DataError(f"{path}: has no column {missing[0]!r}; it has {has}")
    if table.empty:
        raise DataError(f"{path}: has no rows")
    for name in columns:
        if table[name].isna().any():
            raise DataError(f"{path}: column {name!r} is empty in row {_first(table[name].isna())}")
    if "file" in columns and (twice := table["file"].duplicated()).any():
        raise DataError(f"{path}: {table['file'][twice].iloc[0]} is in the table twice")
    return table


def _first(where: pd.Series[bool]) -> int:
    return int(where.to_numpy().argmax()) + 2  # line of the file; the header is line 1


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


def lines_of(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
