"""The crash-point sweep: a run is broken off at each operation on a file, and the same command
again ends in the same numbers, with nothing left behind.

A command line is run in forks of a process that has done it once, so that a run takes a fraction of
a second. The n-th fork fails at the n-th operation; the next one has a whole disk.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from shutil import rmtree
from unittest.mock import patch

from tests.faults.disk import KINDS, Disk, Fault, Kind

SAME = (
    "results.json", "items.csv", "windows.csv", "masks.safetensors", "stimuli.csv",
    "selectivity.safetensors", "untrained.json", "profile.csv", "dissociation.json",
)  # fmt: skip
CONTROLS = "random:1,layer-matched:2"
FEW = ("--controls", CONTROLS, "--device", "cpu", "--quiet")


@dataclass(frozen=True)
class Command:
    """A command line whose run is broken off."""

    program: str
    words: tuple[str, ...]

    def main(self) -> None:
        """Run it in this process; ends in SystemExit, as the program does."""
        if self.program == "vision-loc":
            from vision_loc.cli import main
        else:
            from llm_loc.cli import main
        with patch.object(sys, "argv", [self.program, *self.words, "--out", "run"]):
            main()


def commands(home: Path) -> dict[str, Command]:
    """The command lines, by name; what they read is put into `home`."""
    planted = ("--model", "phantom/planted", "--top", "2", "--items", "20", *FEW)
    return {
        "vision-loc run": Command("vision-loc", ("run", *planted)),
        "llm-loc run": Command("llm-loc", ("run", *_texts(home), "--top", "5", *FEW)),
    }


NAMES = ("vision-loc run", "llm-loc run")


def _texts(home: Path) -> tuple[str, ...]:
    """A tiny language model, two files of texts and one of pairs."""
    from tests.llm_loc.conftest import NONWORDS, SENTENCES, save_model

    home.mkdir(parents=True)
    model = save_model(home / "llama")
    for name, texts in (("sentences", SENTENCES), ("nonwords", NONWORDS)):
        (home / f"{name}.txt").write_text("\n".join(texts) + "\n")
    pairs = [f"so {one},so {two},{'ab'[at % 2]}" for at, (one, two) in
             enumerate(zip(SENTENCES, NONWORDS, strict=True))]  # fmt: skip
    (home / "pairs.csv").write_text("good,bad,group\n" + "\n".join(pairs) + "\n")
    sides = ("--target", f"{home}/sentences.txt", "--control", f"{home}/nonwords.txt")
    own = ("--model", f"local/{model}", *sides, "--eval", f"{home}/pairs.csv")
    return (*own, "--untrained-seeds", "1")


@dataclass
class Swept:
    """What came of a sweep.

    Attributes
    ----------
    operations : Counter of str
        How many of each kind a whole run makes.
    points : Counter of str
        How many faults of each kind there were.
    wrong : list of str
        What went wrong, a line each.
    """

    operations: Counter[str] = field(default_factory=Counter)
    points: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


class Sweep:
    """All faults of one command, in a folder of its own."""

    def __init__(self, name: str, command: Command, place: Path) -> None:
        self.name, self.command, self.place = name, command, place
        self.whole = place / "whole"
        self.found = Swept()
        status, disk = self._whole()
        said = (self.whole / "err").read_text()
        if status != 0:
            raise RuntimeError(f"{name} does not run at all: {said[-2000:]}")
        self.done = disk
        self.found.operations.update(op for op, _ in disk)
        self.before = self._seen(self.whole)

    def _whole(self) -> tuple[int, list[tuple[str, str]]]:
        """Run it in this process, which from then on knows all that can be made once."""
        out = self.whole / "out"
        status = _forked(self.whole, lambda: self._counted(out))
        lines = (self.whole / "operations").read_text().splitlines()
        counted = [tuple(line.split("\t")) for line in lines]
        unsynced = (self.whole / "unsynced").read_text().splitlines()
        self.found.wrong += [
            f"{self.name}: {each} is renamed before it is synced" for each in unsynced
        ]
        return status, [(op, name) for op, name in counted]

    def _counted(self, _: Path) -> None:
        disk = Disk(self._roots(self.whole))
        try:
            with disk:
                self.command.main()
        finally:
            told = "".join(f"{op}\t{name}\n" for op, name in disk.done)
            (self.whole / "operations").write_text(told)
            (self.whole / "unsynced").write_text("".join(f"{each}\n" for each in disk.unsynced))

    @staticmethod
    def _roots(folder: Path) -> list[Path]:
        return [folder / "run", folder / "cache"]

    def points(self, every: int, first: int) -> Iterator[Fault]:
        """Each operation with each kind of fault; or one of `every`, from `first` on."""
        both = [Fault(kind, at) for at in range(1, len(self.done) + 1) for kind in KINDS]
        yield from both[first::every]

    def fault(self, fault: Fault) -> None:
        """Break a run off, give its command again, and hold what there is against a whole run."""
        folder = self.place / f"{fault.kind}-{fault.at}"
        where = f"{self.name}, {fault.kind} at {fault.at} {' '.join(self.done[fault.at - 1])}"
        self.found.points[fault.kind] += 1
        status = _forked(folder, lambda: self._failing(folder, fault))
        wrong = self._told(folder, status, fault.kind)
        if (again := _forked(folder, self.command.main)) != 0:
            said = (folder / "err").read_text().strip().splitlines()
            wrong.append(f"the same command again ended with {again}: {' '.join(said[-2:])[:300]}")
        else:
            wrong += self._differences(folder)
        self.found.wrong += [f"{where}: {each}" for each in wrong]
        if not wrong:
            rmtree(folder)

    def _failing(self, folder: Path, fault: Fault) -> None:
        with Disk(self._roots(folder), fault):
            self.command.main()

    def _told(self, folder: Path, status: int, kind: Kind) -> list[str]:
        """What is wrong with how a broken run ended."""
        if kind != "full":
            return [] if status == -signal.SIGKILL else [f"was not killed, but ended with {status}"]
        said = (folder / "err").read_text().strip()
        if status == 0:  # what could not be kept was not needed
            return []
        lines = said.splitlines()
        if status != 1 or len(lines) != 1 or not lines[0].startswith(self.command.program):
            return [f"ended with {status} and said: {said[-600:]!r}"]
        return [] if "No space left on device" in said else [f"does not say why: {said}"]

    def _seen(self, folder: Path) -> dict[str, bytes | None]:
        """Every file of the run and the cache; of those that are always the same, the bytes."""
        return {
            path.relative_to(folder).as_posix(): path.read_bytes() if path.name in SAME else None
            for root in self._roots(folder)
            for path in sorted(root.rglob("*"))
            if path.is_file()
        }

    def _differences(self, folder: Path) -> list[str]:
        now = self._seen(folder)
        left = [f"{name} is left behind" for name in now if name not in self.before]
        gone = [f"{name} is missing" for name in self.before if name not in now]
        other = [
            f"{name} has other bytes" for name, told in now.items()
            if name in self.before and self.before[name] != told
        ]  # fmt: skip
        return [*left, *gone, *other]


def _forked(folder: Path, work: Callable[[], None]) -> int:
    """The exit status of a fork that does something in `folder`; minus the signal, if killed."""
    folder.mkdir(parents=True, exist_ok=True)
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)
    status = 70
    try:
        os.chdir(folder)
        os.environ["FUNCLOC_CACHE"] = str(folder / "cache")
        for number, name in ((1, "out"), (2, "err")):
            sink = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(sink, number)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        work()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


def warm() -> ExitStack:
    """Make runs short: pictures drawn once, few shown, coarse figures, few texts in profiles.

    And every batch is kept as it comes, which a longer run does every few seconds.
    """
    from common.report import shown
    from common.report.figures import canvas
    from common.study import journal
    from llm_loc import experiment, profile
    from llm_loc import gallery as written
    from vision_loc import gallery, phantom

    stack = ExitStack()
    for name in ("draw", "draw_planted"):
        stack.enter_context(patch.object(phantom, name, cache(getattr(phantom, name))))
    for module, name, value in (
        (gallery, "SHOWN", 1), (shown, "DPI", 40), (canvas, "LAYOUT", None),
        (journal, "EVERY", 0.0), (experiment, "PROFILE_DRAWS", 1), (profile, "MOST_TEXTS", 4),
        (written, "NEW_TOKENS", 3), (written, "PROMPTS", 1),
    ):  # fmt: skip
        stack.enter_context(patch.object(module, name, value))
    return stack


def sweep(name: str, place: Path, every: int = 1, first: int = 0) -> Swept:
    """Break the command of that name off at each operation, or at one of `every`."""
    os.environ["FUNCLOC_PIXELS"] = "1"
    with warm():
        command = commands(place / "home")[name]
        _forked_once(command, place / "first")
        swept = Sweep(name, command, place)
        for fault in swept.points(every, first):
            swept.fault(fault)
    return swept.found


def _forked_once(command: Command, folder: Path) -> None:
    """Import and draw all that a run needs, in this process, so that its forks have it."""
    folder.mkdir(parents=True)
    before = Path.cwd()
    os.environ["FUNCLOC_CACHE"] = str(folder / "cache")
    os.chdir(folder)
    try:
        with (
            (folder / "out").open("w") as sink,
            patch.object(sys, "stdout", sink),
            patch.object(sys, "stderr", sink),
        ):
            command.main()
    except SystemExit:
        pass
    finally:
        os.chdir(before)


def kinds(found: Sequence[Swept]) -> Counter[str]:
    """Faults of each kind, of several sweeps."""
    return sum((each.points for each in found), Counter())
