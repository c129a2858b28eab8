"""The fuzz: thousands of inputs a reader, each with its right reading."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from shutil import rmtree

import numpy as np

from tests.faults import fetched, kept, seen, tabular, told
from tests.faults.asked import asking
from tests.faults.cases import GOOD, Maker, Read, outcome
from tests.faults.crash import warm

READERS: dict[str, tuple[Maker, int]] = {
    "tables": (tabular.tables, 2000),
    "texts": (tabular.texts, 1000),
    "lines": (tabular.lines, 500),
    "own items": (tabular.items, 800),
    "pairs": (tabular.pairs, 800),
    "tables of items": (tabular.item_tables, 400),
    "pictures": (seen.pictures, 1500),
    "folders of pictures": (seen.folders, 500),
    "tables of pictures": (seen.labelled, 600),
    "ground truths": (seen.ground_truth, 300),
    "manifests": (told.manifests, 1000),
    "downloads": (fetched.downloads, 400),
    "model folders": (kept.models, 200),
    "run folders": (kept.runs, 200),
}
"""By what is read: what makes an input of it, and of how many the whole fuzz is."""

ENDPOINTS = "endpoints of the app", 300
NUMBERS = {name: number for number, name in enumerate([*READERS, ENDPOINTS[0]])}


def read_all(
    seed: int, share: float, place: Path, part: int = 0, parts: int = 1
) -> dict[str, Read]:
    """Read a share of all inputs; of several processes, each its own part.

    Parameters
    ----------
    seed : int
        Of what is generated: the n-th input of a reader is always the same.
    share : float
        How many of each reader's inputs.
    place : Path
        A folder to work in.
    """
    os.environ["FUNCLOC_CACHE"] = str(place / "cache")
    os.environ["FUNCLOC_PIXELS"] = "0"
    warnings.simplefilter("ignore")
    with warm():
        found = {
            name: read(name, make, chosen(n, share, part, parts), seed, place)
            for name, (make, n) in READERS.items()
        }
    if fetched.server.cache_info().currsize:
        fetched.server().close()
    name, n = ENDPOINTS
    if part == 0 and (wanted := chosen(n, share, 0, 1)):  # one app is enough for all
        with asking(place / "app") as make:
            found[name] = read(name, make, wanted, seed, place)
    return found


def chosen(n: int, share: float, part: int, parts: int) -> range:
    """The numbers of the inputs that one of several processes reads."""
    return range(part, max(round(n * share), min(n, parts)), parts)


def read(name: str, make: Maker, wanted: range, seed: int, place: Path) -> Read:
    """Read inputs of one kind."""
    found = Read()
    for number in wanted:
        folder = place / f"{NUMBERS[name]}-{number}"
        folder.mkdir(parents=True)
        case = make(np.random.default_rng([seed, NUMBERS[name], number]), folder)
        came, words = outcome(case)
        found.counts[came] += 1
        if came not in GOOD:
            found.wrong.append(f"{name} {number}, {came} ({case.about}): {words}")
        rmtree(folder, ignore_errors=True)
    return found


def together(parts: list[Mapping[str, Read]]) -> dict[str, Read]:
    """What several processes have read."""
    found = {name: Read() for name in NUMBERS}
    for part in parts:
        for name, read_ in part.items():
            found[name].counts.update(read_.counts)
            found[name].wrong += read_.wrong
    return found


def total(found: Mapping[str, Read]) -> Counter[str]:
    """Counts over all readers."""
    return sum((each.counts for each in found.values()), Counter())
