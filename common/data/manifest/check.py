"""Holding a folder of stimuli against its manifest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from common.base.errors import DataError
from common.base.files import sha256_of
from common.base.progress import Progress, silent
from common.base.tables import read_table
from common.data.download import Download
from common.data.manifest.find import matching
from common.data.manifest.schema import Evaluation, Manifest


@dataclass(frozen=True)
class PartCheck:
    """What was found of one part of a stimulus set: a condition, a subfolder, or its table.

    Attributes
    ----------
    name : str
        The part.
    expected, present : int
        How many files belong to it, and how many are there.
    missing : tuple of str
        Those that are not there, as far as their names are known.
    broken : tuple of str
        One line for each that cannot be read.
    known, differing : int
        How many of those present have a published checksum, and how many have another one.
    """

    name: str
    expected: int
    present: int
    missing: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    known: int = 0
    differing: int = 0


def check_folder(
    manifest: Manifest,
    folder: Path,
    read: Callable[[Path], object],
    progress: Progress = silent,
) -> list[PartCheck]:
    """Hold a folder against its manifest: is every file there, readable, and the published one?

    Parameters
    ----------
    folder : Path
        What ``find_folder`` found.
    read : callable
        Reads one file as what it is; raises DataError where it is broken.

    Returns
    -------
    list of PartCheck
        Conditions first, then other files with a published checksum, then the evaluation's.

    Raises
    ------
    DataError
        If the evaluation's table cannot be read.
    """
    parts = list(_parts(manifest, folder))
    total = sum(len(paths) for _, paths, _ in parts)
    checks: list[PartCheck] = []
    done = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, paths, expected in parts:
            look = partial(_look, folder, manifest.download, read)
            looks = []
            for found in pool.map(look, paths):
                looks.append(found)
                done += 1
                progress(f"check {manifest.name}", done, total)
            checks.append(_sum_up(name, expected, paths, looks))
    return checks


def _parts(manifest: Manifest, folder: Path) -> Iterator[tuple[str, list[str], int]]:
    """Name, files and number of each part; a file that two claim belongs to the first."""
    listed = set(manifest.download.files) if manifest.download else set()
    seen: set[str] = set()
    for name, condition in manifest.conditions.items():
        if globs := condition.globs:
            paths = {path for path in listed if any(PurePosixPath(path).match(g) for g in globs)}
            paths |= {p.relative_to(folder).as_posix() for g in globs for p in matching(folder, g)}
            # Of a table n counts the rows.
            expected = None if condition.words else (condition.n or 0) * len(globs)
            seen |= paths
            yield name, sorted(paths), expected or max(1, len(paths))
    for parent in sorted({PurePosixPath(path).parent for path in listed - seen}):
        paths = {path for path in listed - seen if PurePosixPath(path).parent == parent}
        yield "pictures" if str(parent) == "." else parent.name, sorted(paths), len(paths)
    if manifest.evaluation and manifest.evaluation.table:
        rows = set(_rows(manifest.evaluation, folder)) - seen - listed
        yield manifest.evaluation.table, [manifest.evaluation.table], 1
        if rows:
            yield f"files in {manifest.evaluation.table}", sorted(rows), len(rows)


def _rows(entry: Evaluation, folder: Path) -> list[str]:
    path = folder / (entry.table or "")
    if not path.is_file():
        return []
    return [str(file) for file in read_table(path, [entry.file])[entry.file]]


@dataclass(frozen=True)
class _Look:
    """What one file is like."""

    present: bool = False
    broken: str | None = None
    same: bool | None = None


def _look(
    folder: Path, download: Download | None, read: Callable[[Path], object], path: str
) -> _Look:
    file = folder / path
    if not file.is_file():
        return _Look()
    try:
        read(file)
        expected = download.files.get(path) if download else None
        same = None if expected is None else sha256_of(file) == expected
    except (DataError, OSError) as error:
        return _Look(present=True, broken=str(error))
    return _Look(present=True, same=same)


def _sum_up(name: str, expected: int, paths: list[str], looks: list[_Look]) -> PartCheck:
    return PartCheck(
        name=name,
        expected=expected,
        present=sum(look.present for look in looks),
        missing=tuple(p for p, look in zip(paths, looks, strict=True) if not look.present),
        broken=tuple(look.broken for look in looks if look.broken is not None),
        known=sum(look.same is not None for look in looks),
        differing=sum(look.same is False for look in looks),
    )
