"""Effects and their intervals against scipy, brute force and arithmetic by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from common.effects.paired import (
    MaskResult,
    Permutation,
    bootstrap_means,
    headline_p,
    interval,
    mask_effects,
    mcnemar_p,
    permutation_p,
    permutations,
    rate,
)
from tests.common.made import ablation, permutation


def brute_force_interval(values: np.ndarray, resamples: int = 20_000) -> tuple[float, float]:
    """The percentile bootstrap, item by item."""
    rng = np.random.default_rng(99)
    means = values[rng.integers(0, len(values), (resamples, len(values)))].mean(axis=1)
    return interval(means)


def right(hits: int, n: int) -> np.ndarray:
    return np.arange(n) < hits


# --- intervals ---


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [  # Newcombe (1998), table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_accuracy_has_wilsons_interval(hits: int, n: int, low: float, high: float) -> None:
    got = rate(right(hits, n))
    assert (got.accuracy, got.n) == (hits / n, n)
    assert got.ci == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("hits", [0, 3, 50, 97])
def test_wilsons_interval_is_its_formula(hits: int) -> None:
    n, z = 97, stats.norm.ppf(0.975)
    share = hits / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    assert rate(right(hits, n)).ci == pytest.approx((middle - half, middle + half), abs=1e-12)


def paired_differences() -> np.ndarray:
    return np.random.default_rng(1).choice([-1.0, 0.0, 1.0], 120, p=[0.1, 0.6, 0.3])


def continuous_values() -> np.ndarray:
    return np.random.default_rng(2).gamma(1.5, 2.0, 150)


@pytest.mark.parametrize("make", [paired_differences, continuous_values])
def test_the_bootstrap_interval_is_that_of_resampling_items(make: Any) -> None:
    values = make()
    got = interval(bootstrap_means(values, np.random.default_rng(0)))
    noise = 0.06 * values.std() / np.sqrt(len(values))  # a quantile of 10,000 resamples
    assert got == pytest.approx(brute_force_interval(values), abs=max(noise, 1 / len(values)))
    assert got[0] < values.mean() < got[1]


@pytest.mark.parametrize("make", [paired_differences, continuous_values])
def test_bootstrap_means_have_the_items_mean_and_standard_error(make: Any) -> None:
    values = make()
    means = bootstrap_means(values, np.random.default_rng(0))
    error = values.std() / np.sqrt(len(values))
    assert means.shape == (10_000,)
    assert means.mean() == pytest.approx(values.mean(), abs=5 * error / 100)
    assert means.std() == pytest.approx(error, rel=0.04)


def test_bootstrap_of_many_items_comes_in_parts_of_the_right_number() -> None:
    values = np.random.default_rng(0).normal(size=7000)
    assert bootstrap_means(values, np.random.default_rng(0), resamples=601).shape == (601,)


@pytest.mark.parametrize("values", [np.zeros(9), np.ones(1)])
def test_items_that_are_all_alike_leave_no_doubt(values: np.ndarray) -> None:
    means = bootstrap_means(values, np.random.default_rng(0))
    assert interval(means) == (values[0], values[0])


# --- McNemar ---


@pytest.mark.parametrize(("lost", "won"), [(0, 1), (5, 0), (9, 2), (2, 9), (7, 7), (200, 140)])
def test_mcnemar_is_the_binomial_test_of_the_items_that_changed(lost: int, won: int) -> None:
    intact = np.array([True] * lost + [False] * won + [True, False] * 30)
    ablated = np.array([False] * lost + [True] * won + [True, False] * 30)
    wanted = stats.binomtest(lost, lost + won, 0.5, alternative="two-sided").pvalue
    assert mcnemar_p(intact, ablated) == wanted


def test_mcnemar_without_a_change_is_1() -> None:
    same = right(3, 8)
    assert mcnemar_p(same, same) == 1


# --- one mask ---


def outcomes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    groups = np.repeat(["face", "nonface", "dog"], [50, 80, 30])
    intact = rng.random(160) < 0.9
    ablated = intact & (rng.random(160) > np.where(groups == "face", 0.4, 0.1))
    return intact, ablated, groups


def test_drop_is_intact_minus_ablated_in_every_group() -> None:
    intact, ablated, groups = outcomes()
    got = mask_effects(intact, ablated, groups, "face", "nonface", seed=0)
    assert list(got.groups) == ["face", "nonface", "dog"]
    for name, effect in got.groups.items():
        mine = groups == name
        assert effect.n == mine.sum()
        assert effect.accuracy == ablated[mine].mean()
        assert effect.ci == rate(ablated[mine]).ci
        assert effect.drop == pytest.approx(intact[mine].mean() - ablated[mine].mean())
        assert effect.drop_ci[0] <= effect.drop <= effect.drop_ci[1]
        assert effect.mcnemar_p == mcnemar_p(intact[mine], ablated[mine])


def test_interaction_is_the_targets_drop_minus_the_others() -> None:
    intact, ablated, groups = outcomes()
    got = mask_effects(intact, ablated, groups, "face", "nonface", seed=0)
    assert got.interaction == got.groups["face"].drop - got.groups["nonface"].drop
    turned = mask_effects(intact, ablated, groups, "nonface", "face", seed=0)
    assert turned.interaction == -got.interaction
    low, high = turned.interaction_ci
    assert got.interaction_ci == pytest.approx((-high, -low), abs=0.02)


def test_the_interval_of_the_interaction_is_that_of_two_independent_groups() -> None:
    intact, ablated, groups = outcomes()
    lost, rng = intact.astype(float) - ablated, np.random.default_rng(7)
    means = [
        own[rng.integers(0, len(own), (20_000, len(own)))].mean(axis=1)
        for own in (lost[groups == "face"], lost[groups == "nonface"])
    ]
    got = mask_effects(intact, ablated, groups, "face", "nonface", seed=0)
    assert got.interaction_ci == pytest.approx(interval(means[0] - means[1]), abs=0.015)


def test_pairing_makes_the_interval_narrower_than_two_separate_samples() -> None:
    intact = right(60, 120)
    got = mask_effects(intact, intact, np.repeat(["a", "b"], 60), "a", "b", seed=0)
    assert got.groups["a"].drop_ci == (0, 0)
    assert got.interaction_ci == (0, 0)


def test_intervals_follow_the_seed() -> None:
    arguments = (*outcomes(), "face", "nonface")
    assert mask_effects(*arguments, seed=3) == mask_effects(*arguments, seed=3)
    ends = {mask_effects(*arguments, seed=seed).interaction_ci for seed in range(10)}
    assert len(ends) > 1


# --- against controls ---


@pytest.mark.parametrize(
    ("top", "controls", "p"),
    [
        (0.5, [0.1] * 19, 1 / 20),
        (0.5, [0.6] * 19, 1.0),
        (0.5, [0.1, 0.5, 0.6, 0.2], 3 / 5),  # a tie counts against the top
        (0.1 + 0.2, [0.3], 1.0),  # so does what differs by rounding alone
        (0.3, [0.1 + 0.2], 1.0),
        (-0.2, [-0.3, -0.1], 2 / 3),
        (0.0, [0.0], 1.0),
        (0.4, [], 1.0),
    ],
)
def test_permutation_p_is_the_rank_of_the_top(top: float, controls: list, p: float) -> None:
    assert permutation_p(top, controls) == pytest.approx(p, rel=1e-12)


def entry(rule: str, percent: float, interaction: float) -> MaskResult:
    return MaskResult.model_validate(ablation(rule, percent, interaction=interaction))


def test_the_top_is_compared_with_each_rule_at_its_own_percentage() -> None:
    ablations = [
        entry("top", 1.0, 0.3),
        entry("random", 1.0, 0.1),
        entry("random", 1.0, 0.4),
        entry("bottom", 1.0, -0.1),
        entry("top", 5.0, 0.5),
        entry("random", 5.0, 0.9),
    ]
    assert [tuple(each.as_json().values()) for each in permutations(ablations)] == [
        (1.0, "random", 2, pytest.approx(2 / 3), pytest.approx(0.25), 0.4),
        (1.0, "bottom", 1, 0.5, -0.1, -0.1),
        (5.0, "random", 1, 1.0, 0.9, 0.9),
    ]


def compared(rule: str, draws: int, p: float, percent: float = 1.0) -> Permutation:
    return Permutation.model_validate(permutation(rule, draws, p, percent))


@pytest.mark.parametrize(
    ("found", "p"),
    [
        # The worse of the matched rules decides, whatever the unmatched ones say.
        ([("random", 10, 0.9), ("layer-matched", 20, 0.05), ("magnitude-matched", 20, 0.2)], 0.2),
        ([("random", 10, 0.9), ("layer-matched", 20, 0.3), ("magnitude-matched", 20, 0.2)], 0.3),
        ([("random", 10, 0.9), ("magnitude-matched", 20, 0.1)], 0.1),
        # Without them the other drawn rules do; a single mask is no distribution.
        ([("random", 10, 0.1), ("range:40-60", 5, 0.4), ("bottom", 1, 0.5)], 0.4),
        ([("random", 10, 0.1), ("layer-matched", 1, 0.5)], 0.1),
        ([("bottom", 1, 0.5), ("layer-matched", 1, 0.5)], None),
        ([], None),
    ],
)
def test_the_headline_p_rests_on_the_strictest_rule(found: list, p: float | None) -> None:
    assert headline_p([compared(*values) for values in found], 1.0) == p


def test_the_headline_p_is_that_of_its_own_percentage() -> None:
    found = [compared("random", 9, 0.7, 1.0), compared("random", 9, 0.1, 5.0)]
    assert headline_p(found, 5.0) == 0.1
    assert headline_p(found, 2.0) is None
