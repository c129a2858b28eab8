"""The bootstrap, against what is known of a resample's mean, and against numpy."""

from __future__ import annotations

import numpy as np
import pytest

from common.effects import resample
from common.effects.resample import FEW, Resampler, percentile

DRAWS = 4000
REPEATED = np.repeat([-1.0, 0.0, 1.0], [7, 30, 13])
APART = np.random.default_rng(0).exponential(size=FEW + 1)
EDGE = np.arange(float(FEW))  # as many values as are still drawn as counts


@pytest.mark.parametrize("values", [REPEATED, APART, EDGE])
def test_means_scatter_as_the_mean_of_so_many_items(values: np.ndarray) -> None:
    found = Resampler(3, DRAWS).means(values)
    error = values.std() / np.sqrt(len(values))
    assert found.shape == (DRAWS,)
    assert found.mean() == pytest.approx(values.mean(), abs=4 * error / np.sqrt(DRAWS))
    assert found.std() == pytest.approx(error, rel=0.05)


def test_a_resample_has_as_many_items_of_those_that_there_are() -> None:
    sums = Resampler(0, 50).means(REPEATED) * len(REPEATED)
    assert sums == pytest.approx(np.round(sums), abs=1e-9)
    assert Resampler(0, 50).means(np.array([4.0])).tolist() == [4.0] * 50
    drawn = Resampler(0, 50).means(APART)
    assert (drawn > APART.min()).all()
    assert (drawn < APART.max()).all()


def test_values_that_hardly_repeat_are_picked_one_by_one() -> None:
    picked = np.random.default_rng(5).integers(0, len(APART), (20, len(APART)))
    assert Resampler(5, 20).means(APART) == pytest.approx(APART[picked].mean(axis=1), rel=1e-12)


@pytest.mark.parametrize("held", [1, 2 * len(APART), 7 * len(APART)])
def test_what_is_held_at_once_does_not_count(held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Resampler(5, 20).means(APART)
    monkeypatch.setattr(resample, "CELLS", held)
    rows = max(1, held // len(APART))
    blocks = Resampler(5, 20)._rows(len(APART))
    assert blocks == [rows] * (20 // rows) + [20 % rows] * (20 % rows > 0)
    assert Resampler(5, 20).means(APART).tolist() == whole.tolist()


def test_the_seed_decides_and_what_came_before_does_not() -> None:
    one = Resampler(1, 30)
    first = one.means(APART)
    assert one.means(REPEATED).tolist() == Resampler(1, 30).means(REPEATED).tolist()
    assert one.means(APART).tolist() == first.tolist()
    assert Resampler(2, 30).means(APART).tolist() != first.tolist()


def test_clusters_are_drawn_within_their_stratum() -> None:
    strata = np.array([0, 1, 0, 2, 1, 0, 0])
    counts = Resampler(0, DRAWS).counts(strata)
    assert counts.shape == (DRAWS, 7)
    for stratum, n in ((0, 4), (1, 2), (2, 1)):
        own = counts[:, strata == stratum]
        assert (own.sum(axis=1) == n).all()
        assert own.mean(axis=0) == pytest.approx(np.ones(n), abs=0.06)
        assert own.var(axis=0) == pytest.approx(np.full(n, 1 - 1 / n), abs=0.06)
    assert np.corrcoef(counts[:, 0], counts[:, 1])[0, 1] == pytest.approx(0, abs=0.06)


@pytest.mark.parametrize("seed", range(8))
def test_a_cluster_that_no_resample_has_counts_as_none(seed: int) -> None:
    counts = Resampler(seed, 2).counts(np.zeros(3, int))
    assert counts.shape == (2, 3)
    assert (counts.sum(axis=1) == 3).all()


def test_percentiles_leave_as_much_on_either_side() -> None:
    values = np.arange(1001) / 1000
    assert percentile(values) == pytest.approx((0.025, 0.975))
    assert percentile(values, 0.8) == pytest.approx((0.1, 0.9))
