"""How long work tells how far it has come: one callback that every front fills in its own way.

A :class:`Progress` is called with the name of the step, the number of parts done and their total.
The core calls it and knows nothing of terminals or browsers.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from tqdm.auto import tqdm

SELDOM = 0.1  # seconds between two drawings of the line
PART = "part"  # the step of this name tells how far the current part of another step has come

LEFT = "left"  # that of this name tells how many seconds of a step are over, and of how many
NOTE = "note: "  # what comes after it is a sentence to be read once, and no step
KNOWN = "known: "  # what comes after it is what is known so far; see common.study.so_far


class Progress(Protocol):
    """Receives the state of long work; may raise to stop it."""

    def __call__(self, step: str, done: int, total: int) -> None: ...


def silent(step: str, done: int, total: int) -> None:
    """Show nothing."""


@contextmanager
def terminal(enabled: bool = True, spoken: Callable[[str], str] = str) -> Iterator[Progress]:
    """Show one line of progress on standard error, and take it away when the work is done.

    The line is the step's that was begun last, with the part of it that is being done; when that is
    complete, the one about it comes back. Where standard error is no terminal, nothing is shown.

    Parameters
    ----------
    enabled : bool, default=True
        ``False`` shows nothing, for scripts.
    spoken : callable, optional
        How this program says a sentence of the core, which calls settings by their names.
    """
    bars: dict[str, tqdm[Any]] = {}  # the last is the one that is seen
    drawn = 0.0
    beside = {PART: "", LEFT: ""}  # what is said beside the bar

    def show(step: str, done: int, total: int) -> None:
        nonlocal drawn
        if step.startswith(KNOWN):
            return
        if step.startswith(NOTE):
            if sys.stderr.isatty():
                tqdm.write(spoken(step.removeprefix(NOTE)), file=sys.stderr)
            return
        if step in beside:
            if step == PART:
                beside[PART] = f"{done:,} of {total:,}" if done < total else ""
            else:
                beside[LEFT] = f"about {spoken_seconds(total - done)} left"
            if bars:
                told = ", ".join(filter(None, beside.values()))
                _last(bars).set_postfix_str(told, refresh=False)
        else:
            if step not in bars:
                for bar in bars.values():
                    bar.clear()
                bars[step] = tqdm(
                    desc=step,
                    total=total,
                    position=0,
                    leave=False,
                    dynamic_ncols=True,
                    disable=None,
                )
            bars[step].total, bars[step].n = total, done
            if done >= total:
                bars.pop(step).close()
                beside.update({PART: "", LEFT: ""})
                drawn = 0.0
        if bars and time.monotonic() >= drawn + SELDOM:
            _last(bars).refresh()
            drawn = time.monotonic()

    try:
        yield show if enabled else silent
    finally:
        for bar in bars.values():
            bar.close()


def spoken_seconds(seconds: float) -> str:
    """Seconds as one says them: ``40 s``, ``12 min``, ``2.5 h``, ``3 days``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    hours = seconds / 3600
    if hours < 48:
        return f"{hours:.1f} h" if hours < 9.95 else f"{round(hours)} h"
    return f"{round(hours / 24)} days"


def _last(bars: dict[str, tqdm[Any]]) -> tqdm[Any]:
    return next(reversed(bars.values()))
