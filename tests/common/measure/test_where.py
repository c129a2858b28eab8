"""Where units answer, against loops over positions that anybody can read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from common.measure.masks import Mask, units_mask
from common.measure.moments import Moments
from common.measure.scores import SelectivityMap, welch
from common.measure.sites import EACH_TOKEN, Site
from common.measure.where import Where, answers_by_place, brought, grid_of

SIZE = (8, 8)
CONV, TOKENS, POOLED = (
    Site("conv", shape=(5, 4, 4)),
    Site("tokens", axis=2, shape=(17, 6)),
    Site("pooled", shape=(3,)),
)


class Net(nn.Module):
    """A feature map, then tokens behind a class token, then one number a channel."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 2, stride=2)
        self.tokens, self.pooled = nn.Linear(5, 6), nn.Linear(6, 3)

    def forward(self, pictures: Tensor) -> Tensor:
        patches = self.conv(pictures).flatten(2).transpose(1, 2)
        first = torch.ones(len(pictures), 1, 5)
        out: Tensor = self.pooled(self.tokens(torch.cat([first, patches], dim=1))[:, 0])
        return out


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return Net().eval()


def mapped(unit: str = "channel") -> SelectivityMap:
    rng = np.random.default_rng(1)
    sides = [
        {
            site: Moments.of(rng.normal(0.2, 1, (6, site.n_units(unit))), "magnitude")  # type: ignore[arg-type]
            for site in (CONV, TOKENS, POOLED)
        }
        for _ in range(2)
    ]
    return welch(*sides, unit=unit, pooling="none" if unit == "neuron" else "mean")  # type: ignore[arg-type]


def read(model: nn.Module, mask: Mask, found: SelectivityMap, picture: Tensor) -> Where:
    with torch.no_grad(), answers_by_place(model, mask, found, SIZE) as passes:
        model(picture)
    (where,) = passes
    assert not any(module._forward_hooks for module in model.modules())
    return where


@pytest.mark.parametrize("unit", ["channel", "neuron"])
def test_each_place_is_the_mean_of_the_units_there(model: nn.Module, unit: str) -> None:
    found = mapped(unit)
    rng = np.random.default_rng(2)
    chosen = rng.choice(found.n_units, found.n_units // 3, replace=False)
    mask = units_mask(found, [*chosen, found.n_units - 1])
    picture = torch.randn(1, 3, 8, 8)
    where = read(model, mask, found, picture)
    with torch.no_grad():
        conv = model.conv(picture)[0].numpy()  # type: ignore[operator]
        rows = np.concatenate([np.ones((1, 5), np.float32), conv.reshape(5, 16).T])
        tokens = model.tokens(torch.tensor(rows)).detach().numpy()  # type: ignore[operator]
    assert where.nowhere == (POOLED,)
    for site, values in ((CONV, conv), (TOKENS, tokens[1:].T.reshape(6, 4, 4))):
        inside = mask.at(site).reshape(site.unit_shape(unit))  # type: ignore[arg-type]
        loud = found.at(site, "magnitude")
        for row in range(4):
            for column in range(4):
                told = []
                for channel in range(len(values)):
                    own: tuple[int, ...] = (channel,)
                    if unit == "neuron":
                        token = 1 + 4 * row + column
                        own = (channel, row, column) if site is CONV else (token, channel)
                    if inside[own]:
                        told.append(abs(values[channel, row, column]) / loud[own])
                wanted = np.mean(told) if told else 0.0
                assert where.maps[site][row, column] == pytest.approx(wanted, rel=1e-5)
    counts = {site: int(mask.at(site).sum()) for site in (CONV, TOKENS)}
    assert where.counts == counts
    whole = where.whole(SIZE)
    for row, column in ((0, 0), (3, 6), (7, 7)):
        mean = sum(n * where.maps[site][row // 2, column // 2] for site, n in counts.items())
        assert whole[row, column] == pytest.approx(mean / sum(counts.values()))


def test_a_silent_unit_answers_nowhere_and_heads_by_their_root_mean_square(
    model: nn.Module,
) -> None:
    found = mapped()
    loud = found.magnitude.copy()
    loud[1] = 0
    found = replace(found, magnitude=loud)
    picture = torch.randn(1, 3, 8, 8)
    assert (read(model, units_mask(found, [1]), found, picture).maps[CONV] == 0).all()
    heads = replace(TOKENS, kind="head", width=3)
    moments = {heads: Moments.of(np.random.default_rng(0).normal(1, 0.1, (4, 2)), "magnitude")}
    found = welch(moments, moments)
    where = read(model, units_mask(found, [1]), found, picture)
    with torch.no_grad():
        patches = model.conv(picture)[0].flatten(1).T  # type: ignore[operator]
        values = model.tokens(patches)[:, 3:].numpy()  # type: ignore[operator]
    wanted = np.sqrt((values**2).mean(axis=1)).reshape(4, 4) / found.magnitude[1]
    np.testing.assert_allclose(where.maps[heads], wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("site", "size", "beside", "grid"),
    [
        (Site("a", shape=(8, 7, 7)), (224, 224), None, (7, 7)),
        (Site("a", axis=3, shape=(14, 10, 8)), (224, 160), None, (14, 10)),
        (Site("a", axis=2, shape=(197, 8)), (224, 224), None, (14, 14)),
        (Site("a", axis=2, shape=(201, 8)), (224, 224), 5, (14, 14)),
        (Site("a", axis=2, shape=(201, 8)), (224, 224), None, (14, 14)),
        (Site("a", axis=2, shape=(196, 8)), (224, 224), None, (14, 14)),
        (Site("a", axis=2, shape=(33, 8)), (256, 128), None, (8, 4)),
        (Site("a", axis=2, shape=(197, 8)), (224, 224), 3, None),
        (Site("a", axis=2, shape=(60, 8)), (224, 224), None, None),
        (Site("a", shape=(8,)), (224, 224), None, None),
        (Site("a", shape=(8, 2, 2, 2)), (224, 224), None, None),
        (Site("a", axis=2, shape=(49, 8), fold=16), (224, 224), None, None),
        (Site("a", axis=2, shape=(49, 8), fold=EACH_TOKEN), (224, 224), None, None),
    ],
)
def test_positions_lie_over_the_picture_or_nowhere(
    site: Site, size: tuple[int, int], beside: int | None, grid: tuple[int, int] | None
) -> None:
    assert grid_of(site, size, beside) == grid


def test_a_cell_is_as_large_as_it_comes() -> None:
    values = np.arange(6.0).reshape(2, 3)
    larger = brought(values, (5, 9))
    for row in range(5):
        for column in range(9):
            assert larger[row, column] == values[row * 2 // 5, column * 3 // 9]
