"""Effects: what is lost under a mask, item by item, and whether controls lose as much.

An effect is intact minus ablated on the same items, so every comparison is paired. The interaction
is the effect on the target group minus the effect on the other group: the number that an experiment
is about. Its p is its rank among the interactions of the control masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy  # its parts are loaded where they are first used

from common.effects.items import Items
from common.effects.parts import Interval, Part, SizedMaskPart
from common.measure.control_rules import against, is_matched
from common.measure.masks import Mask
from common.measure.matching import PARTS

LEVEL = 0.95
RESAMPLES = 10_000

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


class Rate(Part):
    """A share of correct items."""

    accuracy: float
    """The share of items that are right."""
    ci: Interval
    """Its 95 % interval after Wilson."""
    n: int
    """Items."""


class Effect(Rate):
    """What one mask does to one group; the rate is the one under the mask."""

    drop: float
    """Intact minus ablated accuracy."""
    drop_ci: Interval
    """Its 95 % bootstrap interval over items."""
    mcnemar_p: float
    """Exact two-sided McNemar test of the items that changed."""


def rate(correct: Bools) -> Rate:
    """Share of correct items with Wilson's (1927) interval.

    Parameters
    ----------
    correct : array of bool of shape (n_items,)
        At least one item.
    """
    hits, n = int(np.sum(correct)), len(correct)
    interval = scipy.stats.binomtest(hits, n).proportion_ci(LEVEL, method="wilson")
    return Rate(accuracy=hits / n, ci=(float(interval.low), float(interval.high)), n=n)


def bootstrap_means(values: Floats, rng: np.random.Generator, resamples: int = RESAMPLES) -> Floats:
    """Means of resamples of the items, shape (resamples,).

    Paired differences of right and wrong take three values, so a resample of any number of items is
    one multinomial draw of how often each value comes. The draw is the same in distribution as
    picking items one by one, and costs nothing. Values that hardly repeat are picked one by one.
    """
    kinds, counts = np.unique(values, return_counts=True)
    n = len(values)
    if len(kinds) <= 64:
        return rng.multinomial(n, counts / n, size=resamples) @ kinds / n
    rows = max(1, 2_000_000 // n)
    picked = [
        values[rng.integers(0, n, size=(min(rows, resamples - done), n))].mean(axis=1)
        for done in range(0, resamples, rows)
    ]
    return np.concatenate(picked)


def interval(means: Floats) -> Interval:
    """Percentile interval of bootstrap means."""
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def mcnemar_p(intact: Bools, ablated: Bools) -> float:
    """Exact two-sided McNemar test: a binomial test of the discordant pairs; 1 without any."""
    lost, won = int(np.sum(intact & ~ablated)), int(np.sum(~intact & ablated))
    return float(scipy.stats.binomtest(lost, lost + won).pvalue) if lost + won else 1.0


class MaskEffects(Part):
    """What one mask does to every group, and the interaction of the two that matter."""

    groups: dict[str, Effect]
    """By group, what it lost."""
    interaction: float
    """The drop of the target group minus that of the other."""
    interaction_ci: Interval
    """Its 95 % bootstrap interval over items."""


class MaskResult(MaskEffects, SizedMaskPart):
    """What one mask of a run does."""


def mask_effects(
    intact: Bools, ablated: Bools, groups: npt.NDArray[Any], target: str, other: str, seed: int
) -> MaskEffects:
    """Effects of one mask, paired by item.

    Parameters
    ----------
    intact, ablated : array of bool of shape (n_items,)
        Whether each item is right without and with the mask.
    groups : array of str of shape (n_items,)
        The group of each item.
    target, other : str
        The interaction is the drop of `target` minus the drop of `other`.
    seed : int
        Seed of the bootstrap.
    """
    rng = np.random.default_rng(seed)
    effects, means = {}, {}
    for name in dict.fromkeys([target, other, *sorted(set(groups.tolist()))]):
        one, two = intact[groups == name], ablated[groups == name]
        lost = one.astype(float) - two.astype(float)
        means[name] = bootstrap_means(lost, rng)
        left = rate(two)
        effects[name] = Effect(
            accuracy=left.accuracy,
            ci=left.ci,
            n=left.n,
            drop=float(lost.mean()),
            drop_ci=interval(means[name]),
            mcnemar_p=mcnemar_p(one, two),
        )
    return MaskEffects(
        groups=effects,
        interaction=effects[target].drop - effects[other].drop,
        interaction_ci=interval(means[target] - means[other]),
    )


def mask_result(mask: Mask, intact: Bools, ablated: Bools, items: Items, seed: int) -> MaskResult:
    """Effects of a mask of a run; see :func:`mask_effects`."""
    effects = mask_effects(intact, ablated, items.groups, items.target, items.other, seed)
    return MaskResult(
        mask=mask.name,
        rule=mask.rule,
        percent=mask.percent,
        seed=mask.seed,
        n_units=len(mask),
        groups=effects.groups,
        interaction=effects.interaction,
        interaction_ci=effects.interaction_ci,
    )


def permutation_p(top: float, controls: Sequence[float]) -> float:
    """Share of masks, the top one among them, whose interaction is at least as large as the top's.

    One-sided, and never 0: with 20 controls the smallest p is 1/21 (Phipson and Smyth 2010).
    """
    # Drops are ratios of counts: what differs by rounding alone is a tie, and a tie counts.
    ties = np.asarray(controls, dtype=float) >= top - 1e-12
    return float((1 + ties.sum()) / (1 + len(ties)))


class Permutation(Part):
    """The top mask of one percent against the draws of one rule."""

    percent: float
    """The dose."""
    rule: str
    """The control rule."""
    draws: int
    """How many masks were drawn."""
    p: float
    """Rank of the top mask's interaction among theirs."""
    control_mean: float
    """Mean of their interactions."""
    control_max: float
    """The largest of their interactions."""


def permutations(ablations: Sequence[MaskResult]) -> tuple[Permutation, ...]:
    """Compare every top mask, or its matched part, with every rule drawn at the same percent.

    Parameters
    ----------
    ablations : sequence of MaskResult
        All masks of a run.
    """
    found = []
    for top in (entry for entry in ablations if entry.rule == "top"):
        same = [entry for entry in ablations if entry.percent == top.percent]
        parts = {entry.rule: entry for entry in same if entry.rule in ("top", *PARTS)}
        rivals: dict[str, list[float]] = {}
        for entry in same:
            if entry.rule not in parts:
                rivals.setdefault(entry.rule, []).append(entry.interaction)
        for rule, values in rivals.items():
            held = parts.get(against(rule), top)
            found.append(
                Permutation(
                    percent=top.percent,
                    rule=rule,
                    draws=len(values),
                    p=permutation_p(held.interaction, values),
                    control_mean=float(np.mean(values)),
                    control_max=max(values),
                )
            )
    return tuple(found)


def headline_p(found: Sequence[Permutation], percent: float) -> float | None:
    """The p that the finding rests on: the largest over the matched rules.

    The top must beat each matched control on its own. Without matched controls the other drawn
    rules serve; a single mask (``bottom``) is no distribution, so without draws there is no p.
    """
    drawn = [entry for entry in found if entry.percent == percent and entry.draws > 1]
    matched = [entry for entry in drawn if is_matched(entry.rule)]
    return max((entry.p for entry in matched or drawn), default=None)
