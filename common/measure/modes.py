"""What watches torch while a model runs: modes, which torch asks about all that it does.

Each is a subclass of one of torch's own, so this module imports torch at once, and is itself
imported by the functions that let something be watched.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from common.measure.passing import stands_aside

if TYPE_CHECKING:
    from common.measure.passing import Watcher

UNSEEN = {Tensor.tolist, Tensor.numpy, Tensor.__array__, Tensor.data_ptr}  # read past the mode


class Shown(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Shows every operation of a pass to `see`, until that has ended."""

    def __init__(self, see: Watcher) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.see = see


def _shown(
    mode: Shown,
    operation: Any,
    _types: Sequence[type],
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
) -> Any:
    # The mode stays to the end: it cannot be left inside what a model has entered since.
    if mode.see.ended or stands_aside():
        return operation(*args, **(kwargs or {}))
    return mode.see(operation, args, kwargs or {})


# Given to the class afterwards: a method of its body is wrapped for torch's compiler, which costs
# as much as the rest for every operation, and some seconds of imports for the first one.
Shown.__torch_dispatch__ = _shown  # type: ignore[method-assign, assignment]


class Reading(TorchFunctionMode):
    """Sees the functions that read numbers of a pass past the dispatch mode.

    Parameters
    ----------
    place_of : callable
        Gives the operation of the pass that gave a tensor; nothing if none did.
    """

    def __init__(self, place_of: Callable[[Tensor], int | None]) -> None:
        super().__init__()
        self.place_of, self.found = place_of, False

    def __torch_function__(
        self,
        function: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if function in UNSEEN and not stands_aside() and self.place_of(args[0]) is not None:
            self.found = True
        return function(*args, **(kwargs or {}))


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
