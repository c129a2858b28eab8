"""What a published list says of pictures, by their paths; a name that could be two is refused.

Such lists name pictures with a folder or without, with a suffix or without, while a copy of the set
may have them in class folders or side by side.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import TypeVar

from common.base.errors import DataError

Value = TypeVar("Value")


def by_path(
    path: Path, entries: Iterable[tuple[str, Value]], files: Sequence[str]
) -> list[Value | None]:
    """What a list says of each file; ``None`` of one that it does not name.

    A file is the entry with its path; else the only one with its name, where not both are in
    folders that differ. A ``val/`` at the beginning is none, and a suffix does not count.

    Parameters
    ----------
    path : Path
        The list, for messages.
    entries : iterable of (str, value)
        What it calls a picture, and what it says of it.
    files : sequence of str
        The pictures, relative to their folder.

    Raises
    ------
    DataError
        If it says two things of one picture, or it cannot be told of which picture it says one.
    """
    known: dict[str, Value] = {}
    for name, value in entries:
        if known.setdefault(_key(name), value) != value:
            raise DataError(f"{path}: says two things of {name}")
    named: dict[str, list[str]] = defaultdict(list)
    for key in known:
        named[_name(key)].append(key)
    keys = [_key(file) for file in files]
    n_files, n_keys = Counter(map(_name, keys)), Counter(keys)
    found: list[Value | None] = []
    for file, key in zip(files, keys, strict=True):
        if key in known and n_keys[key] == 1:
            found.append(known[key])
            continue
        there = [each for each in named[_name(key)] if each == key or _may_be(each, key)]
        if there and (len(there) > 1 or n_files[_name(key)] > 1):
            raise DataError(
                f"{path}: which picture {there[0]} is cannot be told, for several have that name, "
                f"{file} among them; give the table labels.csv with their paths"
            )
        found.append(known[there[0]] if there else None)
    return found


def _key(name: str) -> str:
    parts = PurePosixPath(name).with_suffix("").parts
    return "/".join(parts[1:] if parts[:1] == ("val",) else parts)


def _name(key: str) -> str:
    return key.rpartition("/")[2]


def _may_be(one: str, two: str) -> bool:
    """Whether two paths of one name may be one picture: one of them has no folder."""
    return "/" not in one or "/" not in two
