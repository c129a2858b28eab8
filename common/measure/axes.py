"""Which axis of a tensor has the channels: told by the layers that made it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from common.base.heavy import torch
from common.measure.trace import Call

if TYPE_CHECKING:
    from torch import nn

T = TypeVar("T")
Modules: TypeAlias = "Mapping[str, nn.Module]"
Calls = Mapping[str, Call]
Shape = tuple[int, ...]


def channel_axis(modules: Modules, calls: Calls, path: str, shape: Shape) -> int:
    """Channels first or last: last in sequences, first in 1-D and 3-D convolutions.

    Parameters
    ----------
    modules : mapping of str to nn.Module
        The model's, by path.
    calls : mapping of str to Call
        The call of each module that made one.
    path : str
        The module that gave the tensor.
    shape : tuple of int
        Of the tensor, stimuli first.
    """
    last = len(shape) - 1
    if last != 3:
        return 1 if _convolves(modules, calls, path, shape) else last
    told = _axis_told(modules, calls, path, shape)
    if told is not None:
        return told
    sizes = {p.shape[0] for p in modules[path].parameters() if p.ndim == 1}
    return last if shape[last] in sizes and shape[1] not in sizes else 1


def _convolves(modules: Modules, calls: Calls, path: str, shape: Shape) -> bool | None:
    """Whether a 1-D or 3-D convolution made this shape: the module, or the last inside it."""
    weight = getattr(modules[path], "weight", None)
    if isinstance(weight, torch.Tensor) and (weight.ndim == 2 or weight.ndim == len(shape) >= 3):
        return weight.ndim != 2
    return _told_inside(_convolves, modules, calls, path, shape)


def _axis_told(modules: Modules, calls: Calls, path: str, shape: Shape) -> int | None:
    """What tells the channel axis: the layer's weight, a square map, the layers inside."""
    weight = getattr(modules[path], "weight", None)
    if isinstance(weight, torch.Tensor) and weight.ndim in (2, 4):
        return 1 if weight.ndim == 4 else 3
    if isinstance(weight, torch.Tensor) and weight.ndim == 1:  # a normalization: its channels
        fitting = [axis for axis in (1, 3) if shape[axis] == len(weight)]
        if len(fitting) == 1:
            return fitting[0]
    if shape[1] == shape[2] != shape[3]:
        return 3
    if shape[2] == shape[3] != shape[1]:
        return 1
    return _told_inside(_axis_told, modules, calls, path, shape)


def _told_inside(
    ask: Callable[[Modules, Calls, str, Shape], T | None],
    modules: Modules,
    calls: Calls,
    path: str,
    shape: Shape,
) -> T | None:
    """What the last module inside one says that gave the same shape and can tell."""
    same = [call for call in calls[path].inner if call.out is not None and call.out.shape == shape]
    told = (
        ask(modules, calls, call.module, shape) for call in reversed(same) if call.module in calls
    )
    return next((each for each in told if each is not None), None)
