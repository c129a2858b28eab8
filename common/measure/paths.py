"""Paths of modules, as in ``named_modules()``: what lies in what, and what lies beside it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping


def parent(path: str) -> str:
    """The path of the module around one."""
    return path.rpartition(".")[0]


def place(path: str) -> str:
    """A path with its numbers taken out: ``layer3.0`` lies in the place ``layer#.#``."""
    return re.sub(r"\d+", "#", path)


def inside(path: str, outer: Collection[str]) -> bool:
    """Whether a path is one of others, or lies in one."""
    return any(path == each or path.startswith(each + ".") for each in outer)


def outermost(paths: Collection[str]) -> list[str]:
    """Those that lie in no other, sorted."""
    return [path for path in sorted(paths) if not any(path.startswith(p + ".") for p in paths)]


def nested(group: type, groups: Mapping[type, Collection[str]]) -> bool:
    """Whether a path of one group lies in a path of another."""
    return any(
        path.startswith(other + ".")
        for path in groups[group]
        for kind, others in groups.items()
        for other in others
        if kind is not group
    )
