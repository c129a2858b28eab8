"""Plain networks that somebody wrote by hand: their blocks are found, or the message helps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from common.base.errors import SiteError
from common.measure.survey import Survey


class Residual(nn.Module):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.a, self.b = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return relu(x + self.b(relu(self.a(x))))


class Layer(nn.Module):
    """A plain chain: no residual sum, one weight matrix, a nonlinearity that is no module."""

    def __init__(self, taken: int = 4, given: int = 4) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(taken, given, 3, padding=1), nn.BatchNorm2d(given)

    def forward(self, x: Tensor) -> Tensor:
        return relu(self.norm(self.conv(x)))


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.fc = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(relu(self.conv2(relu(self.conv1(x)))).mean((2, 3)))


class Again(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.cell(self.cell(x))


def inside(*blocks: nn.Module) -> nn.Module:
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(*blocks), *head)


@pytest.mark.parametrize(
    ("model", "paths"),
    [
        (nn.Sequential(*(Residual(3) for _ in range(3))), ["0", "1", "2"]),
        (inside(Residual(), Residual(), Residual()), ["1.0", "1.1", "1.2"]),
        (inside(Layer(), nn.MaxPool2d(2), Layer()), ["1.0", "1.2"]),
        (nn.Sequential(Layer(3), nn.Sequential(Layer(), Layer())), ["0", "1.0", "1.1"]),
    ],
)  # fmt: skip
def test_blocks_of_plain_networks_are_found(model: nn.Module, paths: list[str]) -> None:
    found = Survey(model, torch.zeros(1, 3, 8, 8)).of_kind("block")
    assert [site.module for site in found] == paths


@pytest.mark.parametrize(
    ("model", "shape", "said"),
    [
        (Functional(), (1, 3, 8, 8), "write `kind` op, or name modules by `sites`, as in conv1,co"),
        (
            Again(),
            (1, 3),
            r"nor any hidden layer \(cell fires 2 times .* set `each_step`",
        ),
        (nn.Linear(3, 2), (1, 3), "nor any hidden layer$"),
    ],
)
def test_where_there_are_none_the_message_says_what_to_write(
    model: nn.Module, shape: tuple[int, ...], said: str
) -> None:
    survey = Survey(model, torch.zeros(shape))
    with pytest.raises(SiteError, match=said):
        survey.of_kind("block")
    if isinstance(model, Functional):
        assert [site.module for site in survey.matching("conv1,conv2")] == ["conv1", "conv2"]
