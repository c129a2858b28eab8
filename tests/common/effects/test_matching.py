"""Pairs of equal intact margin."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from common.base.errors import DataError
from common.effects.items import Items
from common.effects.matching import CALIPER, UNMATCHED, matched, matched_items


def drawn(n_target: int, n_other: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    margins = np.r_[rng.normal(shift, 1, n_target), rng.normal(0, 1, n_other)]
    return margins, np.arange(n_target + n_other) < n_target


def test_a_pair_is_one_of_each_group_and_nobody_is_in_two() -> None:
    margins, is_target = drawn(40, 300, 1.0)
    pairs = matched(margins, is_target)
    assert is_target[pairs[:, 0]].all()
    assert not is_target[pairs[:, 1]].any()
    assert len(np.unique(pairs)) == pairs.size
    assert (np.diff(pairs[:, 0]) > 0).all()
    apart = np.abs(margins[pairs[:, 0]] - margins[pairs[:, 1]])
    pooled = np.sqrt((margins[is_target].var() + margins[~is_target].var()) / 2)
    assert apart.max() <= CALIPER * pooled


def test_the_groups_start_alike_where_they_did_not() -> None:
    margins, is_target = drawn(222, 2468, -1.0)
    pairs = matched(margins, is_target)
    assert len(pairs) >= 215
    assert margins[is_target].mean() - margins[~is_target].mean() < -0.9
    assert abs((margins[pairs[:, 0]] - margins[pairs[:, 1]]).mean()) < 0.01


def test_it_is_as_good_as_the_best_assignment_where_partners_are_many() -> None:
    margins, is_target = drawn(50, 1000)
    pairs = matched(margins, is_target, caliper=10)
    assert len(pairs) == 50
    cost = np.abs(margins[is_target][:, None] - margins[~is_target][None])
    best = cost[linear_sum_assignment(cost)].mean()
    assert np.abs(margins[pairs[:, 0]] - margins[pairs[:, 1]]).mean() <= best + 0.01


def test_the_larger_group_may_be_the_target() -> None:
    margins, is_target = drawn(30, 200)
    pairs, swapped = matched(margins, is_target), matched(margins, ~is_target)
    assert sorted(map(tuple, swapped[:, ::-1])) == sorted(map(tuple, pairs))


def test_the_seed_decides_who_chooses_first() -> None:
    margins, is_target = drawn(100, 110)
    again, other = matched(margins, is_target), matched(margins, is_target, seed=1)
    assert (matched(margins, is_target) == again).all()
    assert again.shape != other.shape or (again != other).any()


@pytest.mark.parametrize(("n_target", "n_other"), [(0, 5), (5, 0)])
def test_an_empty_group_has_no_pairs(n_target: int, n_other: int) -> None:
    assert matched(*drawn(n_target, n_other)).shape == (0, 2)


def test_items_without_a_partner_leave_both_groups() -> None:
    groups = np.array(["face", "car", "face", "car", "neither"])
    items = Items(list("abcde"), groups, "face", "car")
    found, told = matched_items(items, np.array([1.0, 1.01, 9.0, -4.0, 9.0]), 0)
    assert found.groups.tolist() == ["face", "car", UNMATCHED, UNMATCHED, "neither"]
    assert found.names == items.names
    assert (told.n_pairs, told.n_left_out) == (1, 2)
    assert told.gap == pytest.approx((5.0 + 1.495, -0.01))


def test_groups_that_nowhere_meet_are_an_error() -> None:
    items = Items(list("abcd"), np.array(["face", "face", "car", "car"]), "face", "car")
    with pytest.raises(DataError, match="no item of face has a partner of car"):
        matched_items(items, np.array([1.0, 1.1, 9.0, 9.1]), 0)


def test_one_group_has_no_pairs() -> None:
    with pytest.raises(DataError, match="face is compared with no other group"):
        matched_items(Items(list("ab"), np.array(["face", "face"]), "face"), np.ones(2), 0)


@pytest.mark.parametrize("wide", [1.5, 0.5])  # sd within the first group; of the other it is 1
@pytest.mark.parametrize(("away", "paired"), [(0.199, 1), (0.201, 0)])
def test_a_pair_is_at_most_a_fifth_of_the_pooled_deviation_apart(
    wide: float, away: float, paired: int
) -> None:
    pooled = math.sqrt((wide**2 + 1) / 2)
    target = 100 + wide * np.array([-1.0, 1.0])
    other = np.array([-1.0, 1.0])
    margins = np.r_[target, other + target[1] + away * pooled - 1]
    pairs = matched(margins, np.array([True, True, False, False]))
    assert len(pairs) == paired
    assert not paired or pairs.tolist() == [[1, 3]]


def test_the_nearest_that_is_free_is_taken_and_of_two_as_near_the_lower() -> None:
    margins = np.array([0.0, -1.0, 2.0, 5.0, 0.5, -0.5, 9.0])
    is_target = np.arange(7) == 0
    for free, nearest in ((range(1, 7), 5), ((1, 2), 1), ((2, 3), 2), ((3, 6), 3)):
        some = np.array([0, *free])
        pairs = matched(margins[some], is_target[some], caliper=100)
        assert some[pairs].tolist() == [[0, nearest]]
    assert matched(np.array([-3.0, 4.0, -5.0]), is_target[:3], caliper=100).tolist() == [[0, 2]]


def test_the_first_of_the_smaller_group_is_as_good_as_any() -> None:
    margins, is_target = drawn(30, 30)
    pairs = matched(margins, is_target, caliper=100)
    assert sorted(pairs[:, 0].tolist()) == [*range(30)]
    assert sorted(pairs[:, 1].tolist()) == [*range(30, 60)]


def test_gaps_are_means_over_pairs() -> None:
    groups = np.array(["face", "face", "face", "car", "car", "car"])
    items = Items(list("abcdef"), groups, "face", "car")
    margins = np.array([1.0, 5.0, 9.0, 1.2, 5.4, -30.0])
    _, told = matched_items(items, margins, 0)
    assert (told.n_pairs, told.n_left_out, told.caliper) == (2, 2, 0.2)
    assert told.gap == pytest.approx((5.0 - (1.2 + 5.4 - 30) / 3, -0.3))
