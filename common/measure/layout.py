"""Where the numbers of a model lie: as it came, or with the channels last.

Convolutions on a processor are often faster with the channels last. The same sums are made in
another order, so numbers agree up to rounding and not bit by bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Literal, get_args

from common.base.heavy import torch

if TYPE_CHECKING:
    from torch import nn

Layout = Literal["plain", "channels_last"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)

TRIED_FROM = 3.0  # seconds of all that is to be computed once; what takes less gains nothing
WORTH = 0.9  # the share of the plain layout's time that another one may take at most
ENOUGH = 1.5  # seconds that a layout is tried for
ROUNDS = (2, 5)  # fewest and most


def layouts_of(module: nn.Module) -> Sequence[Layout]:
    """The layouts that a model may be computed in: it needs convolutions for a second one."""
    convolutions = (torch.nn.Conv2d, torch.nn.ConvTranspose2d)
    return (
        LAYOUTS if any(isinstance(each, convolutions) for each in module.modules()) else ["plain"]
    )


@contextmanager
def in_layout(module: nn.Module, layout: Layout) -> Iterator[None]:
    """Compute in a layout; afterwards the weights lie where they lay.

    Parameters
    ----------
    module : nn.Module
        The model. Its inputs may lie as they like: a convolution follows its weights.
    layout : {"plain", "channels_last"}
        ``plain`` is as it came.
    """
    if layout == "plain":
        yield
        return
    own = [each for each in (*module.parameters(), *module.buffers()) if each.ndim == 4]
    before = [each.data for each in own]
    try:
        for each in own:
            each.data = each.data.contiguous(memory_format=torch.channels_last)
        yield
    finally:
        for each, data in zip(own, before, strict=True):
            each.data = data


def fastest_layout(
    module: nn.Module, compute: Callable[[], object], times: int
) -> tuple[Layout, dict[Layout, float]]:
    """The layout in which a computation takes least, tried for a moment.

    Parameters
    ----------
    module : nn.Module
        The model.
    compute : callable
        Computes one batch, and returns when it is done.
    times : int
        As many batches there are to compute once.

    Returns
    -------
    (Layout, dict of Layout to float)
        The layout, and the seconds that each took that was tried. The plain one, if all of it is
        short or nothing is faster by a tenth.
    """
    compute()  # what is only slow the first time
    seconds: dict[Layout, float] = {"plain": _timed(compute)}
    if seconds["plain"] * times < TRIED_FROM:
        return "plain", seconds
    for layout in layouts_of(module):
        with in_layout(module, layout):
            seconds[layout] = _fastest(compute)
    best = min(seconds, key=lambda each: seconds[each])
    return best if seconds[best] <= WORTH * seconds["plain"] else "plain", seconds


def _fastest(compute: Callable[[], object]) -> float:
    fewest, most = ROUNDS
    found: list[float] = []
    while len(found) < fewest or (len(found) < most and sum(found) < ENOUGH):
        found.append(_timed(compute))
    return min(found)


def _timed(compute: Callable[[], object]) -> float:
    begun = perf_counter()
    compute()
    return perf_counter() - begun
