"""The run folders that lie side by side in one folder: listed, and found by their names alone."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from common.base.called import Called, called
from common.base.errors import RunError
from common.base.files import read_json
from common.effects.crossing_words import Outcome as Crossed
from common.effects.crossing_words import outcome as crossed_outcome
from common.effects.crossing_words import plainly
from common.effects.finding import amount_within
from common.effects.judgement import Estimate, Outcome
from common.effects.kinds_words import Outcome as Kinds
from common.effects.kinds_words import outcome as kinds_outcome
from common.effects.kinds_words import plainly as kinds_plainly
from common.study.dissociation_file import DISSOCIATED, load_dissociation
from common.study.dissociation_file import NAME as DISSOCIATION
from common.study.folder import front_of
from common.study.results import NAME, load_results
from common.study.sites_file import SITES

RUNS = Path("runs")
UNFINISHED = "not finished"
ORDERS = {
    "newest": "the newest first",
    "model": "by model",
    "localizer": "by localizer",
    "effect": "the largest effect first",
}  # in which runs can be listed


@dataclass(frozen=True)
class Entry:
    """One run folder in the list.

    Attributes
    ----------
    folder : Path
        Where it lies.
    front, model, localizer, started : str
        From its ``run.json``; `front` is the program whose run it is.
    finished : bool
        Whether it has results.
    verdict : str
        The finding, or how far it has come.
    settings : dict
        What it was started with, paths as text.
    outcome : str or None
        One of the four, or of those of a dissociation or of a comparison of sites; ``None`` where
        it is not finished.
    adjusted : Estimate or None
        The adjusted effect with its interval and p; ``None`` where it is not finished.
    called : Called
        What people call it, and note of it.
    several : str
        What it is where it has several maps and a report of its own: a dissociation, or a
        comparison of sites. Empty for a run.
    """

    folder: Path
    front: str
    model: str
    localizer: str
    started: str
    finished: bool
    verdict: str
    settings: dict[str, Any]
    outcome: Outcome | Crossed | Kinds | None = None
    adjusted: Estimate | None = None
    called: Called = field(default_factory=Called)
    several: str = ""

    @property
    def effect(self) -> str:
        """The adjusted effect with its interval in words; nothing where it is not finished."""
        if self.adjusted is None:
            return ""
        return amount_within(self.adjusted)

    @property
    def name(self) -> str:
        """What the folder is called; runs are chosen by it."""
        return self.folder.name


def list_runs(root: Path = RUNS) -> list[Entry]:
    """The run folders directly in `root`, newest first; links are not followed."""
    folders = root.iterdir() if root.is_dir() else iter(())
    there = [each for each in folders if (each / "run.json").is_file() and not each.is_symlink()]
    entries = [entry for entry in map(_entry, there) if entry is not None]
    return sorted(entries, key=lambda entry: (entry.started, entry.name), reverse=True)


def _entry(folder: Path) -> Entry | None:
    try:
        about = read_json(folder / "run.json")
        if "localizers" in about:
            return _crossed(folder, about)
        if "kinds" in about:
            return _by_kind(folder, about)
        finished = (folder / NAME).is_file()
        localizing = not finished and "evaluation" not in about["identity"]
        verdict = "a map only" if localizing else UNFINISHED
        outcome, adjusted = None, None
        if finished:
            verdict, outcome, adjusted = _found(
                folder.absolute(), (folder / NAME).stat().st_mtime_ns
            )
        return Entry(
            folder,
            front_of(about),
            str(about["settings"]["model"]),
            str(about["localizer"]["name"]),
            str(about["started"]),
            finished,
            verdict,
            dict(about["settings"]),
            outcome,
            adjusted,
            called(folder),
        )
    except (RunError, OSError, KeyError, TypeError, ValueError):
        return None  # a folder that is being written, or somebody else's


def _crossed(folder: Path, about: dict[str, Any]) -> Entry:
    """The folder of a dissociation."""
    path, what, verdict = folder / DISSOCIATION, None, UNFINISHED
    if path.is_file():
        what, verdict = _crossed_found(folder.absolute(), path.stat().st_mtime_ns)
    localizers = ", ".join(map(str, about["localizers"]))
    return _of_several(folder, about, DISSOCIATED.what, localizers, what, verdict)


def _by_kind(folder: Path, about: dict[str, Any]) -> Entry:
    """The folder of a comparison of sites, which names its localizer among its results."""
    path, what, verdict = folder / SITES.name, None, UNFINISHED
    localizer = _asked_for(about["settings"])
    if path.is_file():
        what, verdict, localizer = _kinds_found(folder.absolute(), path.stat().st_mtime_ns)
    return _of_several(folder, about, SITES.what, localizer, what, verdict)


def _of_several(
    folder: Path,
    about: dict[str, Any],
    several: str,
    localizer: str,
    outcome: Crossed | Kinds | None,
    verdict: str,
) -> Entry:
    """The folder of several maps, which has come to its end where it has an outcome."""
    return Entry(
        folder=folder,
        front=front_of(about),
        model=str(about["settings"]["model"]),
        localizer=localizer,
        started=str(about["started"]),
        finished=outcome is not None,
        verdict=verdict,
        settings=dict(about["settings"]),
        outcome=outcome,
        called=called(folder),
        several=several,
    )


def _asked_for(settings: dict[str, Any]) -> str:
    """The localizer, or both places of one's own, as settings say it."""
    return str(settings["localizer"] or f"{settings['target']} and {settings['control']}")


@lru_cache(maxsize=1024)
def _kinds_found(folder: Path, _: int) -> tuple[Kinds, str, str]:
    found = SITES.load(folder)
    return kinds_outcome(found), kinds_plainly(found), found.localizer.name


@lru_cache(maxsize=1024)
def _crossed_found(folder: Path, _: int) -> tuple[Crossed, str]:
    found = load_dissociation(folder)
    return crossed_outcome(found), plainly(found)


@lru_cache(maxsize=1024)
def _found(folder: Path, _: int) -> tuple[str, Outcome, Estimate]:
    """What a finished run found, read once: an old run is judged anew, which takes seconds."""
    results = load_results(folder)
    return results.verdict, results.judgement.outcome, results.judgement.adjusted


def wanted(entries: Sequence[Entry], words: str = "", order: str = "newest") -> list[Entry]:
    """Those entries that hold all of the words, in an order.

    Parameters
    ----------
    words : str
        Each is looked for in name, note, model, localizer, outcome and verdict, in whatever case.
    order : str
        One of :data:`ORDERS`; runs that are alike in it stay as they were.

    Raises
    ------
    RunError
        If there is no such order.
    """
    if order not in ORDERS:
        raise RunError(f"no order {order!r}: choose one of {', '.join(ORDERS)}")
    looked_for = words.casefold().split()
    kept = [each for each in entries if all(word in _said(each) for word in looked_for)]
    return kept if order == "newest" else sorted(kept, key=lambda each: _key(each, order))


def _said(entry: Entry) -> str:
    own = (entry.called.name, entry.called.note)
    told = (*own, entry.name, entry.model, entry.localizer, entry.outcome or "", entry.verdict)
    return " ".join(told).casefold()


def _key(entry: Entry, order: str) -> Any:
    if order == "effect":
        return -entry.adjusted.effect if entry.adjusted else math.inf
    return getattr(entry, order).casefold()


def table_of(entries: Sequence[Entry]) -> pd.DataFrame:
    """A row a run: its names, what it is of, when, its outcome, effect, interval, p, verdict."""
    rows = []
    for entry in entries:
        found = entry.adjusted
        low, high = (None, None) if found is None else found.ci
        rows.append(
            {
                "run": entry.name,
                "name": entry.called.name,
                "note": entry.called.note,
                "program": entry.front,
                "model": entry.model,
                "localizer": entry.localizer,
                "started": entry.started,
                "outcome": entry.outcome,
                "effect": None if found is None else found.effect,
                "low": low,
                "high": high,
                "p": None if found is None else found.p,
                "verdict": entry.verdict,
            }
        )
    return pd.DataFrame(rows)


def runs_of(front: str, root: Path = RUNS) -> list[str]:
    """Names of the listed runs of a front end's program, which its page can show."""
    return [e.name for e in list_runs(root) if e.front == front and not e.several]


def run_named(name: object, root: Path = RUNS) -> Entry:
    """The listed run of that name. A name is compared and never made into a path.

    Raises
    ------
    RunError
        If the list has none.
    """
    entry = next((each for each in list_runs(root) if each.name == name), None)
    if entry is None:
        raise RunError(f"{str(name)[:80]}: no run of that name; choose one of the list")
    return entry


def finished_run(name: object, root: Path = RUNS) -> Entry:
    """The listed run of that name, which has results.

    Raises
    ------
    RunError
        If the list has none, it has not come to its end, or it has several maps.
    """
    entry = run_named(name, root)
    if entry.several:
        raise RunError(f"{entry.name}: is a {entry.several}, which has a report of its own")
    if not entry.finished:
        raise RunError(f"{entry.name}: is not finished; run the same settings again, they go on")
    return entry


def file_of(folder: Path, name: str) -> Path | None:
    """A file that a run folder holds itself; a link, which may lead anywhere, is none of its."""
    path = folder / name
    return path if path.is_file() and not path.is_symlink() else None


def delete_run(name: object, root: Path = RUNS) -> None:
    """Delete the listed run of that name, and all that lies in its folder.

    Raises
    ------
    RunError
        If the list has none, a process is at work in it, or it cannot be deleted.
    """
    folder = run_named(name, root).folder
    gone = root / f".deleted-{folder.name}"
    try:
        with FileLock(folder / ".lock", timeout=0):
            shutil.rmtree(gone, ignore_errors=True)
            folder.rename(gone)  # gone at once: a crash in the midst leaves no half of a run
        shutil.rmtree(gone)
    except Timeout as error:
        raise RunError(f"{folder.name}: is running; stop it first") from error
    except OSError as error:
        raise RunError(f"{folder.name}: cannot be deleted ({error.strerror})") from error
