"""Welch's t: the score of the paper, from moments alone (AlKhamissi et al. 2024, sec. 3)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy  # its parts are loaded where they are first used

from common.measure.moments import Array, Moments
from common.measure.rules import Contrast, Score, ScoreRule, ScoreWords
from common.measure.sites import Site

WORDS = ScoreWords(
    name="welch",
    symbol="t",
    label="Welch's t (target minus control)",
    prose="Welch’s t",
    title="Welch’s t, target against control",
    method=(
        "For each unit Welch’s t between target and control was computed from streamed moments in "
        "float64, with a two-sided p and a q after Benjamini and Hochberg over all units. q says "
        "that a unit answers differently to these stimuli, not that it has a function: stimuli "
        "differ in simple ways too, and random weights give such units as well (compare "
        "untrained weights)."
    ),
    references=(
        "Welch, B. L. (1947). The generalization of ‘Student’s’ problem when several different "
        "population variances are involved. Biometrika, 34, 28–35.",
    ),
)


def _score(contrast: Contrast) -> Score:
    """t, two-sided p, q over all units, and d′.

    t and its degrees of freedom are Welch's (1947), as in ``scipy.stats.ttest_ind`` with
    ``equal_var=False``; q is ``scipy.stats.false_discovery_control``; d′ is the difference of the
    means over the root of the mean of the two variances.
    """
    one, two = joined(contrast.target), joined(contrast.control)
    var_one, var_two = one.variance, two.variance
    t, freedom = welch_t(one.mean, var_one, one.count, two.mean, var_two, two.count)
    p = two_sided_p(t, freedom)
    q: Array = scipy.stats.false_discovery_control(p, method="bh")
    d_prime = _ratio(one.mean - two.mean, np.sqrt((var_one + var_two) / 2))
    return Score(WORDS, t, p, q, {"d_prime": d_prime})


def _t_alone(contrast: Contrast) -> Array:
    pairs = [(contrast.target[site], contrast.control[site]) for site in contrast.target]
    return np.concatenate(
        [
            welch_t(one.mean, one.variance, one.count, two.mean, two.variance, two.count)[0]
            for one, two in pairs
        ]
    )


WELCH = ScoreRule(WORDS, end=_score, value=_t_alone)


def joined(moments: Mapping[Site, Moments]) -> Moments:
    """The moments of all sites in one row of units."""
    parts = [*moments.values()]
    rows = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("mean", "m2", "output", "magnitude")
    )
    return Moments(parts[0].count, *rows)


def welch_t(
    mean_one: Array, var_one: Array, n_one: int, mean_two: Array, var_two: Array, n_two: int
) -> tuple[Array, Array]:
    """Welch's t and its degrees of freedom from means and sample variances.

    A unit without variance has t = 0 and no degree of freedom.
    """
    share_one, share_two = var_one / max(n_one, 1), var_two / max(n_two, 1)
    total = share_one + share_two
    t = _ratio(mean_one - mean_two, np.sqrt(total))
    # Welch-Satterthwaite; in shares of the total, which cannot underflow as squares of them would.
    part_one, part_two = _ratio(share_one, total), _ratio(share_two, total)
    inverse = part_one**2 / max(n_one - 1, 1) + part_two**2 / max(n_two - 1, 1)
    return t, _ratio(np.ones_like(inverse), inverse)


def two_sided_p(t: Array, freedom: Array) -> Array:
    """Two-sided p of Student's t, 1 where there is no degree of freedom."""
    p = np.ones_like(t)
    varies = freedom > 0
    p[varies] = 2 * scipy.stats.t.sf(np.abs(t[varies]), freedom[varies])
    return p


def _ratio(upper: Array, lower: Array) -> Array:
    """Elementwise ratio, 0 where the denominator is 0."""
    return np.divide(upper, lower, out=np.zeros_like(lower), where=lower > 0)
