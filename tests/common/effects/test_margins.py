"""The regression, its error, its degrees of freedom and its interval."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from common.effects.margins import _spline, design
from common.effects.resample import Resampler
from common.effects.studentized import Studentized


def items(n: int = 200, labels: int = 20, seed: int = 0):
    rng = np.random.default_rng(seed)
    target = np.arange(n) < n // 4
    margin = rng.normal(size=n) + 0.7 * target
    losses = 0.3 * target + np.sin(margin) + rng.standard_t(4, size=n)
    clusters = np.unique(rng.integers(0, labels, n), return_inverse=True)[1]
    return target, margin, losses, clusters


def columns(margin: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Group first, then a spline that sums to 1, as an explicit regression has them."""
    return np.column_stack([target, _spline(margin, 5)])


def test_effect_is_the_coefficient_of_the_regression() -> None:
    target, margin, losses, clusters = items()
    fit = sm.OLS(losses, columns(margin, target)).fit()
    found = design(margin, target, clusters).effects(losses)
    assert float(found) == pytest.approx(fit.params[0], rel=1e-10)


def test_many_masks_are_solved_as_one() -> None:
    target, margin, losses, clusters = items()
    solved = design(margin, target, clusters)
    many = np.column_stack([losses, 2 * losses, losses - margin])
    one_by_one = [float(solved.effects(column)) for column in many.T]
    assert solved.effects(many) == pytest.approx(one_by_one, rel=1e-12)
    errors = [float(solved.errors(column)) for column in many.T]
    assert solved.errors(many) == pytest.approx(errors, rel=1e-12)


def test_error_without_clusters_is_hc2() -> None:
    target, margin, losses, _ = items()
    fit = sm.OLS(losses, columns(margin, target)).fit()
    solved = design(margin, target, np.arange(len(margin)))
    assert float(solved.errors(losses)) == pytest.approx(fit.HC2_se[0], rel=1e-10)


def direct_cr2(x: np.ndarray, losses: np.ndarray, clusters: np.ndarray) -> tuple[float, float]:
    """CR2 error and degrees of freedom as the papers write them, with whole matrices."""
    bread = np.linalg.inv(x.T @ x)
    maker = np.eye(len(x)) - x @ bread @ x.T
    residuals, meat, rows = maker @ losses, np.zeros((x.shape[1],) * 2), []
    for cluster in np.unique(clusters):
        inside = clusters == cluster
        value, vector = np.linalg.eigh(maker[np.ix_(inside, inside)])
        root = (vector / np.sqrt(value)) @ vector.T
        score = x[inside].T @ root @ residuals[inside]
        meat += np.outer(score, score)
        rows.append(maker[:, inside] @ root @ x[inside] @ bread[0])
    gram = np.array(rows) @ np.array(rows).T
    error = math.sqrt((bread @ meat @ bread)[0, 0])
    return error, float(np.trace(gram) ** 2 / np.trace(gram @ gram))


@pytest.mark.parametrize("labels", [12, 40])
def test_error_and_freedom_with_clusters_are_cr2_and_bell_mccaffreys(labels: int) -> None:
    target, margin, losses, clusters = items(labels=labels)
    solved = design(margin, target, clusters)
    error, freedom = direct_cr2(columns(margin, target), losses, clusters)
    assert float(solved.errors(losses)) == pytest.approx(error, rel=1e-10)
    assert solved.freedom == pytest.approx(freedom, rel=1e-9)


def test_uncorrected_error_is_statsmodels_clustered_one() -> None:
    target, margin, losses, clusters = items()
    fit = sm.OLS(losses, columns(margin, target)).fit()
    whole = sm.stats.sandwich_covariance.cov_cluster(fit, clusters, use_correction=False)
    solved = Studentized(design(margin, target, clusters), Resampler(0, 99))
    assert solved.ratios(losses)[1] == pytest.approx(math.sqrt(whole[0, 0]), rel=1e-10)


def test_resamples_are_regressions_of_their_own() -> None:
    target, margin, losses, clusters = items()
    solved, resampler = design(margin, target, clusters), Resampler(3, 5)
    found, _ = Studentized(solved, resampler).ratios(losses)
    for ratio, counts in zip(found, resampler.counts(solved.strata), strict=True):
        weights = counts[clusters]
        fit = sm.WLS(losses, columns(margin, target), weights=weights).fit()
        bread = np.linalg.inv(columns(margin, target).T * weights @ columns(margin, target))
        scores = columns(margin, target) * fit.resid[:, None]
        sums = np.array([scores[clusters == c].sum(axis=0) for c in range(len(counts))])
        error = math.sqrt((bread @ (sums.T * counts @ sums) @ bread)[0, 0])
        gap = fit.params[0] - float(solved.effects(losses))
        assert ratio == pytest.approx(gap / error, rel=1e-5)  # the ridge is 1e-8


def test_one_group_is_a_mean_with_students_interval_at_least() -> None:
    losses = np.random.default_rng(1).normal(size=40)
    solved = design(losses, None, np.arange(40))
    assert float(solved.effects(losses)) == pytest.approx(losses.mean())
    assert float(solved.errors(losses)) == pytest.approx(stats.sem(losses), rel=1e-10)
    assert solved.freedom == pytest.approx(39)
    low, high = Studentized(solved, Resampler()).interval(losses)
    student = stats.t.interval(0.95, 39, losses.mean(), stats.sem(losses))
    assert low <= student[0] + 1e-12
    assert high >= student[1] - 1e-12


@pytest.mark.parametrize("harm", ["additive", "multiplicative"])
def test_harm_that_is_a_function_of_the_margin_has_no_effect(harm: str) -> None:
    target, margin, _, clusters = items()
    losses = np.full(len(margin), 0.5) if harm == "additive" else 0.4 * margin
    solved = design(margin, target, clusters)
    assert float(solved.effects(losses)) == pytest.approx(0, abs=1e-12)
    low, high = Studentized(solved, Resampler()).interval(losses)
    assert low < 0 < high
    assert high - low > 1e-3


def test_no_change_at_all_has_a_width() -> None:
    target, margin, _, clusters = items()
    low, high = Studentized(design(margin, target, clusters), Resampler()).interval(0 * margin)
    assert low < 0 < high


def test_a_group_of_one_item_has_no_bounds() -> None:
    margin = np.arange(20.0)
    solved = design(margin, np.arange(20) == 3, np.arange(20))
    assert Studentized(solved, Resampler()).interval(margin) == (-math.inf, math.inf)


def test_groups_without_a_common_margin_have_no_tolerance() -> None:
    margin = np.repeat([0.0, 1.0], 40)
    solved = design(margin, margin == 0, np.arange(80))
    assert solved.tolerance == 0
    assert Studentized(solved, Resampler()).interval(margin) == (-math.inf, math.inf)


def test_equal_margins_need_no_spline() -> None:
    target, _, losses, clusters = items()
    solved = design(np.zeros(len(losses)), target, clusters)
    assert solved.tolerance == pytest.approx(1)
    gap = losses[target].mean() - losses[~target].mean()
    assert float(solved.effects(losses)) == pytest.approx(gap)


def test_hundreds_of_masks_at_once_are_each_by_itself() -> None:
    target, margin, losses, _ = items(5000)
    many = losses[:, None] * np.linspace(0, 2, 400)
    solved = design(margin, target, np.arange(5000))
    together = solved.effects(many)
    for each in (0, 1, 200, 399):
        assert together[each] == pytest.approx(float(solved.effects(many[:, each])), rel=1e-10)


def test_margins_are_held_equal_by_cubics_that_meet_at_the_quartiles() -> None:
    """The same by truncated powers, a basis of the same splines."""
    target, margin, losses, _ = items()
    powers = [margin**k for k in range(4)]
    pieces = [np.maximum(margin - np.quantile(margin, q), 0) ** 3 for q in (0.25, 0.5, 0.75)]
    fit = sm.OLS(losses, np.column_stack([target, *powers, *pieces])).fit()
    solved = design(margin, target, np.arange(len(margin)))
    assert float(solved.effects(losses)) == pytest.approx(fit.params[0], rel=1e-8)
    assert float(solved.errors(losses)) == pytest.approx(fit.HC2_se[0], rel=1e-8)
    left = sm.OLS(target.astype(float), np.column_stack([*powers, *pieces])).fit()
    assert solved.tolerance == pytest.approx(1 - left.rsquared, rel=1e-8)
    assert solved.spread == pytest.approx(np.std(margin))


def test_two_margins_are_held_equal_by_a_line() -> None:
    target, _, losses, _ = items()
    margin = np.where(np.arange(200) % 4 < 1 + target, 1.0, 3.0)
    fit = sm.OLS(losses, np.column_stack([target, np.ones(200), margin])).fit()
    assert float(design(margin, target, np.arange(200)).effects(losses)) == pytest.approx(
        fit.params[0]
    )


def test_clusters_are_drawn_within_those_of_the_same_groups() -> None:
    target = np.array([True, True, False, False, True, False, True])
    clusters = np.array([0, 0, 1, 2, 2, 3, 4])
    assert design(np.arange(7.0), target, clusters).strata.tolist() == [1, 0, 2, 0, 1]
    assert design(np.arange(7.0), None, clusters).strata.tolist() == [0] * 5


def test_one_item_more_in_each_group_is_the_least_error() -> None:
    target = np.arange(12) < 4
    solved = design(np.zeros(12), target, np.arange(12))
    assert solved.one_item == pytest.approx(math.hypot(1 / 6, 1 / 10))
    assert design(np.zeros(12), None, np.arange(12)).one_item == pytest.approx(1 / 14)
    pair = design(np.zeros(12), np.arange(12) < 2, np.arange(12))
    assert pair.freedom > 0
    assert design(np.zeros(12), np.arange(12) < 1, np.arange(12)).freedom == 0
