"""How stable a map and its masks are over many random halves of the stimuli.

One split says how well two halves agree, and not by how much another split would have agreed. Here
every split halves each condition anew, scores both halves, and keeps how their maps correlate, what
their top masks share, and how often each unit of the map's own top mask is in that of a half.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from common.measure.halves import CONTROL_HALVES, TARGET_HALVES, assign_groups
from common.measure.moments import Array, Moments
from common.measure.rules import Contrast, ScoreRule
from common.measure.scores import TRUNCATED, SelectivityMap
from common.measure.shares import SPLITS as SPLITS
from common.measure.shares import split_half
from common.measure.sites import Site

MOSTLY = 0.9  # of the halves


def stability(
    found: SelectivityMap,
    values: Mapping[Site, Array],
    conditions: Sequence[str],
    n_target: int,
    rule: ScoreRule,
    percents: Sequence[float],
    n: int,
    seed: int,
    resolution: float,
) -> dict[str, Any]:
    """What is kept with a map of its splits.

    Parameters
    ----------
    found : SelectivityMap
        The map over all stimuli.
    values : mapping of Site to array of shape (n_stimuli, n_units)
        The statistic of every stimulus, the target's first.
    conditions : sequence of str of length n_stimuli
        The condition of each.
    n_target : int
        How many are the target's.
    rule : ScoreRule
        One that needs moments alone.
    percents : sequence of float
        Sizes of the top masks.
    n : int
        Splits.
    seed : int
        Of the first; the others' follow.
    resolution : float
        Relative spacing of the numbers that the activations came in.
    """
    kept, is_target = ~found.excluded, np.arange(len(conditions)) < n_target
    tops = {percent: found.ranking[: found.n_chosen(percent)] for percent in percents}
    truncated = found.about.get("k") == TRUNCATED
    held = {percent: np.zeros(len(top)) for percent, top in tops.items()}
    halves: list[Any] = []
    for number in range(n):
        groups = assign_groups(conditions, is_target, seed + number)
        both = [*_scores(values, groups, rule, resolution)]
        halves.append(split_half(both[0][kept], both[1][kept], percents, truncated=truncated))
        for each in both:
            order = np.argsort(-np.where(kept, each, -np.inf), kind="stable")
            for percent, top in tops.items():
                held[percent] += np.isin(top, order[: len(top)])
    shares = {percent: times / (2 * n) for percent, times in held.items()}
    return {
        "n": n,
        "correlation": _spread([half.correlation for half in halves]),
        "dice": {f"{p:g}": _spread([half.dice[p] for half in halves]) for p in percents},
        "held": {f"{p:g}": float(share.mean()) for p, share in shares.items()},
        "n_mostly": {f"{p:g}": int((share >= MOSTLY).sum()) for p, share in shares.items()},
    }


def _scores(
    values: Mapping[Site, Array], groups: np.ndarray, rule: ScoreRule, resolution: float
) -> Iterator[Array]:
    """The score of every unit by either half."""
    for one, two in zip(TARGET_HALVES, CONTROL_HALVES, strict=True):
        target, control = (
            {
                site: replace(Moments.of(rows[groups == group]), resolution=resolution)
                for site, rows in values.items()
            }
            for group in (one, two)
        )
        yield rule.alone(Contrast(target, control, ((one,), (two,))))


def _spread(values: Sequence[float]) -> dict[str, float]:
    """Mean over the splits, and between what 95 % of them lie."""
    low, high = np.quantile(values, [0.025, 0.975])
    return {"mean": float(np.mean(values)), "low": float(low), "high": float(high)}
