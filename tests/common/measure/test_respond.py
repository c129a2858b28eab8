"""Responses of single units, against a pass that is read by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from common.measure.masks import units_mask
from common.measure.record import record
from common.measure.respond import relative, respond, respond_each
from common.measure.scores import SelectivityMap, welch
from common.measure.sites import Site

SITES = (Site("0", shape=(5, 6, 6)), Site("2", shape=(4, 4, 4)))


@pytest.fixture
def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.Tanh(), nn.Conv2d(5, 4, 3)).eval()


def mapped(model: nn.Sequential, statistic: str) -> SelectivityMap:
    sides = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        with torch.no_grad(), record(model, SITES, statistic=statistic) as recorder:  # type: ignore[arg-type]
            model(torch.randn(6, 3, 8, 8))
        sides.append(recorder.moments)
    return welch(*sides, statistic=statistic)  # type: ignore[arg-type]


@pytest.mark.parametrize("statistic", ["magnitude", "signed"])
def test_each_unit_is_read_in_the_order_of_the_mask(model: nn.Sequential, statistic: str) -> None:
    found = mapped(model, statistic)
    mask = units_mask(found, [0, 3, found.n_units - 1, found.n_units - 3])
    mask = replace(mask, units=mask.units[::-1].copy())
    pictures = torch.randn(7, 3, 8, 8)
    with torch.no_grad():
        parts = (model[0](pictures), model(pictures))
        pooled = torch.cat([part.mean(dim=(2, 3)) for part in parts], dim=1).numpy()
        with respond_each(model, mask, found) as each, respond(model, mask, found) as mean:
            out = [model(part) for part in pictures.split((4, 3))]
    wanted = np.abs(pooled) if statistic == "magnitude" else pooled
    np.testing.assert_allclose(np.concatenate(each), wanted[:, mask.units], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        np.concatenate(mean), relative(np.concatenate(each), mask, found), rtol=1e-9
    )
    assert [len(part) for part in each] == [len(part) for part in out] == [4, 3]
    assert not any(module._forward_hooks for module in model.modules())


def test_a_unit_that_was_silent_counts_as_nothing(model: nn.Sequential) -> None:
    found = mapped(model, "magnitude")
    silent = replace(found, magnitude=np.where(np.arange(found.n_units) == 0, 0, found.magnitude))
    mask = units_mask(silent, [0, 1])
    answers = np.ones((2, 2))
    place = mask.units.tolist().index(1)
    assert relative(answers, mask, silent) == pytest.approx(
        [0.5 / silent.magnitude[mask.units[place]]] * 2
    )
