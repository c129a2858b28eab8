"""The mean over models, held against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects

from common.effects.pooled import Z, pooled


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
