"""Formulas of paired accuracy, against statsmodels, scipy and published examples."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from common.effects import paired

Z = float(stats.norm.ppf(0.975))


def bools(hits: int, n: int) -> np.ndarray:
    return np.arange(n) < hits


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (1, 1), (0, 30), (17, 79), (222, 222), (48, 80)])
def test_rate_is_wilsons(hits: int, n: int) -> None:
    found = paired.rate(bools(hits, n))
    assert found.ci == pytest.approx(proportion_confint(hits, n, method="wilson"), rel=1e-10)
    assert found.ci[0] < found.ci[1]


# R package statpsych, ci.prop.ps(.05, 12, 4, 26, 6), whose author is that of the paper.
STATPSYCH = [((26, 4, 48), (0.2548067, 0.6251933))]
# ci.pairs.prop1(.05, c(125, 82, 92)) gives each pair of one multinomial sample by the same formula.
STATPSYCH += [
    ((125, 82, 299), (0.05011508, 0.23559920)),
    ((125, 92, 299), (0.01407230, 0.20519680)),
    ((82, 92, 299), (-0.11952594, 0.05308076)),
]


@pytest.mark.parametrize(("counts", "published"), STATPSYCH)
def test_drop_interval_is_bonett_and_prices(
    counts: tuple[int, int, int], published: tuple[float, float]
) -> None:
    assert paired.drop_interval(*counts) == pytest.approx(published, abs=6e-8)


def test_drop_interval_has_the_published_error() -> None:
    # statpsych's se.prop.ps(16, 64, 5, 15): estimate 0.5784314, error 0.05953213.
    low, high = paired.drop_interval(64, 5, 100)
    assert (low + high) / 2 == pytest.approx(0.5784314, abs=6e-8)
    assert (high - low) / 2 / Z == pytest.approx(0.05953213, abs=6e-9)


def test_an_unchanged_group_has_a_width() -> None:
    for n in (1, 2, 30, 2468):
        low, high = paired.drop_interval(0, 0, n)
        assert low < 0 < high
        assert high == pytest.approx(min(1, Z * np.sqrt(2) / (n + 2)), rel=1e-10)


@pytest.mark.parametrize("n", [1, 2, 5, 30])
def test_drop_interval_holds_its_estimate_within_bounds(n: int) -> None:
    for lost in range(n + 1):
        for won in range(n + 1 - lost):
            low, high = paired.drop_interval(lost, won, n)
            assert -1 <= low <= (lost - won) / n <= high <= 1
            assert low < high
            assert paired.drop_interval(won, lost, n) == pytest.approx((-high, -low), abs=1e-15)


def test_what_is_right_by_definition_can_only_be_lost() -> None:
    """Of agreement the drop is a share of changed items: never below 0, and Wilson's interval."""
    intact, ablated = np.ones(18, bool), np.arange(18) >= 3
    kept = paired.drop(intact, ablated, measure="agreement")
    known = stats.binomtest(3, 18).proportion_ci(0.95, method="wilson")
    np.testing.assert_allclose((kept.effect, *kept.ci), (3 / 18, known.low, known.high), rtol=1e-10)
    assert (kept.lost, kept.won) == (3, 0)
    assert paired.drop(intact, intact, measure="agreement").ci[0] == 0
    assert paired.drop(intact, ablated).ci[0] < 0  # of accuracy, an item may be won


def test_drop_counts_pairs() -> None:
    intact = np.array([True, True, True, False, False, True])
    ablated = np.array([False, False, True, True, False, True])
    found = paired.drop(intact, ablated)
    assert (found.lost, found.won, found.n) == (2, 1, 6)
    assert found.effect == pytest.approx(1 / 6)


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (1, 0), (5, 0), (12, 7), (121, 59), (3, 3)])
def test_mcnemar_is_exact(lost: int, won: int) -> None:
    expected = mcnemar([[10, lost], [won, 20]], exact=True).pvalue if lost + won else 1.0
    assert paired.mcnemar_p(lost, won) == pytest.approx(expected, rel=1e-10)


def test_mover_of_wilson_is_newcombes_method_10() -> None:
    # Newcombe (1998), table II, example a: 56/70 - 48/80 = 0.2, [0.0524, 0.3339].
    first, second = paired.rate(bools(56, 70)), paired.rate(bools(48, 80))
    found = paired.mover(first.accuracy, first.ci, second.accuracy, second.ci)
    assert found == pytest.approx((0.0524, 0.3339), abs=5e-5)
    reference = confint_proportions_2indep(56, 70, 48, 80, method="newcomb", compare="diff")
    assert found == pytest.approx(reference, rel=1e-10)


def test_interaction_is_a_difference_of_drops() -> None:
    first = paired.drop(bools(20, 30), bools(5, 30))
    second = paired.drop(bools(80, 100), bools(80, 100))
    gap, (low, high) = paired.interaction(first, second)
    assert gap == pytest.approx(0.5)
    assert low == pytest.approx(0.5 - np.hypot(0.5 - first.ci[0], second.ci[1]), rel=1e-12)
    assert high == pytest.approx(0.5 + np.hypot(first.ci[1] - 0.5, second.ci[0]), rel=1e-12)


def test_an_interaction_subtracts_what_the_other_group_lost() -> None:
    first = paired.drop(bools(20, 30), bools(5, 30))
    second = paired.drop(bools(80, 100), bools(60, 100))
    gap, between = paired.interaction(first, second)
    assert gap == pytest.approx(0.5 - 0.2)
    assert between == pytest.approx(paired.mover(0.5, first.ci, 0.2, second.ci))
