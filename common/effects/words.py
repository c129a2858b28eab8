"""How numbers are written in sentences and tables."""

from __future__ import annotations

from collections.abc import Sequence

from common.effects.described import SkippedStimulus
from common.effects.parts import Interval


def points(share: float) -> str:
    """A difference of shares in percentage points: ``+3.2``."""
    return f"{round(100 * share, 1) + 0.0:+.1f}"


def percent(share: float) -> str:
    """A share in percent: ``31.1 %``."""
    return f"{100 * share:.1f} %"


def between(ci: Interval) -> str:
    """An interval of differences in percentage points: ``[+0.4, +6.1]``."""
    return f"[{points(ci[0])}, {points(ci[1])}]"


def skipped_warning(part: str, skipped: Sequence[SkippedStimulus]) -> str:
    """How many stimuli were left out of the localizer or the evaluation, and the first three."""
    names = ", ".join(entry.name for entry in skipped[:3])
    more = ", …" if len(skipped) > 3 else ""
    were = "stimulus of the {} was" if len(skipped) == 1 else "stimuli of the {} were"
    return f"{len(skipped):,} {were.format(part)} broken or missing and left out: {names}{more}."
