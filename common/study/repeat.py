"""``repeat``: an old run again from its ``run.json``, and whether each number comes out again."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from common.base.device import choose_device, described_device
from common.base.errors import RunError
from common.base.files import read_sealed, save_bytes
from common.base.progress import Progress, silent
from common.data.manifest import DATA_VARIABLE
from common.study.agreement import Agreement, Change, agreements, changes
from common.study.declared import declarations, known_to, read_settings, say_settings
from common.study.digests import check_digests
from common.study.dissociation import GROUP, dissociate
from common.study.dissociation_file import NAME as DISSOCIATION
from common.study.folder import check_front, verb_of, words_of
from common.study.front import FrontEnd, Model, S
from common.study.results import NAME as RESULTS
from common.study.settings import Settings
from common.study.verbs import evaluate_map, localize_only, run

PACE = "pace.json"
GONE = "no longer known"
MANY = 3  # changes that one line names


@dataclass(frozen=True)
class Repeated:
    """A run, and the same again.

    Attributes
    ----------
    folder : Path
        The old run's.
    again : Path or None
        The new one's; ``None`` where it was not kept.
    was_done : bool
        Whether the new one had been finished before, so that nothing was computed.
    parts : tuple of Agreement
        File by file, how far the numbers agree.
    changes : tuple of Change
        What was different: versions, machine, model, stimuli, settings.
    """

    folder: Path
    again: Path | None
    was_done: bool
    parts: tuple[Agreement, ...]
    changes: tuple[Change, ...]

    @property
    def agrees(self) -> bool:
        """Whether each number of the old run came out again."""
        return all(part.agrees for part in self.parts)

    @property
    def failure(self) -> str:
        """Which numbers did not, and what had changed, in one line."""
        told = "; ".join(f"{part.part}: {part.said}" for part in self.parts if not part.agrees)
        names = [change.said for change in self.changes]
        more = f" and {len(names) - MANY} more" if len(names) > MANY else ""
        changed = ", ".join(names[:MANY]) + more or "nothing that is recorded"
        return f"{self.folder}: not all numbers came out again ({told}); changed: {changed}"

    def as_json(self) -> dict[str, Any]:
        """The same for JSON."""
        return {
            "run": str(self.folder),
            "again": None if self.again is None else str(self.again),
            "agrees": self.agrees,
            "parts": [part.as_json() for part in self.parts],
            "changes": [vars(change) for change in self.changes],
        }


def repeat(
    front: FrontEnd[S, Model],
    folder: Path,
    out: Path | None = None,
    progress: Progress = silent,
    *,
    within: float = 0.0,
    **other: Any,
) -> Repeated:
    """Do again what a folder holds, from its ``run.json`` alone, and compare.

    Parameters
    ----------
    front : FrontEnd
        Whose run it is.
    folder : Path
        A finished run, the folder of a map, or of a dissociation; of this version or an older one.
    out : Path, optional
        Where the new one goes and stays; left out, it is gone afterwards.
    progress : Progress
        Told how far it is; may raise to stop.
    within : float, default=0
        See :func:`common.study.agreement.agreements`.
    **other
        Settings other than the run's: the device, where data are. ``None`` counts as not given.

    Raises
    ------
    RunError
        If the folder holds nothing finished that can be repeated, or is another front end's.
    """
    entry, verb = _read(folder, front.program)
    with TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        place = Path(scratch) / folder.resolve().name if out is None else out
        settings, forgotten = _settings(front.settings, entry, other)
        _keep_pace(folder, place, entry, settings)
        was_done = AGAIN[verb](front, entry, settings, place, progress)
        now = read_sealed(place / "run.json")
        parts = agreements(folder, place, within)
        differ = [*forgotten, *changes(entry, now), *_not_alike(entry, now)]
    return Repeated(folder, out, was_done, tuple(parts), tuple(differ))


def _read(folder: Path, program: str) -> tuple[dict[str, Any], str]:
    """What a run says of itself, and which verb made it.

    Raises
    ------
    RunError
        If it is none, is not finished, or another program's.
    """
    entry = read_sealed(folder / "run.json")
    if not isinstance(entry, dict) or not isinstance(entry.get("settings"), dict):
        raise RunError(f"{folder}: its run.json names no settings, so it cannot be repeated")
    check_front(entry, program, folder)
    check_digests(folder)
    verb = verb_of(entry)
    last = {"dissociate": DISSOCIATION, "localize": "masks.safetensors"}.get(verb, RESULTS)
    if verb not in AGAIN:
        raise RunError(f"{folder}: is of {verb or 'no verb'}; {', '.join(AGAIN)} can be repeated")
    if not (folder / last).is_file():
        raise RunError(f"{folder}: is not finished, so there is nothing to compare with")
    return entry, verb


def _said(entry: Mapping[str, Any], option: str, otherwise: str | None = None) -> str | None:
    """What the command of a run gives an option."""
    words = words_of(entry)
    return words[words.index(option) + 1] if option in words[:-1] else otherwise


def _settings(
    kind: type[S], entry: Mapping[str, Any], other: Mapping[str, Any]
) -> tuple[S, list[Change]]:
    """The settings of a run, and those that this version does not know.

    Data are looked for where they were, unless the machine or the caller says where they are.
    """
    known, told = declarations(kind), dict(entry["settings"])
    forgotten = [Change(name, str(told.pop(name)), GONE) for name in [*told] if name not in known]
    # Before there were any, none was asked for.
    told.setdefault("untrained_seeds", 0)
    if told.get("data_root") is None and not os.environ.get(DATA_VARIABLE):
        root = _said_before(entry, DATA_VARIABLE)
        told["data_root"] = root if root and Path(root).is_dir() else None
    told.update({name: value for name, value in other.items() if value is not None})
    try:
        return read_settings(kind, told), forgotten
    except TypeError as error:
        raise RunError(f"its settings cannot be read ({error})") from error


def _said_before(entry: Mapping[str, Any], variable: str) -> str | None:
    """What a variable was set to before the command of a run."""
    found = (word.partition("=") for word in words_of(entry))
    return next((value for name, _, value in found if name == variable), None)


def _keep_pace(folder: Path, place: Path, entry: Mapping[str, Any], settings: Settings) -> None:
    """Compute in the layout of the old run: another one rounds in another order."""
    alike = entry.get("device") in (None, described_device(choose_device(settings.device)))
    pace = folder / PACE
    if alike and pace.is_file() and not (place / "run.json").exists():
        save_bytes(place / PACE, pace.read_bytes())


def _not_alike(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    """Settings that numbers do not depend on beyond rounding."""
    names = ("batch_size", "plain")
    old, new = then["settings"], now["settings"]
    return [
        Change(name, str(old[name]), str(new.get(name)))
        for name in names
        if name in old and old[name] != new.get(name)
    ]


# --- the verbs ---


def _run(
    front: FrontEnd[S, Model], _: Mapping[str, Any], settings: S, out: Path, progress: Progress
) -> bool:
    return run(front, settings, out, progress)[2]


def _localize(
    front: FrontEnd[S, Model], _: Mapping[str, Any], settings: S, out: Path, progress: Progress
) -> bool:
    was_done = (out / "masks.safetensors").is_file()
    localize_only(front, settings, out, progress)
    return was_done


def _evaluate(
    front: FrontEnd[S, Model], entry: Mapping[str, Any], settings: S, out: Path, progress: Progress
) -> bool:
    source = _said(entry, "--map")
    if source is None or not Path(source).is_dir():
        raise RunError(f"{source}: the map that was evaluated is no longer there")
    if settings.units is not None:  # whose dose is that of the list
        settings = replace(settings, top=(1.0,))
    told = say_settings(settings)
    given = {name: told[name] for name in known_to(front.settings, "evaluate")}
    return evaluate_map(front, Path(source), out, progress, **given)[2]


def _dissociate(
    front: FrontEnd[S, Model], entry: Mapping[str, Any], settings: S, out: Path, progress: Progress
) -> bool:
    names: Sequence[str] = [str(name) for name in entry["localizers"]]
    by = _said(entry, "--by", GROUP) or GROUP
    return dissociate(front, settings, names, by, out, progress)[2]


Again = Callable[[FrontEnd[Any, Any], Mapping[str, Any], Any, Path, Progress], bool]
AGAIN: dict[str, Again] = {
    "run": _run,
    "localize": _localize,
    "evaluate": _evaluate,
    "dissociate": _dissociate,
}
"""How what a verb made is made again."""
