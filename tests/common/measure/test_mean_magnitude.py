"""The statistic that takes absolute values before positions are pooled."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from common.measure.masks import units_mask
from common.measure.record import record
from common.measure.respond import respond_each
from common.measure.scores import SelectivityMap, welch
from common.measure.sites import Pooling, Site

POOLED = {"mean": np.mean, "max": np.max}


def shown() -> tuple[nn.Module, Site, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.Tanh()).double()
    target, control = torch.randn(14, 3, 5, 4).double(), torch.randn(20, 3, 5, 4).double() * 1.3
    return model, Site("0", shape=(6, 5, 4)), target, control


def found_by(pooling: Pooling) -> SelectivityMap:
    model, site, target, control = shown()
    sides = []
    for part in (target, control):
        with (
            torch.no_grad(),
            record(model, [site], pooling=pooling, statistic="mean-magnitude") as seen,
        ):
            for batch in part.split(6):
                model(batch)
        sides.append(seen.moments)
    return welch(*sides, pooling=pooling, statistic="mean-magnitude")


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_it_is_the_obvious_references(pooling: Pooling) -> None:
    model, _, target, control = shown()
    raw = [model[0](part).detach().numpy() for part in (target, control)]
    one, two = (POOLED[pooling](np.abs(part), axis=(2, 3)) for part in raw)
    found = found_by(pooling)
    wanted = stats.ttest_ind(one, two, equal_var=False)
    np.testing.assert_allclose(found.t, wanted.statistic, rtol=1e-10)
    np.testing.assert_allclose(found.p, wanted.pvalue, rtol=1e-10)
    np.testing.assert_allclose(found.mean_target, one.mean(0), rtol=1e-10)
    np.testing.assert_allclose(found.magnitude, np.concatenate([one, two]).mean(0), rtol=1e-10)
    # Ablation by the mean still puts in the mean output, with its sign.
    np.testing.assert_allclose(found.output_control, raw[1].mean((0, 2, 3)), rtol=1e-10)
    plain = np.abs(POOLED[pooling](raw[0], axis=(2, 3))).mean(0)
    assert (np.abs(found.mean_target - plain) > 1e-3).any()


def test_responses_are_in_the_units_of_its_means() -> None:
    model, _, target, _ = shown()
    found = found_by("mean")
    mask = units_mask(found, [1, 4])
    with torch.no_grad(), respond_each(model, mask, found) as passes:
        model(target)
    means = np.concatenate(passes).mean(0)
    np.testing.assert_allclose(means, found.mean_target[mask.units], rtol=1e-10)
