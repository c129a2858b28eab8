"""How long work tells how far it has come: one callback that every front fills in its own way.

A :class:`Progress` is called with the name of the step, the number of parts done and their total.
The core calls it and knows nothing of terminals or browsers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from tqdm.auto import tqdm

EVERY = 0.1  # seconds between two words on a part
PART = "part"  # the step of this name tells how far the current part of another step has come


class Progress(Protocol):
    """Receives the state of long work; may raise to stop it."""

    def __call__(self, step: str, done: int, total: int) -> None: ...


def silent(step: str, done: int, total: int) -> None:
    """Show nothing."""


class _Line:
    """The one line of a terminal: the step at hand, and how far its current part has come."""

    def __init__(self) -> None:
        self.step, self.told = "", 0.0
        self.bar: tqdm[Any] | None = None

    def __call__(self, step: str, done: int, total: int) -> None:
        if step == PART:
            self._tell_part(done, total)
            return
        if self.bar is None or step != self.step:
            self.close()
            self.step = step
            self.bar = tqdm(total=total, initial=done, desc=step, leave=False, dynamic_ncols=True)
        self.bar.update(done - self.bar.n)
        if done >= total:
            self.close()

    def _tell_part(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self.bar is not None and (done >= total or now - self.told > EVERY):
            self.told = now
            self.bar.set_postfix_str(f"{done:,} of {total:,}" if done < total else "")

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
        self.bar = None


@contextmanager
def terminal(enabled: bool = True) -> Iterator[Progress]:
    """Show one line on standard error that says how far the step at hand has come.

    It is gone when the step is complete, or another begins.

    Parameters
    ----------
    enabled : bool, default=True
        ``False`` shows nothing, for scripts and pipes.
    """
    line = _Line()
    try:
        yield line if enabled else silent
    finally:
        line.close()
