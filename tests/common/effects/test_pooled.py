"""The mean over models, held against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects

from common.effects.pooled import pooled

Z = float(stats.norm.ppf(0.975))


@pytest.mark.parametrize("seed", range(20))
def test_it_is_that_of_statsmodels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 9))
    error = rng.uniform(0.02, 0.4, n)
    effect = rng.normal(0.3, rng.choice([0.0, 0.3]), n) + rng.normal(0, error)
    found = pooled(effect, [*zip(effect - Z * error, effect + Z * error, strict=True)])
    assert found is not None
    with np.errstate(invalid="ignore"):  # of variances that are below 0 there
        theirs = combine_effects(effect, error**2, method_re="dl")
    apart = theirs.tau2 > 0  # theirs may be negative, and ours is no variance then
    mean = theirs.mean_effect_re if apart else theirs.mean_effect_fe
    assert found.effect == pytest.approx(mean, rel=1e-10)
    assert found.between**2 == pytest.approx(max(0.0, theirs.tau2), rel=1e-9)
    assert found.share == pytest.approx(max(0.0, theirs.i2 if apart else 0.0), rel=1e-9)
    half = (found.ci[1] - found.ci[0]) / 2
    if apart and theirs.scale_hksj_re >= 1:
        low, high = theirs.conf_int(use_t=True)[3]
        assert half == pytest.approx((high - low) / 2, rel=1e-10)
    else:
        weight = 1 / (error**2 + found.between**2)
        assert half == pytest.approx(stats.t.ppf(0.975, n - 1) / weight.sum() ** 0.5, rel=1e-10)
    assert found.n == n


@pytest.mark.parametrize(
    ("effects", "intervals"),
    [
        ([0.1], [(0.0, 0.2)]),
        ([], []),
        ([0.1, 0.2], [(0.0, 0.2), (0.2, 0.2)]),
        ([0.1, 0.2], [(0.0, 0.2), (-np.inf, 0.4)]),
    ],
)
def test_what_cannot_be_pooled(effects: list[float], intervals: list[tuple[float, float]]) -> None:
    assert pooled(effects, intervals) is None


def test_its_interval_holds_the_mean_as_often_as_it_says() -> None:
    rng, held = np.random.default_rng(1), 0
    for _ in range(1000):
        error = rng.uniform(0.1, 0.3, 5)
        effect = 0.5 + rng.normal(0, 0.2, 5) + rng.normal(0, error)
        found = pooled(effect, [*zip(effect - Z * error, effect + Z * error, strict=True)])
        assert found is not None
        held += found.ci[0] <= 0.5 <= found.ci[1]
    assert held / 1000 >= 0.94


def test_models_that_agree_to_the_last_digit_share_no_variance() -> None:
    found = pooled([0.3, 0.3, 0.3], [(0.2, 0.4), (0.1, 0.5), (0.0, 0.6)])
    assert found is not None
    assert (found.between, found.share) == (0, 0)
    assert found.effect == pytest.approx(0.3, rel=1e-14)


def test_variances_may_be_of_any_size() -> None:
    effects, intervals = [3e-4, 5e-4, 9e-4], [(2e-4, 4e-4), (4e-4, 6e-4), (7e-4, 11e-4)]
    small = pooled(effects, intervals)
    large = pooled([1e4 * each for each in effects], [(1e4 * a, 1e4 * b) for a, b in intervals])
    assert small is not None
    assert large is not None
    assert large.share == pytest.approx(small.share)
    assert large.between == pytest.approx(1e4 * small.between)
