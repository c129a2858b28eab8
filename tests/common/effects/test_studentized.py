"""The interval and the one-sided p of an adjusted effect, each of their parts by itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from common.effects.margins import Design, design
from common.effects.resample import Resampler
from common.effects.studentized import Studentized, one_sided

RNG = np.random.default_rng(0)
SKEWED = RNG.exponential(size=60) ** 2
MARGIN, TARGET = RNG.normal(size=60), np.arange(60) < 20


def mean_of(n: int) -> Design:
    return design(np.zeros(n), None, np.arange(n))


@pytest.mark.parametrize("level", [0.95, 0.8])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("of", [mean_of(60), design(MARGIN, TARGET, np.arange(60))])
def test_it_is_the_wider_of_the_bootstrap_and_students_on_either_side(
    of: Design, sign: int, level: float
) -> None:
    losses = sign * SKEWED
    known = Studentized(of, Resampler(2, 999))
    ratios, plain = known.ratios(losses)
    effect, error = float(of.effects(losses)), float(of.errors(losses))
    ranked = np.sort(ratios)
    tail = (1 - level) / 2
    low, high = (np.interp(share * 998, np.arange(999), ranked) for share in (tail, 1 - tail))
    half = stats.t.ppf(1 - tail, of.freedom) * error
    assert (high * plain > half) != (-low * plain > half)  # each of the two is wider on one side
    wanted = effect - max(high * plain, half), effect + max(-low * plain, half)
    assert known.interval(losses, level) == pytest.approx(wanted, rel=1e-10)


def test_the_unit_of_the_margin_does_not_matter() -> None:
    known = Studentized(design(MARGIN, TARGET, np.arange(60)), Resampler(2, 999))
    low, high = known.interval(SKEWED * 2.0**-60)
    assert (low * 2.0**60, high * 2.0**60) == pytest.approx(known.interval(SKEWED), rel=1e-10)


def test_the_interval_of_a_skewed_mean_covers_it_more_often_than_students() -> None:
    rng, held = np.random.default_rng(3), np.zeros(2)
    of = mean_of(20)
    for seed in range(400):
        losses = rng.lognormal(0, 1, 20)
        ends = Studentized(of, Resampler(seed, 199)).interval(losses)
        student = stats.t.interval(0.95, 19, losses.mean(), stats.sem(losses))
        held += [low <= math.exp(0.5) <= high for low, high in (ends, student)]
    assert held[0] / 400 > 0.9
    assert held[0] > held[1]


@pytest.mark.parametrize(
    ("margin", "loss", "off"),
    [
        (MARGIN, 0.25, 0.25), (MARGIN, -3e6, 3e6), (MARGIN, 0.0, MARGIN.std()),
        (np.full(60, 2.0), 0.0, 1.0),
    ],
)  # fmt: skip
def test_losses_that_are_all_alike_have_the_width_of_one_more_item_in_each_group(
    margin: np.ndarray, loss: float, off: float
) -> None:
    of, losses = design(margin, TARGET, np.arange(60)), np.full(60, loss)
    assert of.one_item == pytest.approx(math.hypot(1 / 22, 1 / 42))
    low, high = Studentized(of, Resampler()).interval(losses)
    half = stats.t.ppf(0.975, of.freedom) * of.one_item * off
    assert high - low == pytest.approx(2 * half)
    assert (low + high) / 2 == pytest.approx(0, abs=1e-8 * off)


def test_one_group_that_is_all_alike_is_one_more_item_off() -> None:
    of = mean_of(8)
    assert of.tolerance == 1.0
    assert of.one_item == pytest.approx(1 / 10)
    half = stats.t.ppf(0.975, 7) / 10 * 4
    ends = Studentized(of, Resampler()).interval(np.full(8, 4.0))
    assert ends == pytest.approx((4 - half, 4 + half))


def test_losses_of_at_most_1_are_no_other_case() -> None:
    losses = SKEWED / SKEWED.max()
    ends, larger = (
        Studentized(mean_of(60), Resampler()).interval(k * losses) for k in (1, 1.5)
    )  # fmt: skip
    assert np.array(larger) == pytest.approx(1.5 * np.array(ends))


def test_two_items_have_one_degree_of_freedom_and_an_interval() -> None:
    """Whatever rounding makes of the one."""
    of, losses = mean_of(2), np.array([1.0, 2.0])
    assert of.freedom == pytest.approx(1)
    low, high = Studentized(of, Resampler(0, 99)).interval(losses)
    assert math.isfinite(low)
    assert high - low > 0.99 * np.diff(stats.t.interval(0.95, 1, 1.5, stats.sem(losses)))[0]
    wanted = stats.ttest_1samp(losses, 0, alternative="greater").pvalue
    assert one_sided(of, losses) == pytest.approx(wanted)


@pytest.mark.parametrize("losses", [SKEWED - 0.3, -SKEWED, np.r_[0.0, SKEWED[1:]]])
def test_one_sided_p_is_that_of_a_t_test(losses: np.ndarray) -> None:
    wanted = stats.ttest_1samp(losses, 0, alternative="greater").pvalue
    assert one_sided(mean_of(60), losses) == pytest.approx(wanted, rel=1e-10)


@pytest.mark.parametrize("loss", [1e6 / 3, 0.1, 1e-7 / 3])
def test_p_of_losses_that_are_all_alike_is_that_of_one_more_item(loss: float) -> None:
    of = mean_of(8)
    assert one_sided(of, np.full(8, loss)) == pytest.approx(stats.t.sf(10, 7))
    assert one_sided(of, np.full(8, -loss)) == pytest.approx(stats.t.sf(-10, 7))


def test_where_nothing_is_lost_or_can_be_said_p_is_1() -> None:
    assert one_sided(mean_of(8), np.zeros(8)) == 1.0
    alone = design(np.arange(20.0), np.arange(20) == 3, np.arange(20))
    assert one_sided(alone, np.arange(20.0)) == 1.0
