"""Files that hold pictures, tables and lines, found and read."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from common.base import tables
from common.base.errors import DataError

SUFFIXES = {
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".dib", ".gif", ".webp", ".tif",
    ".tiff", ".avif", ".jp2", ".ppm", ".pgm", ".pbm", ".pnm", ".tga",
}  # fmt: skip
BESIDE = {".csv", ".tsv", ".txt", ".json", ".md", ".db", ".ini"}  # nobody takes these for pictures
NAMED = 3  # files that are passed over are told by the names of as many


def files_in(folder: Path) -> list[Path]:
    """The pictures in a folder and its subfolders, sorted; what is hidden is passed over.

    Linked folders are read as others are.

    Raises
    ------
    DataError
        If there is no such folder, no picture in it, or a folder of it twice, by a link.
    """
    files = [path for path in _all_in(folder) if path.suffix.lower() in SUFFIXES]
    if not files:
        raise DataError(f"{folder}: holds no pictures{_but(passed_over(folder))}")
    return files


def passed_over(*folders: Path) -> str | None:
    """What to tell of files beside the pictures of folders, if there are any."""
    others = [
        path for folder in folders for path in _all_in(folder)
        if path.suffix.lower() not in SUFFIXES | BESIDE
    ]  # fmt: skip
    if not others:
        return None
    kinds = Counter(path.suffix.lower() or "without a suffix" for path in others)
    told = ", ".join(f"{n:,} {kind}" for kind, n in kinds.most_common())
    first = ", ".join(path.name for path in others[:NAMED])
    return (
        f"{len(others):,} files in {' and '.join(map(str, folders))} are no pictures by their "
        f"names and were passed over ({told}), the first: {first}."
    )


def check_apart(one: Path, two: Path) -> None:
    """Refuse two folders that are one, or of which one lies in the other.

    Raises
    ------
    DataError
        If so.
    """
    first, second = one.resolve(), two.resolve()
    if first == second:
        raise DataError(f"{one} and {two}: are the same folder, so there is nothing to compare")
    if first in second.parents or second in first.parents:
        raise DataError(f"{one} and {two}: one of the two folders holds the other")


def _but(told: str | None) -> str:
    return "" if told is None else f"; {told.rstrip('.')}"


def _all_in(folder: Path) -> list[Path]:
    """All files that are not hidden, and not in a hidden folder, sorted by their paths."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    read: dict[str, str] = {}
    found = []
    for place, inner, names in os.walk(folder, followlinks=True, onerror=_unreadable):
        real = os.path.realpath(place)
        if (before := read.setdefault(real, place)) != place:
            raise DataError(
                f"{place}: is a link to {before}, whose pictures are read already; take it away"
            )
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        found += [Path(place, name) for name in names if not name.startswith(".")]
        if odd := [name for name in (place, *names) if not _is_utf8(name)]:
            raise DataError(f"{odd[0]!a} in {folder}: its name is not UTF-8; rename it")
    return sorted(found)


def _is_utf8(name: str) -> bool:
    """Whether a name can be written down: other bytes in it are read as what no text may hold."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def _unreadable(error: OSError) -> None:
    raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from error


def picture_names(folder: Path) -> list[str]:
    """Names of the pictures in a folder, relative to it; those in its ``val/`` if it has one."""
    return [path.relative_to(folder).as_posix() for path in files_in(pictures_folder(folder))]


def pictures_folder(folder: Path) -> Path:
    """Where in a folder the pictures lie: in its ``val/`` if it has one."""
    inner = folder / "val"  # beside it lies train/, which is nothing to evaluate on
    return inner if inner.is_dir() else folder


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
