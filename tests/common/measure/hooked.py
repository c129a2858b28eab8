"""Small models whose activations a test can work out by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from common import Mask, Site


@dataclass(frozen=True)
class Shown:
    """A stimulus by name and condition."""

    name: str
    condition: str


class Trap(nn.Module):
    """Hands its input on, and raises or spoils it once it is armed."""

    armed = False
    poisoned = False

    def forward(self, x: Tensor) -> Tensor:
        if self.armed:
            raise RuntimeError("the trap went off")
        return x * torch.nan if self.poisoned else x * 1


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv2(self.relu(self.conv1(x)))
        inner += x
        return inner


class Small(nn.Module):
    """Two residual blocks, a trap between them, and a module that never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.block1 = Residual(6)
        self.trap = Trap()
        self.block2 = Residual(6)
        self.unused = nn.Linear(6, 6)
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block2(self.trap(self.block1(self.stem(x))))
        return self.head(x.mean((2, 3)))


class Tied(nn.Module):
    """The last layer has the weights of the first; a part of the inner one has two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.inner = nn.Linear(6, 6)
        self.last = nn.Linear(6, 6)
        self.last.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.relu(self.inner(torch.relu(self.first(x)))))


def small(dtype: torch.dtype = torch.float32) -> Small:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Small().eval().requires_grad_(False).to(dtype)


BLOCKS = [Site(f"block{i}", kind="block", shape=(6, 8, 8)) for i in (1, 2)]
FIRST, SECOND = BLOCKS
NOWHERE = Site("block3", shape=(6, 8, 8))
SILENT = Site("unused", shape=(6,))


def images(n: int, dtype: torch.dtype = torch.float32, seed: int = 1) -> Tensor:
    return torch.randn(n, 3, 8, 8, generator=torch.Generator().manual_seed(seed)).to(dtype)


MEANS = {site: np.arange(6.0) for site in BLOCKS}


def mask_of(*places: Site, units: tuple[int, ...] = (0, 3), unit: str = "channel") -> Mask:
    """These units in each of the places."""
    width = [place.n_units(unit) for place in places]
    starts = np.cumsum([0, *width[:-1]])
    chosen = np.concatenate([start + np.array(units) for start in starts])
    return Mask("top", 1.0, None, places, unit, chosen)


@contextmanager
def watched(model: nn.Module, path: str, end: str = "output") -> Iterator[list[Tensor]]:
    """What a module really gave or took, read by a hook of the test's own."""
    seen: list[Tensor] = []
    module = model.get_submodule(path)
    if end == "output":
        handle = module.register_forward_hook(lambda _m, _i, out: seen.append(out.clone()))
    else:
        handle = module.register_forward_pre_hook(lambda _m, args: seen.append(args[0].clone()))
    try:
        yield seen
    finally:
        handle.remove()


def plain(model: nn.Module, path: str, pixels: Tensor) -> Tensor:
    with watched(model, path) as seen:
        model(pixels)
    return seen[0]


def hooks_of(model: nn.Module) -> dict[str, int]:
    """Number of entries in every table of hooks of every module, and in torch's global ones."""
    tables = {
        f"{path}.{name}": len(table)
        for path, module in model.named_modules()
        for name, table in vars(module).items()
        if "hook" in name and isinstance(table, Mapping)
    }
    shared = vars(torch.nn.modules.module)
    return tables | {
        name: len(table)
        for name, table in shared.items()
        if name.startswith("_global") and isinstance(table, Mapping)
    }
