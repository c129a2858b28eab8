"""What the fuzz is made of: an input, its right reading, and what came of it."""

from __future__ import annotations

import signal
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from common.base.errors import FunclocError

LONGEST_LINE = 1500
PATIENCE = 60  # seconds
Refusal = Literal["never", "may", "must"]
Outcome = Literal["read rightly", "refused", "traceback", "misread", "refused wrongly", "no line"]
GOOD: tuple[Outcome, ...] = ("read rightly", "refused")


@dataclass(frozen=True)
class Case:
    """One generated input.

    Attributes
    ----------
    read : callable
        Reads it, by the program's own reader.
    right : object
        What it should give.
    refusal : {"never", "may", "must"}
        Whether it should be refused instead: a damage may leave what is read as it was.
    names : str
        What the refusal must name: a row, say.
    same : callable
        Whether two readings are the same.
    about : str
        What was done to the input.
    """

    read: Callable[[], Any]
    right: Any = None
    refusal: Refusal = "never"
    names: str = ""
    same: Callable[[Any, Any], bool] = lambda one, two: bool(one == two)
    about: str = ""


Maker = Callable[[np.random.Generator, Path], Case]


@dataclass
class Read:
    """Counts of what came of the inputs of one reader, and what went wrong."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def outcome(case: Case) -> tuple[Outcome, str]:
    """What comes of reading a case, and the words for it."""
    try:
        with at_most(PATIENCE):
            found = case.read()
    except FunclocError as error:
        said = str(error)
        if "\n" in said or not said.strip() or len(said) > LONGEST_LINE:
            return "no line", said[:400]
        if case.refusal == "never":
            return "refused wrongly", said
        if case.refusal == "must" and case.names not in said:
            return "refused wrongly", f"names no {case.names}: {said}"
        return "refused", said
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return "traceback", "".join(traceback.format_exception(error)[-3:])
    if case.refusal == "must" or not case.same(found, case.right):
        return "misread", f"{str(found)[:300]} instead of {str(case.right)[:300]}"
    return "read rightly", ""


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Inside it nothing takes longer: whoever waits for a pipe waits for ever."""

    def late(*_: object) -> None:
        raise TimeoutError(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def pick(rng: np.random.Generator, options: Any) -> Any:
    """One of a list, as it is."""
    every = list(options)
    return every[int(rng.integers(len(every)))]


def chance(rng: np.random.Generator, share: float) -> bool:
    """Whether something of that probability happens."""
    return bool(rng.random() < share)
