"""Streaming moments against numpy in float64."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from common.measure.moments import (
    BLOCK,
    Membership,
    Moments,
    Statistic,
    batch_rows,
    merged,
    resolution_of,
)

BATCHES = (1, 7, 64)
N, UNITS = 150, 6
# mean and spread: plain, negative, loud, tiny, tiny on an offset.
LEVELS = [(0.0, 1.0), (-3.0, 2.0), (1e4, 1e6), (0.0, 1e-120), (1e-30, 1e-31), (200.0, 0.1)]
FIELDS = ("mean", "m2", "output", "magnitude")


def activations(mean: float = 0.5, spread: float = 1.0, n: int = N) -> np.ndarray:
    return mean + spread * np.random.default_rng(3).standard_normal((n, UNITS))


def cut(values: np.ndarray, size: int) -> list[np.ndarray]:
    return [values[start : start + size] for start in range(0, len(values), size)]


def streamed(values: np.ndarray, size: int, statistic: Statistic = "signed") -> Moments:
    return merged(Moments.of(batch, statistic) for batch in cut(values, size))


@pytest.mark.parametrize("size", BATCHES)
@pytest.mark.parametrize(("mean", "spread"), LEVELS)
def test_signed_mean_and_variance_are_numpys(mean: float, spread: float, size: int) -> None:
    values = activations(mean, spread)
    got = streamed(values, size)
    assert got.count == N
    # A mean near 0 is a difference of large numbers: its error is measured against the spread.
    np.testing.assert_allclose(got.mean, values.mean(0), rtol=1e-10, atol=1e-10 * spread)
    np.testing.assert_allclose(got.variance, values.var(0, ddof=1), rtol=1e-10)


@pytest.mark.parametrize("size", BATCHES)
def test_magnitude_mean_and_variance_are_those_of_absolute_values(size: int) -> None:
    values = activations(-0.3)
    got = streamed(values, size, "magnitude")
    np.testing.assert_allclose(got.mean, np.abs(values).mean(0), rtol=1e-10)
    np.testing.assert_allclose(got.variance, np.abs(values).var(0, ddof=1), rtol=1e-10)


def test_one_batch_keeps_a_small_spread_on_a_huge_offset() -> None:
    values = activations(1e6, 1e-2)
    np.testing.assert_allclose(Moments.of(values).variance, values.var(0, ddof=1), rtol=1e-10)


@pytest.mark.parametrize("size", BATCHES)
def test_merging_keeps_a_small_spread_on_a_huge_offset_to_what_float64_can_hold(size: int) -> None:
    # Chan's bound is the condition number, mean / sd = 1e8, times the rounding of the mean.
    values = activations(1e6, 1e-2)
    got = streamed(values, size)
    np.testing.assert_allclose(got.mean, values.mean(0), rtol=1e-14)
    np.testing.assert_allclose(got.variance, values.var(0, ddof=1), rtol=1e-7)


@pytest.mark.parametrize("size", BATCHES)
@pytest.mark.parametrize("level", [0.0, 0.1, -1e6 / 3, 1e-30 / 3, np.pi * 1e8])
def test_a_constant_unit_has_no_variance_at_all(level: float, size: int) -> None:
    values = np.full((1000, 3), level)
    assert (streamed(values, size).variance == 0).all()
    assert (streamed(values, size, "magnitude").variance == 0).all()


def test_a_barely_varying_unit_has_variance() -> None:
    values = np.array([[1.0], [1.0 + 1e-12], [1.0 - 1e-12]])
    assert Moments.of(values).variance[0] == pytest.approx(1e-24, rel=1e-3)


@pytest.mark.parametrize("statistic", ["signed", "magnitude"])
@pytest.mark.parametrize("size", BATCHES)
def test_output_keeps_its_sign_and_magnitude_does_not(size: int, statistic: Statistic) -> None:
    values = activations(-0.2)
    got = streamed(values, size, statistic)
    np.testing.assert_allclose(got.output, values.mean(0), rtol=1e-10)
    np.testing.assert_allclose(got.magnitude, np.abs(values).mean(0), rtol=1e-10)


def test_output_row_is_taken_from_the_output_where_that_is_given() -> None:
    pooled, output = torch.full((4, 2), -5.0), torch.arange(8.0).reshape(4, 2)
    rows = batch_rows(pooled, "signed", Membership([0] * 4), output)
    assert rows.dtype == torch.float64
    assert rows[0].tolist() == [[-5, -5], [0, 0], [3, 4], [5, 5]]


def test_rows_are_float64_from_half_precision() -> None:
    half = torch.tensor([[60000.0], [60000.0], [59000.0]], dtype=torch.float16)
    mean, m2, _, magnitude = batch_rows(half, "signed", Membership([0] * 3))[0, :, 0].tolist()
    exact = half.double().numpy()
    assert [mean, magnitude] == pytest.approx([exact.mean()] * 2, rel=1e-14)
    assert m2 == pytest.approx(exact.var() * 3, rel=1e-12)


@pytest.mark.parametrize("statistic", ["signed", "magnitude"])
def test_groups_of_one_batch_are_reduced_apart(statistic: Statistic) -> None:
    values, groups = activations(1e3, 0.5, n=40), np.arange(40) * 7 % 3 + 4
    values[groups == 5] += 1e6
    members = Membership(groups)
    assert (members.numbers, members.counts) == ([4, 5, 6], np.bincount(groups)[4:].tolist())
    rows = batch_rows(torch.as_tensor(values), statistic, members).numpy()
    for number, got in zip(members.numbers, rows, strict=True):
        one = values[groups == number]
        np.testing.assert_allclose(got[1], one.var(0) * len(one), rtol=1e-9)
        for row in (got[0], *got[2:]):
            np.testing.assert_allclose(row, one.mean(0), rtol=1e-14)


@pytest.mark.parametrize("statistic", ["signed", "magnitude"])
def test_a_batch_wider_than_a_block_is_reduced_whole(statistic: Statistic) -> None:
    n = 3
    values = np.random.default_rng(0).standard_normal((n, 2 * (BLOCK // n) + 5))
    got = Moments.of(values, statistic)
    shown = np.abs(values) if statistic == "magnitude" else values
    np.testing.assert_allclose(got.mean, shown.mean(0), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(got.m2, shown.var(0) * n, rtol=1e-10)
    np.testing.assert_allclose(got.output, values.mean(0), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(got.magnitude, np.abs(values).mean(0), rtol=1e-10)


def test_an_outlier_in_the_first_place_costs_no_digits() -> None:
    values = activations(0.0, 1.0, n=1000)
    values[0] = 1e8
    np.testing.assert_allclose(Moments.of(values).variance, values.var(0, ddof=1), rtol=1e-10)


@pytest.mark.parametrize("statistic", ["signed", "magnitude"])
def test_merging_is_associative_and_commutative_up_to_rounding(statistic: Statistic) -> None:
    a, b, c = (Moments.of(part, statistic) for part in np.split(activations(40.0), [10, 60]))
    left, right, turned = a.merge(b).merge(c), a.merge(b.merge(c)), c.merge(a).merge(b)
    for name in FIELDS:
        np.testing.assert_allclose(getattr(left, name), getattr(right, name), rtol=1e-12)
        np.testing.assert_allclose(getattr(left, name), getattr(turned, name), rtol=1e-12)
    assert left.count == right.count == turned.count == N


def test_order_and_batch_size_do_not_matter_beyond_rounding() -> None:
    values = activations(7.0)
    shuffled = np.random.default_rng(1).permutation(values)
    every = [streamed(v, size) for v in (values, shuffled) for size in BATCHES]
    for one, two in pairwise(every):
        for name in FIELDS:
            np.testing.assert_allclose(getattr(one, name), getattr(two, name), rtol=1e-11)


def test_merging_with_nothing_changes_nothing() -> None:
    some = Moments.of(activations())
    nothing = Moments(0, *(np.zeros(UNITS) for _ in FIELDS))
    assert some.merge(nothing) is some
    assert nothing.merge(some) is some


def test_merging_leaves_its_parts_alone() -> None:
    one, two = Moments.of(activations(1.0)), Moments.of(activations(2.0))
    before = one.mean.copy(), two.m2.copy()
    one.merge(two)
    np.testing.assert_array_equal(one.mean, before[0])
    np.testing.assert_array_equal(two.m2, before[1])


def test_one_stimulus_has_no_variance() -> None:
    assert (Moments.of(activations(n=1)).variance == 0).all()


def test_two_stimuli_have_a_variance() -> None:
    assert Moments.of([[1.0], [3.0]]).variance.tolist() == [2.0]


def test_of_texts_the_first_token_is_averaged_and_the_peak_is_the_largest() -> None:
    rng = np.random.default_rng(0)
    pooled, first, peak = (torch.as_tensor(rng.normal(size=(7, 3))) for _ in range(3))
    groups = np.array([4, 2, 4, 4, 2, 2, 4])
    rows = batch_rows(pooled, "signed", Membership(groups), None, first, peak)
    assert rows.shape == (2, 6, 3)
    for number, got in zip((2, 4), rows, strict=True):
        own = groups == number
        np.testing.assert_allclose(got[0], pooled[own].mean(0))
        np.testing.assert_allclose(got[4], first[own].mean(0))
        np.testing.assert_array_equal(got[5], peak[own].amax(0))


def of_texts(n: int, resolution: float, *rows: str) -> Moments:
    rng = np.random.default_rng(n)
    more = {name: rng.normal(size=2) for name in rows}
    return replace(Moments.of(rng.normal(size=(n, 2))), resolution=resolution, **more)


def test_what_texts_have_is_merged_too() -> None:
    one, two = of_texts(3, 1e-7, "first", "peak"), of_texts(9, 1e-16, "first", "peak")
    for a, b in ((one, two), (two, one)):
        both = a.merge(b)
        np.testing.assert_allclose(both.first, one.first / 4 + two.first * 3 / 4)
        np.testing.assert_array_equal(both.peak, np.maximum(one.peak, two.peak))
        assert both.resolution == 1e-7
        some = both.between(1, 2)
        assert (some.first, some.peak, some.resolution) == (both.first[1], both.peak[1], 1e-7)
        assert (some.mean, some.count) == (both.mean[1], 12)


@pytest.mark.parametrize("there", ["first", "peak"])
def test_what_one_side_was_not_asked_for_both_do_not_have(there: str) -> None:
    one, two = of_texts(3, 1e-7, "first", "peak"), of_texts(9, 1e-7, there)
    gone = {"first", "peak"} - {there}
    for both in (one.merge(two), two.merge(one)):
        assert getattr(both, there) is not None
        assert all(getattr(both, name) is None for name in gone)


def test_whole_numbers_have_the_steps_of_doubles_and_halves_those_of_singles() -> None:
    doubles, singles = (float(np.finfo(kind).eps) for kind in (np.float64, np.float32))
    for kind, step in (
        (torch.int64, doubles), (torch.float64, doubles), (torch.float32, singles),
        (torch.float16, singles), (torch.bfloat16, singles),
    ):  # fmt: skip
        assert resolution_of(kind) == step
        assert Moments.of(torch.ones((3, 1), dtype=kind)).resolution == step
