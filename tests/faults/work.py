"""What a process of the faults is given to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.faults import crash, fuzz

Job = tuple[Any, ...]


def done(job: tuple[Job, Path]) -> object:
    """A part of a sweep, of the whole fuzz, or of one reader's, in a folder of its own."""
    (kind, *about), place = job
    place.mkdir()
    if kind == "sweep":
        name, every, first = about
        return name, crash.sweep(name, place, every, first)
    if kind == "read":
        name, numbers, seed = about
        return {name: fuzz.read(name, fuzz.READERS[name][0], numbers, seed, place)}
    seed, share, part, parts = about
    return fuzz.read_all(seed, share, place, part, parts)
