"""Every mutant in a fork of one process that has loaded and collected all, so each takes little."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import pytest

from tests.mutation.installed import install
from tests.mutation.mutants import Mutant

SEEN = 400  # lines of one call that are traced; a long loop goes the same way again and again
SLOW = 20  # seconds that a trial may last beyond five times what its tests take
Line = tuple[str, int]


@dataclass
class Seen:
    """What a test does, unchanged: its seconds, and the lines of the modules that it runs."""

    seconds: float = 0.0
    lines: set[Line] = field(default_factory=set)


@dataclass(frozen=True)
class Tried:
    """What became of a mutant: the test that noticed, or ``timeout``; nothing if it survived."""

    mutant: Mutant
    tests: int
    noticed: str


@dataclass
class Trials:
    """A plugin of pytest that runs mutants where it would run the tests.

    Attributes
    ----------
    mutants : sequence of Mutant
        What to try.
    seconds : float
        Tests of a mutant at most, those that take least first.
    tell : callable
        Is told every result as it comes.
    """

    mutants: Sequence[Mutant]
    seconds: float
    tell: Callable[[Tried], None]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Look what every test runs, then try the mutants one by one."""
        paths = {str(mutant.path.absolute()): str(mutant.path) for mutant in self.mutants}
        seen: dict[str, Seen] = _forked(lambda: _watched(session, paths), 3600)
        if not isinstance(seen, dict):
            raise pytest.UsageError(f"unchanged: {seen}")
        by_id = {item.nodeid: item for item in session.items}
        for mutant in self.mutants:
            those = _concerned(seen, mutant)
            chosen, spent = [], 0.0
            for name in those:
                if spent + seen[name].seconds <= self.seconds or not chosen:
                    chosen.append(by_id[name])
                    spent += seen[name].seconds
            found = _forked(lambda m=mutant, c=chosen: _noticed(session, m, c), 5 * spent + SLOW)
            self.tell(Tried(mutant, len(chosen), str(found)))
        return True


def _concerned(seen: dict[str, Seen], mutant: Mutant) -> list[str]:
    """Tests that run what is changed, then others of their files, which may share a fixture."""
    direct = {name for name, own in seen.items() if _concerns(own, mutant)}
    files = {_file(name) for name in direct}
    those = [name for name in seen if _file(name) in files]
    mirror = f"test_{mutant.path.stem}.py"
    return sorted(
        those,
        key=lambda name: (name not in direct, mirror not in name, seen[name].seconds),
    )


def _file(test: str) -> str:
    return test.partition("::")[0]


def _concerns(seen: Seen, mutant: Mutant) -> bool:
    """Whether a test runs what is changed; of a constant, anything of its module."""
    own = {line for path, line in seen.lines if path == str(mutant.path)}
    return bool(own.intersection(mutant.lines) if mutant.function else own)


def _noticed(session: pytest.Session, mutant: Mutant, items: Sequence[pytest.Item]) -> str:
    try:
        install(mutant)
    except Exception as error:
        return f"cannot be loaded: {error}"
    for item, after in zip(items, [*items[1:], None], strict=True):
        if not _passes(session, item, after):
            return item.nodeid
    return ""


def _passes(session: pytest.Session, item: pytest.Item, after: pytest.Item | None) -> bool:
    failed = session.testsfailed
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
    return session.testsfailed == failed


def _watched(session: pytest.Session, paths: dict[str, str]) -> dict[str, Seen] | str:
    """By test, what it does."""
    found = {}
    for item, after in zip(session.items, [*session.items[1:], None], strict=True):
        own = found[item.nodeid] = Seen()
        begun = time.perf_counter()
        sys.settrace(_tracer(own.lines, paths))
        passed = _passes(session, item, after)
        sys.settrace(None)
        own.seconds = time.perf_counter() - begun
        if not passed:
            return f"{item.nodeid} fails"
    return found


def _tracer(lines: set[Line], paths: dict[str, str]) -> Any:
    def calls(frame: FrameType, *_: Any) -> Any:
        name = paths.get(frame.f_code.co_filename)
        if name is None:
            return None
        left = SEEN

        def steps(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal left
            left -= 1
            if event == "line":
                lines.add((name, frame.f_lineno))
            return steps if left else None

        lines.add((name, frame.f_lineno))
        return steps

    return calls


def _forked(work: Callable[[], Any], seconds: float) -> Any:
    """What a function gives in a process of its own; ``timeout``, or how the process ended."""
    ear, mouth = os.pipe()
    sys.stdout.flush()
    if not (child := os.fork()):
        status = 1
        try:
            silent = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silent, 1)
            os.dup2(silent, 2)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(max(1, round(seconds)))
            with os.fdopen(mouth, "wb") as told:
                pickle.dump(work(), told)
            status = 0
        finally:
            os._exit(status)
    os.close(mouth)
    with os.fdopen(ear, "rb") as heard:
        said = heard.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
        return "timeout"
    return pickle.loads(said) if said and not status else f"ended with status {status}"
