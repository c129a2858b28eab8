"""Many runs of one file: models times localizers times seeds times doses times replacements.

Each is a run of its own, in a folder of its own, and goes on where it stopped. Any number of
processes, on any machines that see the folder, may be given the same file: each takes a run that
nobody else is at (:mod:`common.study.claims`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common.base.errors import BusyError, FunclocError, SettingError
from common.base.files import digest_of, read_sealed
from common.base.progress import Progress, silent
from common.base.yamls import read_yaml
from common.effects.results import Results
from common.study.claims import Claims
from common.study.declared import completed, declarations, say_settings
from common.study.front import FrontEnd
from common.study.results import NAME, load_results, results_json
from common.study.settings import Settings
from common.study.verbs import run

PAUSE = 2.0  # seconds between two looks at what others are at
LOOPED = {
    "models": "model",
    "localizers": "localizer",
    "seeds": "seed",
    "doses": "top",
    "ablations": "ablation",
}

Value = str | bool | int | float


class SweepFile(BaseModel):
    """What a sweep's file may say.

    Attributes
    ----------
    models, localizers, seeds, doses, ablations : list
        What is run, each with each. A localizer may be left out where models bring their own; a
        dose may be several with commas between them, which are one run then.
    settings : dict
        All other settings by their names, for all runs.
    out : str
        The folder of the runs; left out, ``runs/`` and the file's name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    models: list[str] = Field(min_length=1)
    localizers: list[str | None] = Field(default=[None], min_length=1)
    seeds: list[int | None] = Field(default=[None], min_length=1)
    doses: list[Value | None] = Field(default=[None], min_length=1)
    ablations: list[str | None] = Field(default=[None], min_length=1)
    settings: dict[str, Value | list[Value] | None] = Field(default_factory=dict)
    out: str = ""


@dataclass(frozen=True)
class Planned:
    """A run of a sweep: its name, which is that of its folder, and its settings."""

    name: str
    settings: Settings


@dataclass(frozen=True)
class Ended:
    """How a run of a sweep ended.

    Attributes
    ----------
    run : Planned
        Which.
    results : Results or None
        What it found; ``None`` if it failed.
    failure : str
        Why it failed.
    seconds : float
        How long it took here; 0 where it had been finished before, or elsewhere.
    begun : str
        When one was begun that had been finished before, or elsewhere, and is read as it was:
        stimuli and weights of these names may be others by now. Empty for one that was run here.
    """

    run: Planned
    results: Results | None = None
    failure: str = ""
    seconds: float = 0.0
    begun: str = ""

    def as_json(self) -> dict[str, Any]:
        """The run's folder and settings, and its results or why it failed."""
        told = {"run": self.run.name, "settings": say_settings(self.run.settings)}
        told |= {"read_as_of": self.begun} if self.begun else {}
        if self.results is None:
            return {**told, "failure": self.failure}
        return {**told, "results": results_json(self.results)}


def planned(kind: type[Settings], path: Path) -> tuple[list[Planned], Path]:
    """The runs of a sweep's file, checked, and the folder that they share.

    Raises
    ------
    SettingError
        If the file cannot be read, says what it may not, or a run's settings make no sense.
    """
    said = _read(path)
    runs: dict[str, Planned] = {}
    names = [LOOPED[each] for each in LOOPED]
    for values in product(*(getattr(said, each) for each in LOOPED)):
        looped = {n: v for n, v in zip(names, values, strict=True) if v is not None}
        given = {**said.settings, **looped}
        try:
            settings = completed(kind, _given(kind, given)).to_evaluate()
        except FunclocError as error:
            raise SettingError(f"{path}: {error}") from error
        name = _name(settings)
        runs.setdefault(name, Planned(name, settings))
    return [*runs.values()], Path(said.out) if said.out else Path("runs") / path.stem


def sweep(
    front: FrontEnd[Any, Any],
    runs: Sequence[Planned],
    folder: Path,
    progress: Progress = silent,
    claims: Claims | None = None,
    waiting: Callable[[str], None] = lambda _: None,
) -> Iterator[Ended]:
    """Run what nobody else is at, until all are finished, here or elsewhere, or have failed here.

    Parameters
    ----------
    front : FrontEnd
        Whose runs.
    runs : sequence of Planned
        From :func:`planned`.
    folder : Path
        That they share.
    progress : Progress
        Of the run under way.
    claims : Claims, optional
        Who is at what; left out, in the folder.
    waiting : callable, optional
        Told who holds a run, when all that is left is held by others.

    Yields
    ------
    Ended
        Each run, as it ends.
    """
    held = Claims(folder / ".claims") if claims is None else claims
    todo = [*runs]
    while todo:
        left = []
        for each in todo:
            ended = _attempt(front, each, folder, progress, held)
            if ended is None:
                left.append(each)
            else:
                yield ended
        idle, todo = len(left) == len(todo), left
        if todo and idle:
            waiting(held.holder(todo[0].name))
            sleep(PAUSE)


def _attempt(
    front: FrontEnd[Any, Any], each: Planned, folder: Path, progress: Progress, held: Claims
) -> Ended | None:
    """How a run ended, now or before; ``None`` if somebody else is at it."""
    path, since = folder / each.name, monotonic()
    try:
        if (path / NAME).exists():
            begun = str(read_sealed(path / "run.json")["started"])
            return Ended(each, load_results(path), begun=begun)
        with held.claimed(each.name) as mine:
            if not mine:
                return None
            results, _, _ = run(front, each.settings, path, progress)
    except BusyError:  # somebody's who does not sweep, or whose machine has slept
        return None
    except Exception as error:  # the others shall not fail with it
        return Ended(each, failure=_told(error), seconds=monotonic() - since)
    return Ended(each, results, seconds=monotonic() - since)


def _told(error: Exception) -> str:
    text = " ".join(str(error).split()) or "no word of why"
    return text if isinstance(error, FunclocError) else f"{type(error).__name__}: {text}"


def _read(path: Path) -> SweepFile:
    try:
        return SweepFile.model_validate(read_yaml(path.read_text(encoding="utf-8")) or {})
    except OSError as error:
        raise SettingError(f"{path}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(map(str, first["loc"])) or "all of it"
        raise SettingError(f"{path}: {key}: {first['msg']}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SettingError(f"{path}: is no YAML ({' '.join(str(error).split())})") from error


def _given(kind: type[Settings], said: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a command line has them: by name, as text, but for switches."""
    found: dict[str, Any] = {}
    for word, value in said.items():
        name = {"eval": "evaluation"}.get(word, word.replace("-", "_"))
        if name not in declarations(kind):
            raise SettingError(f"settings: there is none called {word}")
        several = isinstance(value, list)
        text = ",".join(map(str, value)) if several else value
        found[name] = text if text is None or isinstance(text, bool) else str(text)
    return found


def _name(settings: Settings) -> str:
    """What a run is called: readable, and another one for any other setting."""
    said = say_settings(settings)
    words = [settings.model.rpartition("/")[2], said["localizer"] or "own", f"s{said['seed']}"]
    words += [f"top{said['top']}", digest_of(said)[:6]]
    return "-".join(re.sub(r"[^A-Za-z0-9._]+", "_", str(word)) for word in words)
