"""Effects: what is lost under a mask, item by item, and whether controls lose as much.

An effect is intact minus ablated on the same items, so every comparison is paired. The interaction
is the effect on the target group minus the effect on the other group: the number that an experiment
is about. Its p is its rank among the interactions of the control masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy  # its parts are loaded where they are first used

from common.measure.masks import MATCHED

LEVEL = 0.95
RESAMPLES = 10_000

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Rate:
    """A share of correct items, with Wilson's interval."""

    accuracy: float
    ci: Interval
    n: int


@dataclass(frozen=True)
class Effect:
    """What one mask does to one group.

    Attributes
    ----------
    accuracy, n : float, int
        Share of correct items under the mask, and the number of items.
    ci : (float, float)
        Wilson's interval of that share.
    drop : float
        Intact minus ablated accuracy.
    drop_ci : (float, float)
        Bootstrap interval of the drop over items.
    mcnemar_p : float
        Exact two-sided McNemar test of the items that changed.
    """

    accuracy: float
    ci: Interval
    n: int
    drop: float
    drop_ci: Interval
    mcnemar_p: float


def rate(correct: Bools) -> Rate:
    """Share of correct items with Wilson's (1927) interval.

    Parameters
    ----------
    correct : array of bool of shape (n_items,)
        At least one item.
    """
    hits, n = int(np.sum(correct)), len(correct)
    interval = scipy.stats.binomtest(hits, n).proportion_ci(LEVEL, method="wilson")
    return Rate(hits / n, (float(interval.low), float(interval.high)), n)


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


@dataclass(frozen=True)
class MaskEffects:
    """What one mask does to every group, and the interaction of the two that matter."""

    groups: dict[str, Effect]
    interaction: float
    interaction_ci: Interval

    def as_dict(self) -> dict[str, Any]:
        """The part of ``results.json`` that says it."""
        return {
            "groups": {name: asdict(effect) for name, effect in self.groups.items()},
            "interaction": self.interaction,
            "interaction_ci": self.interaction_ci,
        }


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


def permutation_p(top: float, controls: Sequence[float]) -> float:
    """Share of masks, the top one among them, whose interaction is at least as large as the top's.

    One-sided, and never 0: with 20 controls the smallest p is 1/21 (Phipson and Smyth 2010).
    """
    # Drops are ratios of counts: what differs by rounding alone is a tie, and a tie counts.
    ties = np.asarray(controls, dtype=float) >= top - 1e-12
    return float((1 + ties.sum()) / (1 + len(ties)))


@dataclass(frozen=True)
class Permutation:
    """The top mask of one percent against the draws of one rule."""

    percent: float
    rule: str
    draws: int
    p: float
    control_mean: float
    control_max: float


def permutations(ablations: Sequence[dict[str, Any]]) -> list[Permutation]:
    """Compare every top mask with every rule that was drawn at the same percent.

    Parameters
    ----------
    ablations : sequence of dict
        The entries of ``results.json``.
    """
    found = []
    for top in (entry for entry in ablations if entry["rule"] == "top"):
        rivals: dict[str, list[float]] = {}
        for entry in ablations:
            if entry["percent"] == top["percent"] and entry["rule"] != "top":
                rivals.setdefault(entry["rule"], []).append(entry["interaction"])
        for rule, values in rivals.items():
            p = permutation_p(top["interaction"], values)
            found.append(
                Permutation(
                    top["percent"], rule, len(values), p, float(np.mean(values)), max(values)
                )
            )
    return found


def headline_p(found: Sequence[Permutation], percent: float) -> float | None:
    """The p that the finding rests on: the largest over the matched rules.

    The top must beat each matched control on its own. Without matched controls the other drawn
    rules serve; a single mask (``bottom``) is no distribution, so without draws there is no p.
    """
    drawn = [entry for entry in found if entry.percent == percent and entry.draws > 1]
    matched = [entry for entry in drawn if entry.rule in MATCHED]
    return max((entry.p for entry in matched or drawn), default=None)
