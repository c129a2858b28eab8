"""What comes before an ablation is the same as in the intact model: compute it once.

A pass is a row of operations. Until the first unit is replaced, an ablated pass makes the same row
as the intact one and gets the same numbers. :meth:`Prefix.keep` writes down what the operations of
an intact pass gave; :meth:`Prefix.reuse` answers those of another pass on the same input from it,
until :func:`common.hooks.ablate` replaces something, and computes from there on. Models are not
touched, and the results are bit-identical to those of a pass that computes everything.

Only operations that make new tensors are answered: views and writes in place are as quick as an
answer, and have to happen, since they act on what the others gave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

LARGEST = 256 << 20  # bytes that are kept of one pass; what comes later is computed again

P = ParamSpec("P")
R = TypeVar("R")

_PASS: ContextVar[_Keep | _Reuse | None] = ContextVar("_PASS", default=None)
_ASIDE: ContextVar[bool] = ContextVar("_ASIDE", default=False)


@dataclass(eq=False)
class Prefix:
    """The operations of an intact pass, from the first on, and what they gave.

    Parameters
    ----------
    largest : int, default=LARGEST
        Bytes to keep at most.

    Attributes
    ----------
    operations : list of (operation, result)
        In the order in which they ran. Results are copies of the operations' own.
    n_bytes : int
        How much of memory they take.
    """

    largest: int = LARGEST
    operations: list[tuple[Callable[..., Any], Any]] = field(default_factory=list, repr=False)
    n_bytes: int = 0

    @contextmanager
    def keep(self) -> Iterator[None]:
        """Write down what the operations give in this block: one pass of the intact model."""
        self.operations.clear()
        self.n_bytes = 0
        with _running(_Keep(self)):
            yield

    @contextmanager
    def reuse(self) -> Iterator[_Reuse]:
        """Answer the operations of this block, a pass on the same input, until one is ablated.

        Yields
        ------
        object
            Its ``answered`` counts the operations that were not computed again.
        """
        see = _Reuse(self)
        with _running(see):
            yield see


def aside(act: Callable[P, R]) -> Callable[P, R]:
    """A function whose own operations pass by: a hook's, which are not the model's."""

    def passing(*args: P.args, **kwargs: P.kwargs) -> R:
        token = _ASIDE.set(True)
        try:
            return act(*args, **kwargs)
        finally:
            _ASIDE.reset(token)

    return passing


def leave() -> None:
    """End the prefix of the pass under way, if it has one: from here on it is another pass."""
    see = _PASS.get()
    if see is not None:
        # The mode stays: it cannot be left inside what a model may have entered since.
        see.ended = True


class _Pass(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Shows every operation of a pass that makes new tensors to `see`, until that has ended."""

    def __init__(self, see: _Keep | _Reuse) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.see = see

    def __torch_dispatch__(
        self,
        operation: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if self.see.ended or _ASIDE.get() or not _makes_new(operation):
            return operation(*args, **(kwargs or {}))
        return self.see(operation, args, kwargs or {})


@dataclass(eq=False)
class _Keep:
    prefix: Prefix
    ended: bool = False

    def __call__(self, operation: Any, args: Any, kwargs: Any) -> Any:
        result = operation(*args, **kwargs)
        if _shares_memory(result, (args, kwargs)):
            self.prefix.operations.append((operation, None))
            return result
        n_bytes = self.prefix.n_bytes + sum(each.nbytes for each in _tensors(result))
        self.ended = n_bytes > self.prefix.largest
        if not self.ended:
            self.prefix.n_bytes = n_bytes
            self.prefix.operations.append((operation, _copied(result)))
        return result


@dataclass(eq=False)
class _Reuse:
    prefix: Prefix
    ended: bool = False
    place: int = 0
    answered: int = 0

    def __call__(self, operation: Any, args: Any, kwargs: Any) -> Any:
        kept = self.prefix.operations
        # Another operation than in the intact pass: nothing is known of it, nor of those after it.
        self.ended = self.place >= len(kept) or kept[self.place][0] is not operation
        result = None if self.ended else kept[self.place][1]
        self.place += 1
        if result is None:
            return operation(*args, **kwargs)
        self.answered += 1
        return _copied(result)


@contextmanager
def _running(see: _Keep | _Reuse) -> Iterator[None]:
    token = _PASS.set(see)
    try:
        with _Pass(see):
            yield
    finally:
        _PASS.reset(token)


@cache
def _makes_new(operation: Any) -> bool:
    """Whether an operation gives new tensors, the same ones each time, and writes into none."""
    schema = operation._schema
    return (
        not schema.is_mutable
        and all(each.alias_info is None for each in schema.returns)
        and torch.Tag.nondeterministic_seeded not in operation.tags
    )


def _tensors(value: Any) -> list[Tensor]:
    return [each for each in tree_leaves(value) if isinstance(each, Tensor)]


def _shares_memory(result: Any, given: Any) -> bool:
    """Whether a result lies in the memory of what was given, as that of a dropout at rest does."""
    places = {each.untyped_storage().data_ptr() for each in _tensors(given)}
    return any(each.untyped_storage().data_ptr() in places for each in _tensors(result))


def _copied(result: Any) -> Any:
    """A result of its own, for the model may write into it."""
    if isinstance(result, Tensor):
        return result.clone()
    return tree_map_only(Tensor, torch.clone, result)
