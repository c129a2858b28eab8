"""Which modules bring together, by an operation of their own, what they have made of the stimuli.

A block does (a residual sum, a concatenation, a gate). A stage does not: it hands the stimuli on,
through the blocks that it has in a row and whatever single operations lie between them. Modules
cannot tell, for ``x.permute(…)`` and ``x + shortcut`` look alike between two children; so the
operations themselves are watched.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from common.base.heavy import torch
from common.measure.attach import attached, part_of
from common.measure.paths import parent
from common.measure.trace import call_model

if TYPE_CHECKING:
    from torch import nn


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
    from common.measure.modes import Joins

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
