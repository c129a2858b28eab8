"""Which modules bring together, by an operation of their own, what they have made of the stimuli.

A block does (a residual sum, a concatenation, a gate). A stage does not: it hands the stimuli on,
through the blocks that it has in a row and whatever single operations lie between them. Modules
cannot tell, for ``x.permute(…)`` and ``x + shortcut`` look alike between two children; so the
operations themselves are watched.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from common.measure.attach import attached, part_of
from common.measure.paths import parent
from common.measure.trace import call_model


def stages(
    groups: Mapping[type, Sequence[str]], joining: Callable[[], Collection[str]]
) -> set[type]:
    """Classes of modules that are no blocks, but have blocks in a row.

    Parameters
    ----------
    groups : mapping of type to sequence of str
        Paths of modules that are no mere pipelines of their children, by class.
    joining : callable
        Gives those that join something; asked where a module holds others in a row.

    Returns
    -------
    set of type
        Those that join nothing themselves, and of which one holds a numbered list of two or more
        modules of a class that does.
    """
    rows = {cls: _rows(paths) for cls, paths in groups.items()}
    if not any(_holds(paths, rows[other]) for paths in groups.values() for other in groups):
        return set()
    found = joining()
    joins = {cls for cls, paths in groups.items() if any(path in found for path in paths)}
    return {
        cls
        for cls, paths in groups.items()
        if cls not in joins and any(_holds(paths, rows[other]) for other in joins)
    }


def _rows(paths: Sequence[str]) -> list[str]:
    """Where two or more of these lie beside each other by number, as in ``stages.1.blocks``."""
    numbered = [parent(path) for path in paths if path.rpartition(".")[2].isdecimal()]
    return [row for row in set(numbered) if numbered.count(row) > 1]


def _holds(paths: Sequence[str], rows: Sequence[str]) -> bool:
    return any(row == path or row.startswith(f"{path}.") for path in paths for row in rows)


def joining(model: nn.Module, example: Any, through: str = "") -> set[str]:
    """Paths of the modules that, run once, join what follows the stimuli.

    Parameters
    ----------
    model : nn.Module
        In evaluation mode or not; it is left as it was.
    example : tensor, tuple or mapping
        What it is called with.
    through : str, default=""
        Path of the part that is called instead of the whole model.
    """
    found: set[str] = set()
    running: list[str] = []

    def enter(path: str, *_: Any) -> None:
        running.append(path)

    def leave(*_: Any) -> None:
        running.pop()

    hooks: list[Callable[[], Any]] = []
    for path, module in model.named_modules():
        hooks.append(partial(module.register_forward_pre_hook, partial(enter, path)))
        hooks.append(partial(module.register_forward_hook, leave))
    watched = Joins(example, lambda: found.add(running[-1]) if running else None)
    with evaluating(model), torch.inference_mode(), attached(hooks), watched:
        call_model(part_of(model, through), example)
    return found


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, for a while."""
    was_training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in was_training.items():
            module.training = training


def _tensors_in(values: Any) -> Iterator[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, Mapping):
        yield from _tensors_in([*values.values()])
    elif isinstance(values, (tuple, list)):
        for value in values:
            yield from _tensors_in(value)


class Joins(TorchFunctionMode):
    """While it is entered, tells of each operation on two or more tensors that follow the stimuli.

    Parameters
    ----------
    given : object
        What the model is called with.
    tell : callable
        Called at each such operation.
    """

    def __init__(self, given: Any, tell: Callable[[], None]) -> None:
        super().__init__()
        self._tell = tell
        self._known: dict[int, weakref.ref[Tensor]] = {}
        for tensor in _tensors_in(given):
            self._follow(tensor)

    def __torch_function__(
        self, func: Any, _types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """Let an operation be done, and look at what went in."""
        kwargs = kwargs or {}
        follow = {id(each) for each in _tensors_in([args, kwargs]) if self._follows(each)}
        out = func(*args, **kwargs)
        if len(follow) > 1:
            self._tell()
        if follow:  # x[where] = y gives nothing, and x follows from now on
            for tensor in _tensors_in(args[0] if out is None and args else out):
                self._follow(tensor)
        return out

    def _follow(self, tensor: Tensor) -> None:
        self._known[id(tensor)] = weakref.ref(tensor)

    def _follows(self, tensor: Tensor) -> bool:
        known = self._known.get(id(tensor))
        return known is not None and known() is tensor
