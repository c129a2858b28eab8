"""Welch's t where there is nothing to divide by, and where sides differ in their precision."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from common.measure.moments import DOUBLE, ROUNDING, SINGLE, Moments
from common.measure.rules import Contrast
from common.measure.scores import scored
from common.measure.sites import Site
from common.measure.welch import WELCH, joined
from common.measure.welch import tested as t_tested

SITE, OTHER = Site("a", shape=(3,)), Site("b", shape=(2,))


def normal(n: int, units: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([n, seed]).normal(1, 1, (n, units))


def test_what_separates_without_variance_is_beyond_all_others_by_its_steps_of_rounding() -> None:
    one, two = normal(7), normal(9)
    one[:, 0], two[:, 0] = 3.0, 2.0
    one[:, 2], two[:, 2] = 2.0, 2.25
    t, freedom, apart = t_tested(Moments.of(one), Moments.of(two))
    wanted = stats.ttest_ind(one[:, 1], two[:, 1], equal_var=False)
    assert apart.tolist() == [True, False, True]
    assert t[1] == pytest.approx(wanted.statistic)
    steps = ROUNDING * DOUBLE * np.array([3.0, 2.25])
    beyond = 2 * abs(wanted.statistic)
    assert t[[0, 2]] == pytest.approx([beyond + 1 / steps[0], -beyond - 0.25 / steps[1]], rel=1e-12)
    assert t[0] - 1 / steps[0] == pytest.approx(beyond, abs=0.5)  # as far as float64 can tell
    assert freedom[[0, 2]].tolist() == [14, 14]
    assert freedom[1] == pytest.approx(wanted.df)


def test_coarse_steps_leave_it_beyond_all_others() -> None:
    """In halves' precision a difference is few steps, and twice the highest t counts."""
    one, two = normal(50, 4), normal(60, 4)
    one[:, 1] += 9
    one[:, 2] -= 7
    one[:, 0], two[:, 0] = 2.0, 1.0
    sides = [replace(Moments.of(each), resolution=1e-3) for each in (one, two)]
    t = t_tested(*sides)[0]
    highest = np.abs(stats.ttest_ind(one[:, 1:], two[:, 1:], equal_var=False).statistic).max()
    assert t[0] == pytest.approx(2 * highest + 1 / (ROUNDING * 1e-3 * 2))


def test_alone_it_is_as_many_steps_of_rounding() -> None:
    t, freedom, _ = t_tested(Moments.of(np.full((2, 1), 2.0)), Moments.of(np.ones((3, 1))))
    assert t[0] == pytest.approx(1 / (ROUNDING * DOUBLE * 2), rel=1e-12)
    assert freedom.tolist() == [3]


@pytest.mark.parametrize("coarse", [0, 1])
@pytest.mark.parametrize(("away", "told"), [(0.5, False), (1.5, True)])
def test_the_coarser_side_says_what_rounding_is(coarse: int, away: float, told: bool) -> None:
    step = ROUNDING * SINGLE
    sides = [Moments.of(np.full((2, 1), 1 + away * step)), Moments.of(np.ones((3, 1)))]
    sides[coarse] = replace(sides[coarse], resolution=SINGLE)
    site = Site("a", shape=(1,))
    found = scored(Contrast({site: sides[0]}, {site: sides[1]}), WELCH)
    assert ("apart" in found.score.columns) is told
    if told:
        assert found.d_prime[0] == pytest.approx(away, rel=1e-5)


@pytest.mark.parametrize(("n_one", "n_two"), [(1, 5), (5, 1), (1, 1)])
def test_one_stimulus_has_no_variance_to_be_apart_by(n_one: int, n_two: int) -> None:
    t, freedom, apart = t_tested(Moments.of([[2.0]] * n_one), Moments.of([[1.0]] * n_two))
    assert (t[0], freedom[0], apart[0]) == (0, 0, False)
    _, _, apart = t_tested(Moments.of([[2.0]] * 2), Moments.of([[1.0]] * 2))
    assert apart.all()


def test_a_single_degree_of_freedom_has_a_p() -> None:
    one, two = np.array([[1.0], [2.0]]), np.zeros((4, 1))
    found = scored(Contrast({SITE: Moments.of(one)}, {SITE: Moments.of(two)}), WELCH)
    assert found.p[0] == pytest.approx(stats.ttest_ind(one, two, equal_var=False).pvalue[0])
    assert found.p[0] < 0.3


def test_alone_the_score_is_the_same_t() -> None:
    one, two = normal(7), normal(9)
    seen = Contrast({SITE: Moments.of(one)}, {SITE: Moments.of(two)})
    wanted = stats.ttest_ind(one, two, equal_var=False).statistic
    assert WELCH.alone(seen) == pytest.approx(wanted)


def test_sites_are_joined_with_the_coarsest_of_their_precisions() -> None:
    parts = {SITE: Moments.of(normal(5)), OTHER: Moments.of(normal(5, 2).astype(np.float32))}
    found = joined(parts)
    assert found.resolution == SINGLE
    assert found.mean.tolist() == [*parts[SITE].mean, *parts[OTHER].mean]
    assert joined({OTHER: parts[OTHER], SITE: parts[SITE]}).resolution == SINGLE


@pytest.mark.parametrize("single", [0, 1])
def test_means_of_categories_are_as_coarse_as_what_they_are_means_of(single: int) -> None:
    """Constant units whose categories differ by rounding alone are no different categories."""
    low, high = 1.0, 1.0 + 4 * SINGLE
    levels = ((low, low), (high, high))
    conditions: list[list] = [[], []]
    for side, of in enumerate(levels):
        for place, level in enumerate(of):
            moments = Moments.of(np.full((2, 1), level))
            coarse = SINGLE if place == single else DOUBLE
            conditions[side].append({SITE: replace(moments, resolution=coarse)})
    whole = [{SITE: each[0][SITE].merge(each[1][SITE])} for each in conditions]
    found = scored(Contrast(*whole, conditions=(conditions[0], conditions[1])), WELCH)
    assert (found.column("t_category")[0], found.column("p_category")[0]) == (0, 1)
