"""What comes before an ablation is the same as in the intact model: compute it once.

A pass is a row of operations. Until the first unit is replaced, an ablated pass makes the same row
as the intact one and gets the same numbers. :meth:`Prefix.keep` writes down what the operations of
an intact pass gave; :meth:`Prefix.reuse` answers those of another pass on the same input from it,
until :func:`common.ablate` replaces something, and computes from there on. Models are not touched,
and the results are those of a pass that computes everything, bit by bit wherever two such
passes agree bit by bit.

An operation is answered only if the whole row before it was the same: each operation, on results of
the same ones, with the same other arguments. Where a pass goes another way than the one that was
kept (a model that fills a cache in its first pass), or draws random numbers, the prefix ends. Views
and writes in place are computed all the same: they act on what the others gave.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ParamSpec, TypeVar
from weakref import ref

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.weak import WeakIdKeyDictionary

LARGEST = 256 << 20  # bytes that are kept of one pass; what comes later is computed again
TOGETHER = 512 << 20  # bytes of all prefixes; those that were kept first are dropped beyond it

P = ParamSpec("P")
R = TypeVar("R")

_PASS: ContextVar[_Keep | _Reuse | None] = ContextVar("_PASS", default=None)
_ASIDE: ContextVar[bool] = ContextVar("_ASIDE", default=False)
_GUARD = threading.Lock()
_KEPT: list[ref[Prefix]] = []


@dataclass(frozen=True, eq=False)
class Step:
    """One operation of a pass.

    Attributes
    ----------
    operation : callable
        Of torch.
    given : object
        Its arguments, with the place in the row of each tensor instead of it.
    result : object or None
        A copy of what it gave; nothing of a view or a write in place.
    """

    operation: Any
    given: Any
    result: Any


@dataclass(eq=False)
class Prefix:
    """The operations of an intact pass, from the first on, and what they gave.

    Parameters
    ----------
    largest : int, default=LARGEST
        Bytes to keep at most.

    Attributes
    ----------
    steps : list of Step
        In the order in which they ran; empty once others have taken the memory.
    n_bytes : int
        How much of memory they take.
    """

    largest: int = LARGEST
    steps: list[Step] = field(default_factory=list, repr=False)
    n_bytes: int = 0

    @contextmanager
    def keep(self) -> Iterator[None]:
        """Write down what the operations give in this block: one pass of the intact model."""
        self.drop()
        with _running(_Keep(self)):
            yield
        _make_room(self)

    @contextmanager
    def reuse(self) -> Iterator[_Reuse]:
        """Answer the operations of this block, a pass on the same input, until one is ablated.

        Yields
        ------
        object
            Its ``answered`` counts the operations that were not computed again.
        """
        see = _Reuse(self.steps)
        with _running(see):
            yield see

    def drop(self) -> None:
        """Give the memory back; whole passes are computed from now on."""
        self.steps, self.n_bytes = [], 0


def _make_room(new: Prefix) -> None:
    with _GUARD:
        there = [each for kept in _KEPT if (each := kept()) is not None and each is not new]
        there.append(new)
        while len(there) > 1 and sum(each.n_bytes for each in there) > TOGETHER:
            there.pop(0).drop()
        _KEPT[:] = map(ref, there)


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
    """Shows every operation of a pass to `see`, until that has ended."""

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
        if self.see.ended or _ASIDE.get():
            return operation(*args, **(kwargs or {}))
        return self.see(operation, args, kwargs or {})


class _Row:
    """Tells tensors by their place in the row: which operation gave them."""

    def __init__(self) -> None:
        self.ended = False
        self._places: Any = WeakIdKeyDictionary()
        self._length = 0

    def given(self, args: Any, kwargs: Any) -> Any:
        """The arguments of an operation, with the place of each tensor instead of it."""
        return self._told(args), self._told(list(kwargs.items())) if kwargs else None

    def _told(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            # What no operation of the row gave is the model's own, or the input.
            own = id(value) if isinstance(value, nn.Parameter) else (value.shape, value.dtype)
            return self._places.get(value, own)
        if isinstance(value, (tuple, list)):
            return [self._told(each) for each in value]
        return value

    def place(self, result: Any) -> None:
        """Give the results of the next operation their place."""
        for number, each in enumerate(_tensors(result)):
            self._places[each] = f"{self._length}.{number}"
        self._length += 1


class _Keep(_Row):
    def __init__(self, prefix: Prefix) -> None:
        super().__init__()
        self.prefix = prefix

    def __call__(self, operation: Any, args: Any, kwargs: Any) -> Any:
        given = self.given(args, kwargs)
        before = _draws(operation, (args, kwargs))
        result = operation(*args, **kwargs)
        if before is not None and not _same(before, _draws(operation, (args, kwargs))):
            self.ended = True
            return result
        if not _makes_new(operation) or _shares_memory(result, (args, kwargs)):
            self.prefix.steps.append(Step(operation, given, None))
        else:
            n_bytes = self.prefix.n_bytes + sum(each.nbytes for each in _tensors(result))
            self.ended = n_bytes > self.prefix.largest
            if not self.ended:
                self.prefix.n_bytes = n_bytes
                self.prefix.steps.append(Step(operation, given, _copied(result)))
        self.place(result)
        return result


class _Reuse(_Row):
    def __init__(self, steps: Sequence[Step]) -> None:
        super().__init__()
        self.steps = steps
        self.answered = 0

    def __call__(self, operation: Any, args: Any, kwargs: Any) -> Any:
        step = self.steps[self._length] if self._length < len(self.steps) else None
        if (
            step is None
            or step.operation is not operation
            or step.given != self.given(args, kwargs)
        ):
            self.ended = True
            return operation(*args, **kwargs)
        if step.result is None:
            result = operation(*args, **kwargs)
        else:
            self.answered += 1
            result = _copied(step.result)
        self.place(result)
        return result


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
    """Whether an operation gives new tensors and writes into none."""
    schema = operation._schema
    return not schema.is_mutable and all(each.alias_info is None for each in schema.returns)


def _draws(operation: Any, given: Any) -> list[Tensor] | None:
    """How far the random numbers have come, if the operation is one that may draw some.

    Attention may: it has a dropout, which rests.
    """
    if torch.Tag.nondeterministic_seeded not in operation.tags:
        return None
    devices = {each.device for each in _tensors(given)} | {torch.device("cpu")}
    return [_state(device) for device in sorted(devices, key=str)]


def _state(device: torch.device) -> Tensor:
    if device.type == "cpu":
        return torch.get_rng_state()
    state: Tensor = torch.get_device_module(device).get_rng_state(device)
    return state


def _same(one: Sequence[Tensor], other: Sequence[Tensor] | None) -> bool:
    return other is not None and all(map(torch.equal, one, other))


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
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
