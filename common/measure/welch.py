"""Welch's t: the score of the paper, from moments alone (AlKhamissi et al. 2024, sec. 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from common.base.errors import DataError, SettingError
from common.base.heavy import scipy
from common.measure.moments import Array, Moments
from common.measure.rules import BySite, Contrast, Score, ScoreRule, ScoreWords
from common.measure.sites import Site

APART = "apart"  # the column that tells units which separate the conditions without any variance
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
    """t, two-sided p, q over all units, d′ and the selectivity index.

    t and its degrees of freedom are Welch's (1947), as in ``scipy.stats.ttest_ind`` with
    ``equal_var=False``; q is ``scipy.stats.false_discovery_control``; d′ is the difference of the
    means over the root of the mean of the two variances.
    """
    one, two = joined(contrast.target), joined(contrast.control)
    t, freedom, apart = tested(one, two)
    p, q = p_and_q(t, freedom)
    difference = one.mean - two.mean
    spread = np.sqrt((one.variance + two.variance) / 2)
    spread[apart] = np.maximum(one.rounding, two.rounding)[apart]
    columns = {"d_prime": _ratio(difference, spread), "index": selectivity_index(one, two)}
    columns |= _by_category(contrast)
    if apart.any():
        columns[APART] = apart.astype(np.float64)
    return Score(WORDS, t, p, q, columns)


def selectivity_index(one: Moments, two: Moments) -> Array:
    """(target - control) / (target + control) of the means, from -1 to 1, shape (n_units,).

    Of absolute means where they are signed; 0 where both are 0.
    """
    return _ratio(one.mean - two.mean, np.abs(one.mean) + np.abs(two.mean))


def check_sides(one: Moments, two: Moments) -> None:
    """Refuse a side of fewer than two stimuli, or of activations that are not finite.

    Raises
    ------
    DataError
        If so.
    """
    for side, moments in (("target", one), ("control", two)):
        if moments.count < 2:
            raise DataError(
                f"the {side} condition has {moments.count} stimulus: a contrast needs two or more "
                "on either side"
            )
        for values in (moments.mean, moments.m2):
            if not np.isfinite(values).all():
                unit = int(np.isfinite(values).argmin())
                raise DataError(
                    f"activations of the {side} condition are NaN or infinite; unit {unit} of the "
                    "map is the first"
                )


def tested(one: Moments, two: Moments) -> tuple[Array, Array, np.ndarray]:
    """t, its degrees of freedom, and which units separate the conditions without any variance.

    Such a unit has no finite t. It gets twice the highest of the others and what its difference is
    in steps of rounding, so that it ranks before all others, and all n - 2 degrees of freedom.
    """
    var_one, var_two = one.variance, two.variance
    t, freedom = welch_t(one.mean, var_one, one.count, two.mean, var_two, two.count)
    steps, difference = np.maximum(one.rounding, two.rounding), one.mean - two.mean
    apart = (var_one == 0) & (var_two == 0) & (np.abs(difference) > steps)
    apart &= min(one.count, two.count) > 1
    if apart.any():
        beyond = 2 * np.abs(t[~apart]).max(initial=0.0)
        t[apart] = np.sign(difference[apart]) * beyond + difference[apart] / steps[apart]
        freedom[apart] = one.count + two.count - 2
    return t, freedom, apart


def _t_alone(contrast: Contrast) -> Array:
    return tested(joined(contrast.target), joined(contrast.control))[0]


WELCH = ScoreRule(WORDS, end=_score, value=_t_alone)


def p_and_q(t: Array, freedom: Array) -> tuple[Array, Array]:
    """Two-sided p of each unit's t, and q after Benjamini and Hochberg over all units."""
    p = two_sided_p(t, freedom)
    q: Array = scipy.stats.false_discovery_control(p, method="bh")
    return p, q


def _by_category(contrast: Contrast) -> dict[str, Array]:
    """The same test with conditions as the cases: their means, where each side has two or more.

    Pictures of one category are no independent samples of their side: what holds of every picture
    of a category counts once here.
    """
    if contrast.conditions is None or min(map(len, contrast.conditions)) < 2:
        return {}
    one, two = map(_of_means, contrast.conditions)
    t, freedom, _ = tested(one, two)
    p, q = p_and_q(t, freedom)
    return {"t_category": t, "p_category": p, "q_category": q}


def _of_means(conditions: Sequence[BySite]) -> Moments:
    """Moments over conditions, of their means."""
    parts = [joined(each) for each in conditions]
    means = Moments.of(np.stack([part.mean for part in parts]))
    return replace(means, resolution=max(part.resolution for part in parts))


CONJUNCTION_WORDS = ScoreWords(
    name="conjunction",
    symbol="t_min",
    label="smallest of Welch's t against each control condition",
    prose="the smallest of Welch’s t against each control condition",
    title="Smallest t, target against each control condition",
    method=(
        "For each unit Welch’s t between the target and each control condition by itself was "
        "computed from streamed moments in float64; the smallest is its score and the largest of "
        "their two-sided p its p (an intersection-union test, which asks for no further correction "
        "for the number of conditions), with a q after Benjamini and Hochberg over all units."
    ),
    references=(
        *WORDS.references,
        "Berger, R. L. (1982). Multiparameter hypothesis testing and acceptance sampling. "
        "Technometrics, 24, 295–300. (Intersection-union tests.)",
    ),
)


def _conjunction(contrast: Contrast) -> Score:
    t, p = _smallest(contrast)
    q: Array = scipy.stats.false_discovery_control(p, method="bh")
    plain = _score(contrast)
    shared = {name: plain.columns[name] for name in ("d_prime", "index")}
    return Score(CONJUNCTION_WORDS, t, p, q, shared)


def _smallest(contrast: Contrast) -> tuple[Array, Array]:
    """The smallest t over the control conditions, and the largest p; 1 where t falls below 0."""
    if contrast.conditions is None:
        raise SettingError("the score conjunction needs the moments of each control condition")
    one, every = joined(contrast.target), []
    for each in contrast.conditions[1]:
        t, freedom, _ = tested(one, joined(each))
        every.append((t, two_sided_p(t, freedom)))
    t, p = (np.stack(part) for part in zip(*every, strict=True))
    smallest: Array = t.min(axis=0)
    return smallest, np.where(smallest > 0, p.max(axis=0), 1.0)


CONJUNCTION = ScoreRule(
    CONJUNCTION_WORDS,
    end=_conjunction,
    value=lambda contrast: _smallest(contrast)[0],
    by_condition=True,
)


def joined(moments: Mapping[Site, Moments]) -> Moments:
    """The moments of all sites in one row of units."""
    parts = [*moments.values()]
    mean, m2, output, magnitude = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("mean", "m2", "output", "magnitude")
    )
    first, peak = (
        np.concatenate(there) if len(there := _there(parts, name)) == len(parts) else None
        for name in ("first", "peak")
    )
    resolution = max(part.resolution for part in parts)
    rows = (mean, m2, output, magnitude, first, peak)
    return Moments(parts[0].count, *rows, resolution=resolution)


def _there(parts: Sequence[Moments], name: str) -> list[Array]:
    """What the moments of each site have under a name, of those that have it."""
    return [values for part in parts if (values := getattr(part, name)) is not None]


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
