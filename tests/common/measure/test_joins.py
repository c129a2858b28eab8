"""Stages that do an operation before their blocks are no blocks; whoever joins something is one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from common.measure.joins import joining
from common.measure.modes import Joins
from common.measure.survey import Survey

PICTURE = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Block(nn.Module):
    def __init__(self, n: int) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(n, n, 1), nn.Conv2d(n, n, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.two(self.one(x).relu())


class Stage(nn.Module):
    """Blocks in a row, and single operations before, between and after them."""

    def __init__(self, n: int, depth: int) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.ones(8, 8))
        self.first = nn.Conv2d(n, n, 1)
        self.blocks = nn.ModuleList([Block(n) for _ in range(depth)])

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x).permute(0, 2, 3, 1).contiguous() * 2
        x = x.permute(0, 3, 1, 2) + self.place
        for block in self.blocks:
            x = block(x).relu()
        return x.contiguous()


class Joined(Stage):
    """The same, and what came in is brought together with what goes out."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, super().forward(x)], 1)[:, : x.shape[1]]


class Twofold(nn.Module):
    """One block of two parts that have names, and no numbers."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.rows, self.grid = Block(n), Block(n)

    def forward(self, x: Tensor) -> Tensor:
        return self.grid(self.rows(x).permute(0, 1, 3, 2)).permute(0, 1, 3, 2)


class Net(nn.Module):
    def __init__(self, *stages: nn.Module) -> None:
        super().__init__()
        self.stages, self.head = nn.ModuleList(stages), nn.Linear(3, 5)

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages:
            x = stage(x)
        return self.head(x.mean((2, 3)))


def blocks(*stages: nn.Module) -> list[str]:
    return [site.module for site in Survey(Net(*stages).eval(), PICTURE).of_kind("block")]


def test_blocks_of_stages_that_do_single_operations_are_found() -> None:
    found = blocks(Stage(3, 2), Stage(3, 1), Stage(3, 3))
    wanted = [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1), (2, 2)]
    assert found == [f"stages.{stage}.blocks.{block}" for stage, block in wanted]


@pytest.mark.parametrize("make", [lambda: Joined(3, 2), lambda: Twofold(3)])
def test_what_joins_or_has_named_parts_is_a_block_itself(make: Callable[[], nn.Module]) -> None:
    assert blocks(make(), make()) == ["stages.0", "stages.1"]


def test_looking_leaves_the_model_as_it_was() -> None:
    model = Net(Stage(3, 2), Joined(3, 1)).train()
    model.head.eval()
    found = joining(model, PICTURE)
    assert found == {"stages.1", *(f"stages.{at}" for at in ("0.blocks.0", "0.blocks.1"))} | {
        "stages.1.blocks.0"
    }
    assert [module.training for module in (model, model.stages, model.head)] == [True, True, False]
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def in_place(x: Tensor) -> Tensor:
    before = x
    x = x * 2
    x += before
    return x


def put_in(x: Tensor) -> Tensor:
    out = torch.zeros_like(x)
    out[0] = x[0] * 2
    return out + x


@pytest.mark.parametrize(
    ("work", "joins"),
    [
        (in_place, True),
        (put_in, True),
        (lambda x: torch.cat([x, x.abs()]), True),
        (lambda x: x @ x.abs().T, True),
        (lambda x: x * torch.sigmoid(x), True),
        (lambda x: torch.einsum("ij,kj->ik", x, x.abs()), True),
        (lambda x: x * x, False),
        (lambda x: x + torch.ones(2), False),
        (lambda x: torch.cat([torch.zeros(1, 2), x.T.reshape(2, 2).exp()]), False),
        (lambda x: x.clone().relu_().roll(1).flip(0), False),
    ],
)
def test_an_operation_joins_if_two_things_follow_the_stimuli(
    work: Callable[[Tensor], Tensor], joins: bool
) -> None:
    told: list[bool] = []
    x = torch.tensor([[1.0, -2.0], [3.0, 4.0]])
    with Joins(x, lambda: told.append(True)):
        work(x)
    assert bool(told) is joins
