"""The run folder: one experiment, whole or resumable.

Everything is written atomically, under names that do not change:

``run.json``
    What is needed to repeat the run, whose it is (``front``), and the fingerprint of its identity:
    the settings and the fingerprints of model and stimuli. The device and the batch size are no
    part of the identity.
``selectivity.safetensors``, ``masks.safetensors``, ``items.csv``
    What was found, chosen and measured.
``digests.json``
    The digests of the others, by :mod:`common.study.digests`; before that, a file that a run goes
    on from carries its own, and is made again where it does not fit.
``results.json``
    The numbers. It is written last: a folder that has it is finished.
``report.html``
    All of it to look at; made from the rest of the folder, and made again at any time.
``pace.json``
    In which layout the model was computed, where another than its own was tried; see
    :mod:`common.measure.layout`.
``partial/``
    The outcomes so far, one file a mask, while the run goes on; in ``batches/`` those of single
    batches (:mod:`common.study.journal`).
"""

from __future__ import annotations

import platform
import shlex
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout
from safetensors import SafetensorError

from common.base import team
from common.base.errors import BusyError, RunError
from common.base.files import (
    digest_of,
    read_arrays,
    read_sealed,
    remove_file,
    save_arrays,
    save_bytes,
    save_sealed,
    write_atomically,
)
from common.effects.items import Outcome
from common.effects.results import Results
from common.measure.scores import SelectivityMap
from common.study.digests import check_digests, drop_notes
from common.study.results import NAME, load_results, save_results

FORMAT = 1
UNTRAINED = "untrained.json"
DRAFTS = (".*.part", ".tmp*")  # of this program, and of safetensors
GOES_ON = (".json", ".csv", ".safetensors")  # files that a run goes on from
BESIDE = "beside/"  # what an outcome's other numbers are called while they are kept
LIBRARIES = ("funcloc", "torch", "torchvision", "timm", "transformers", "numpy", "scipy")


class RunFolder:
    """A run folder, held by one process at a time.

    Use it as a context manager: entering takes the lock and checks or writes ``run.json``.

    Parameters
    ----------
    path : Path
        Where the run lies or shall lie.
    identity : dict
        What makes this run this run; anything else there is another run.
    about : dict
        What is noted beside it (device, batch size).
    """

    def __init__(self, path: Path, identity: dict[str, Any], about: dict[str, Any]) -> None:
        self.path = path
        self.identity = {"format": FORMAT, **identity}
        self.about = about
        self.fingerprint = digest_of(_without_config(self.identity))
        self._lock = FileLock(path / ".lock", timeout=0)

    def __enter__(self) -> RunFolder:
        known = self.path / "run.json"
        try:
            if self.path.exists() and not self.path.is_dir():
                raise RunError(f"`out` {self.path}: is a file, not a folder")
            if self.path.exists() and not known.exists() and self._strangers():
                raise RunError(
                    f"`out` {self.path}: holds other files but no run; choose a new folder"
                )
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout as error:
            raise BusyError(f"`out` {self.path}: another process is running it") from error
        except OSError as error:
            raise RunError(f"`out` {self.path}: cannot write ({error.strerror})") from error
        try:
            self._check_or_write(known)
            self._sweep()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()

    def _sweep(self) -> None:
        """Remove what a killed process left behind: drafts, and parts of a run that is finished."""
        for pattern in DRAFTS:
            for draft in filter(Path.is_file, self.path.rglob(pattern)):
                remove_file(draft)
        if (self.path / NAME).exists():
            shutil.rmtree(self.partial, ignore_errors=True)
            drop_notes(self.path)

    def _strangers(self) -> list[Path]:
        ours = (".lock", "partial", ".run.json.", "pace.json")
        return [file for file in self.path.iterdir() if not file.name.startswith(ours)]

    def _check_or_write(self, known: Path) -> None:
        if not known.exists():
            save_sealed(known, self._description())
            return
        entry = read_sealed(known)
        if not isinstance(entry, dict):
            raise RunError(f"{known}: describes no run; choose a new folder")
        was = entry.get("identity", {})
        other = other_config(_config(was), _config(self.identity))
        if entry.get("fingerprint") != self.fingerprint or other:
            names = ", ".join(differences(was, self.identity)) or "format"
            raise RunError(
                f"`out` {self.path}: holds another run (it differs in {names}); "
                "choose a new folder, or delete that one"
            )

    def _description(self) -> dict[str, Any]:
        return {
            "fingerprint": self.fingerprint,
            "identity": self.identity,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": {"python": platform.python_version(), **library_versions()},
            "platform": platform.platform(),
            **self.about,
        }

    # --- what is in it ---

    @property
    def pace(self) -> Path:
        """In which layout the model is computed; see :mod:`common.measure.layout`."""
        return self.path / "pace.json"

    @property
    def selectivity(self) -> Path:
        """The selectivity map."""
        return self.path / "selectivity.safetensors"

    @property
    def masks(self) -> Path:
        """All masks."""
        return self.path / "masks.safetensors"

    @property
    def untrained(self) -> Path:
        """The untrained baseline, as far as it has been measured."""
        return self.path / UNTRAINED

    @property
    def report(self) -> Path:
        """The report, made from the rest of the folder."""
        return self.path / "report.html"

    @property
    def partial(self) -> Path:
        """What a running run keeps to itself; gone when it is finished."""
        return self.path / "partial"

    def results(self) -> Results | None:
        """The results of a finished run; ``None`` before that.

        Raises
        ------
        RunError
            If a file of the run is damaged.
        """
        if not (self.path / NAME).exists():
            return None
        check_digests(self.path)
        return load_results(self.path)

    def map(self) -> SelectivityMap | None:
        """The map, if there is one that is whole; what was measured under masks of it goes with it.

        Nothing is left of a damaged one, for another may differ from it in the last bits.
        """
        try:
            return SelectivityMap.load(self.selectivity)
        except RunError:
            remove_file(self.selectivity)
            remove_file(self.untrained)
            shutil.rmtree(self.partial, ignore_errors=True)
            return None

    def outcome(self, name: str) -> Outcome | None:
        """The outcome under a mask, if it has been measured and can be read."""
        try:
            arrays, _ = read_arrays(self.partial / f"{name}.safetensors")
            beside = {
                key.removeprefix(BESIDE): arrays.pop(key)
                for key in [*arrays]
                if key.startswith(BESIDE)
            }
            return Outcome(**arrays, beside=beside)
        except (OSError, SafetensorError, TypeError, ValueError):
            return None

    def keep_outcome(self, name: str, outcome: Outcome) -> None:
        """Keep the outcome under a mask, so that a killed run need not measure it again."""
        arrays = {
            "prediction": outcome.prediction,
            "correct": outcome.correct,
            "margin": outcome.margin,
            **{f"{BESIDE}{key}": array for key, array in outcome.beside.items()},
        }
        save_arrays(self.partial / f"{name}.safetensors", arrays, {})

    def finish(
        self, items: Iterable[pd.DataFrame], windows: Sequence[pd.DataFrame], results: Results
    ) -> None:
        """Write ``items.csv``, then ``results.json``, and drop what was kept to resume.

        Where texts were measured, ``windows.csv`` is to them what ``items.csv`` is to the items.
        """
        self.keep_tables(items, windows)
        save_results(self.path, results)
        shutil.rmtree(self.partial, ignore_errors=True)
        drop_notes(self.path)

    def keep_alone(self, items: Iterable[pd.DataFrame]) -> None:
        """Write ``alone.csv``: what ``items.csv`` is, under the masks of all other units."""
        write_atomically(self.path / "alone.csv", lambda draft: _write_tables(draft, items))

    def keep_tables(self, items: Iterable[pd.DataFrame], windows: Sequence[pd.DataFrame]) -> None:
        """Write ``items.csv``, and ``windows.csv`` where texts were measured."""
        write_atomically(self.path / "items.csv", lambda draft: _write_tables(draft, items))
        if windows:
            write_atomically(self.path / "windows.csv", lambda draft: _write_tables(draft, windows))


def _write_tables(path: Path, tables: Iterable[pd.DataFrame]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        for number, table in enumerate(tables):
            table.to_csv(file, index=False, header=number == 0, lineterminator="\n")


@contextmanager
def opened(path: Path, identity: dict[str, Any], about: dict[str, Any]) -> Iterator[RunFolder]:
    """The run folder, held by this process; of several, the others get a copy of it to go on from.

    What they write there is gone when they leave.
    """
    if team.rank() == 0:
        with RunFolder(path, identity, about) as folder:
            team.from_first(_copied(folder.path) if team.size() > 1 else {})
            yield folder
        return
    with TemporaryDirectory() as place:
        for name, data in team.from_first(dict[str, bytes]()).items():
            save_bytes(Path(place) / name, data)
        with RunFolder(Path(place), identity, about) as folder:
            yield folder


def _copied(folder: Path) -> dict[str, bytes]:
    """The files that a run goes on from, by their names inside the folder."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.suffix in GOES_ON and not file.name.startswith(".") and file.is_file()
    }


def front_of(entry: dict[str, Any]) -> str:
    """Whose run a ``run.json`` describes: the program of the front end.

    Runs of earlier versions do not say it by itself, but the command that repeats them does. Empty
    if neither says it.
    """
    if "front" in entry:
        return str(entry["front"])
    return next(iter(_said(entry)), "")


def verb_of(entry: Mapping[str, Any]) -> str:
    """Which verb made what a ``run.json`` describes; empty if it does not say."""
    return next(iter(_said(entry)[1:]), "")


def words_of(entry: Mapping[str, Any]) -> list[str]:
    """The words of the command that repeats a run; none if it does not say."""
    try:
        return shlex.split(str(entry.get("command", "")))
    except ValueError:
        return []


def _said(entry: Mapping[str, Any]) -> list[str]:
    """The words of the command, the program's first: FUNCLOC_DATA=… may stand before it."""
    words = words_of(entry)
    first = next((place for place, word in enumerate(words) if "=" not in word), len(words))
    return words[first:]


def check_front(entry: dict[str, Any], program: str, name: object) -> None:
    """Refuse a run that is not of the program.

    Raises
    ------
    RunError
        If so; names whose it is.
    """
    if (owner := front_of(entry)) != program:
        raise RunError(f"{name}: a run of {owner or 'another program'}, not of {program}")


def differences(one: dict[str, Any], two: dict[str, Any], prefix: str = "") -> list[str]:
    """The names of the entries in which two nested descriptions differ."""
    names = []
    for key in dict.fromkeys([*one, *two]):
        left, right = one.get(key), two.get(key)
        if isinstance(left, dict) and isinstance(right, dict):
            names += differences(left, right, f"{prefix}{key}.")
        elif left != right:
            names.append(f"{prefix}{key}")
    return names


def _config(identity: Any) -> Any:
    """Under which configuration its model was; ``None`` in runs from before it was noted."""
    model = identity.get("model") if isinstance(identity, Mapping) else None
    return model.get("config") if isinstance(model, Mapping) else None


def _without_config(identity: dict[str, Any]) -> dict[str, Any]:
    """An identity as runs had it before they noted the configuration of their model."""
    if _config(identity) is None:
        return identity
    model = {key: value for key, value in identity["model"].items() if key != "config"}
    return {**identity, "model": model}


def other_config(before: str | None, now: str | None) -> bool:
    """Whether both say under which configuration, as older runs and maps do not, and differ."""
    return None not in (before, now) and before != now


def library_versions() -> dict[str, str]:
    """Versions of this program and of the libraries that numbers rest on, those that are there."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
