"""A pass as a row of operations.

:class:`Row` writes down what a pass does: each operation with where its arguments came from, which
memory it writes into and what it gave.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from common.base.heavy import pytree, torch, weak
from common.measure.forms import Form, Lost, form_of
from common.measure.passing import running

if TYPE_CHECKING:
    from torch import Tensor

Root = tuple[Any, ...]


def reads_unseen(compute: Callable[[], Any]) -> bool:
    """Whether a pass reads numbers of its own past the dispatch mode, as ``tolist`` reads them.

    Looked for in a pass by itself: attention leaves its fast path while torch's functions are
    watched, and so gives other bits.
    """
    from common.measure.modes import Reading

    row = Row()
    watch = Reading(row.place_of)
    with running(row), watch:
        compute()
    return watch.found


@dataclass(frozen=True, eq=False)
class Step:
    """One operation of a pass.

    Attributes
    ----------
    operation : callable
        Of torch.
    given : object
        Its arguments, with the place in the row of each tensor instead of it.
    reads : tuple of int
        The operations that gave its arguments.
    form : Form or None
        Of what it gave; nothing if that is no tensor.
    made : int
        The operation that made the object which it gave: itself, unless it wrote into another's.
    roots : tuple
        The memory in which each part of its result lies, named by what gave that first.
    writes : tuple
        The memory into which it writes.
    """

    operation: Any
    given: Any
    reads: tuple[int, ...]
    form: Form | None
    made: int
    roots: tuple[Root, ...]
    writes: tuple[Root, ...]

    @property
    def lends(self) -> bool:
        """Whether it gives a view, which lies in the memory of its argument."""
        return is_view(self.operation)

    @property
    def writes_own(self) -> bool:
        """Whether it writes into a tensor that no operation of the pass gave."""
        return any(root[0] == "own" for root in self.writes)


class Places:
    """Tells tensors by their place in the row: which operation gave them."""

    def __init__(self) -> None:
        self._places: Any = weak.WeakIdKeyDictionary()
        self.length = 0

    def given(self, args: Any, kwargs: Any) -> Any:
        """The arguments of an operation, with the place of each tensor instead of it."""
        return self._told(args), self._told(list(kwargs.items())) if kwargs else None

    def _told(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            # What no operation of the row gave is the model's own, or the input.
            own = id(value) if isinstance(value, torch.nn.Parameter) else (value.shape, value.dtype)
            return self._places.get(value, own)
        if isinstance(value, (tuple, list)):
            return [self._told(each) for each in value]
        return value

    def label(self, value: Tensor) -> tuple[int, int] | None:
        """The operation that gave a tensor, and as which of its results."""
        label: tuple[int, int] | None = self._places.get(value)
        return label

    def place(self, result: Any) -> None:
        """Give the results of the next operation their place."""
        if isinstance(result, torch.Tensor):
            self._places[result] = (self.length, 0)
        else:
            for number, each in enumerate(tensors_of(result)):
                self._places[each] = (self.length, number)
        self.length += 1


class Row:
    """Writes a pass down, operation by operation, while it is computed.

    Attributes
    ----------
    steps : list of Step
        In the order in which they ran.
    sure : int or None
        How many of them are the same in every pass on this input; all of them if nothing.
    own_reads : dict of int to int
        By the memory that no operation of the row gave, the first operation that reads it: what
        weights lie in.
    """

    def __init__(self) -> None:
        self.ended = False
        self.steps: list[Step] = []
        self.sure: int | None = None
        self.own_reads: dict[int, int] = {}
        self._places = Places()
        self._roots: Any = weak.WeakIdKeyDictionary()

    def place_of(self, value: Tensor) -> int | None:
        """The operation that gave a tensor; nothing if none of the row did."""
        label = self._places.label(value)
        return None if label is None else label[0]

    def read(self) -> None:
        """All tensors of the pass have their numbers."""

    def leave(self) -> None:
        """From here on passes may differ."""
        if self.sure is None:
            self.sure = len(self.steps)

    def __call__(self, operation: Any, args: Any, kwargs: Any) -> Any:
        place = len(self.steps)
        given = self._places.given(args, kwargs)
        there = tensors_of((args, kwargs))
        reads = {at for each in there if (at := self.place_of(each)) is not None}
        for each in there:
            if self.place_of(each) is None:
                self.own_reads.setdefault(memory_of(each), place)
        writes = tuple(self._root(each) for each in _written(operation, args, kwargs))
        before = _random_state(operation, there)
        result = operation(*args, **kwargs)
        if before is not None and not _same(before, _random_state(operation, there)):
            self.leave()  # it drew random numbers
        try:
            form = form_of(result, args, kwargs)
        except Lost:
            self.leave()
            form = None
        made, roots = self._made(result, form, there, place)
        self._places.place(result)
        self.steps.append(Step(operation, given, tuple(reads), form, made, roots, writes))
        return result

    def _root(self, tensor: Tensor) -> Root:
        root: Root | None = self._roots.get(tensor)
        return ("own", memory_of(tensor)) if root is None else root

    def _made(
        self, result: Any, form: Form | None, there: Sequence[Tensor], place: int
    ) -> tuple[int, tuple[Root, ...]]:
        """Who made the object that an operation gave, and the memory in which its parts lie."""
        lent = {memory: each for each in there if (memory := memory_of(each))}
        made, roots = place, []
        for number, each in enumerate(tensors_of(result)):
            lender = lent.get(memory_of(each))
            root = (place, number) if lender is None else self._root(lender)
            if any(each is known for known in there):
                label = self._places.label(each)
                made = place if label is None else self._maker(label[0])
                if form is not None and len(form.parts) > 1:
                    self.leave()  # one of several results is an argument: too tangled to answer
            self._roots[each] = root
            roots.append(root)
        return made, tuple(roots)

    def _maker(self, place: int) -> int:
        return self.steps[place].made if place < len(self.steps) else place


def tensors_of(value: Any) -> list[Tensor]:
    """All tensors of a nest."""
    if isinstance(value, torch.Tensor):
        return [value]
    return [each for each in pytree.tree_leaves(value) if isinstance(each, torch.Tensor)]


def memory_of(tensor: Tensor) -> int:
    """Where the memory begins that a tensor lies in; 0 where it has none of its own."""
    return tensor.untyped_storage().data_ptr() if tensor.layout == torch.strided else 0


def _written(operation: Any, args: Any, kwargs: Any) -> list[Tensor]:
    """The tensors into which an operation writes."""
    if not operation._schema.is_mutable or operation is torch.ops.aten.detach_.default:
        return []  # detach_ writes into torch's books alone
    names = _written_names(operation)
    named = zip((each.name for each in operation._schema.arguments), args, strict=False)
    return tensors_of([value for name, value in (*named, *kwargs.items()) if name in names])


@cache
def is_view(operation: Any) -> bool:
    """Whether an operation gives views and writes into nothing."""
    schema = operation._schema
    return not schema.is_mutable and any(each.alias_info is not None for each in schema.returns)


@cache
def _written_names(operation: Any) -> frozenset[str]:
    arguments = operation._schema.arguments
    return frozenset(
        each.name for each in arguments if each.alias_info is not None and each.alias_info.is_write
    )


def _random_state(operation: Any, given: Sequence[Tensor]) -> list[Tensor] | None:
    """How far the random numbers have come, if the operation is one that may draw some.

    Attention may: it has a dropout, which rests.
    """
    if torch.Tag.nondeterministic_seeded not in operation.tags:
        return None
    devices = {each.device for each in given} | {torch.device("cpu")}
    return [_state(device) for device in sorted(devices, key=str)]


def _state(device: torch.device) -> Tensor:
    if device.type == "cpu":
        return torch.get_rng_state()
    state: Tensor = torch.get_device_module(device).get_rng_state(device)
    return state


def _same(one: Sequence[Tensor], other: Sequence[Tensor] | None) -> bool:
    return other is not None and all(map(torch.equal, one, other))
