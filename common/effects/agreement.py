"""How alike several runs are that differ in their seed alone: map, mask and effect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from common.effects.finding import amount
from common.effects.judgement import Judgement
from common.effects.parts import Part
from common.effects.words import percent as said_percent
from common.measure.masks import top_percent
from common.measure.scores import SelectivityMap

SAME = 1e-10
"""By how much of the largest score two scores may differ and be the same one."""


class Range(Part):
    """A number over runs."""

    mean: float
    """Its mean."""
    low: float
    """The smallest."""
    high: float
    """The largest."""


class Agreement(Part):
    """How alike runs are that differ in their seed alone."""

    n: int
    """Runs."""
    percent: float
    """The dose that masks and effects are of."""
    n_units: int
    """Units of a top mask."""
    n_all: int
    """Units that are in the top mask of every run."""
    correlation: Range
    """Pearson's r of the scores of all units, over every two runs."""
    shared: Range
    """Share of the units of a top mask that are in that of another run, over every two runs."""
    chance: float
    """What masks of so many units drawn from all would share."""
    effect: Range
    """The adjusted effect."""
    effect_sd: float
    """Its standard deviation over the runs."""
    p: Range | None
    """Its p; ``null`` where no matched control was drawn."""
    outcomes: dict[str, int]
    """How many runs came to which outcome."""


def agreement(
    maps: Sequence[SelectivityMap], judgements: Sequence[Judgement], percent: float
) -> Agreement:
    """How alike runs are.

    Parameters
    ----------
    maps : sequence of SelectivityMap
        One a run, two at least, of the same sites.
    judgements : sequence of Judgement
        One a run.
    percent : float
        The dose.
    """
    tops = [{*top_percent(found, percent).units.tolist()} for found in maps]
    k = len(tops[0])
    pairs = [*combinations(range(len(maps)), 2)]
    effects = [judged.adjusted.effect for judged in judgements]
    ps = [judged.adjusted.p for judged in judgements]
    return Agreement(
        n=len(maps),
        percent=percent,
        n_units=k,
        n_all=len(set.intersection(*tops)),
        correlation=_range([_correlation(maps[a], maps[b]) for a, b in pairs]),
        shared=_range([len(tops[a] & tops[b]) / k for a, b in pairs]),
        chance=k / maps[0].n_units,
        effect=_range(effects),
        effect_sd=float(np.std(effects, ddof=1)),
        p=None if None in ps else _range([p for p in ps if p is not None]),
        outcomes=dict(Counter(str(judged.outcome) for judged in judgements)),
    )


def _correlation(one: SelectivityMap, other: SelectivityMap) -> float:
    """Of the scores of all units; 1 where they are the same ones, also without any variance.

    Moments are merged half by half, and another half is another order of adding: the same scores
    differ in their last digits.
    """
    a, b = one.score.value, other.score.value
    if np.abs(a - b).max() <= SAME * np.abs(a).max():
        return 1.0
    return float(np.corrcoef(a, b)[0, 1]) if np.ptp(a) > 0 and np.ptp(b) > 0 else 0.0


def _range(values: Sequence[float]) -> Range:
    return Range(mean=float(np.mean(values)), low=min(values), high=max(values))


def said(found: Agreement) -> list[str]:
    """The same in words: the effect, and then map and masks."""
    told = ", ".join(f"{outcome} in {n}" for outcome, n in found.outcomes.items())
    effect = (
        f"{amount(found.effect.mean)} on average ({amount(found.effect.low)} to "
        f"{amount(found.effect.high)}, sd {found.effect_sd:.3g})"
    )
    p = "" if found.p is None else f"; p {found.p.low:.3f} to {found.p.high:.3f}"
    lines = [f"Over {found.n} seeds, at {found.percent:g} %: {told}; adjusted effect {effect}{p}."]
    if found.correlation.low == found.shared.low == 1:
        return [*lines, "The map and its masks do not depend on the seed here."]
    r, shared = found.correlation, found.shared
    return [
        *lines,
        f"Maps of two seeds correlate with r = {r.mean:.2f} ({r.low:.2f} to {r.high:.2f}); their "
        f"top masks share {said_percent(shared.mean)} of {found.n_units:,} units "
        f"({100 * shared.low:.0f} to {100 * shared.high:.0f}; by chance "
        f"{said_percent(found.chance)}); {found.n_all:,} are in all of them.",
    ]
