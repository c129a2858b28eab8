"""How long work tells how far it has come: one callback that every front fills in its own way.

A :class:`Progress` is called with the name of the step, the number of parts done and their total.
The core calls it and knows nothing of terminals or browsers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from tqdm.auto import tqdm

PART = "part"  # the step of this name tells how far the current part of another step has come


class Progress(Protocol):
    """Receives the state of long work; may raise to stop it."""

    def __call__(self, step: str, done: int, total: int) -> None: ...


def silent(step: str, done: int, total: int) -> None:
    """Show nothing."""


@contextmanager
def terminal(enabled: bool = True) -> Iterator[Progress]:
    """Show a bar a step on standard error, which closes when the step is complete.

    A part that is done within a second gets no bar of its own.

    Parameters
    ----------
    enabled : bool, default=True
        ``False`` shows nothing, for scripts and pipes.
    """
    bars: dict[str, tqdm[Any]] = {}

    def show(step: str, done: int, total: int) -> None:
        if step not in bars:
            delay = 1 if step == PART else 0
            bars[step] = tqdm(total=total, desc=step, leave=False, dynamic_ncols=True, delay=delay)
        bars[step].update(done - bars[step].n)
        if done >= total:
            bars.pop(step).close()

    try:
        yield show if enabled else silent
    finally:
        for bar in bars.values():
            bar.close()
