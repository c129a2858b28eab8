"""Seeing the operations of a pass through a torch dispatch mode.

Hooks of this project stand aside: what they compute is not the model's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, Protocol, TypeVar

from torch.utils._python_dispatch import TorchDispatchMode

P = ParamSpec("P")
R = TypeVar("R")


class Watcher(Protocol):
    """Sees the operations of a pass until it has ended."""

    ended: bool

    def __call__(self, operation: Any, args: Any, kwargs: Any) -> Any:
        """What the operation gives."""

    def read(self) -> None:
        """Somebody reads a tensor of the pass."""

    def leave(self) -> None:
        """Somebody replaces a tensor of the pass."""


_PASS: ContextVar[Watcher | None] = ContextVar("_PASS", default=None)
_ASIDE: ContextVar[bool] = ContextVar("_ASIDE", default=False)


def aside(act: Callable[P, R], reads: bool = False) -> Callable[P, R]:
    """A function whose own operations pass by: a hook's, which are not the model's.

    Parameters
    ----------
    act : callable
        The function.
    reads : bool, default=False
        Whether it reads tensors of the pass, which have numbers only where they were computed.
    """

    def passing(*args: P.args, **kwargs: P.kwargs) -> R:
        see = _PASS.get()
        if reads and see is not None:
            see.read()
        token = _ASIDE.set(True)
        try:
            return act(*args, **kwargs)
        finally:
            _ASIDE.reset(token)

    return passing


def leave() -> None:
    """Say that the pass under way is another one than the intact from here on."""
    see = _PASS.get()
    if see is not None:
        see.leave()


class _Mode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Shows every operation of a pass to `see`, until that has ended."""

    def __init__(self, see: Watcher) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.see = see


def _shown(
    mode: _Mode,
    operation: Any,
    _types: Sequence[type],
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
) -> Any:
    # The mode stays to the end: it cannot be left inside what a model has entered since.
    if mode.see.ended or _ASIDE.get():
        return operation(*args, **(kwargs or {}))
    return mode.see(operation, args, kwargs or {})


# Given to the class afterwards: a method of its body is wrapped for torch's compiler, which costs
# as much as the rest for every operation, and some seconds of imports for the first one.
_Mode.__torch_dispatch__ = _shown  # type: ignore[method-assign, assignment]


@contextmanager
def running(see: Watcher) -> Iterator[None]:
    """Show the operations of this block to `see`."""
    token = _PASS.set(see)
    try:
        with _Mode(see):
            yield
    finally:
        _PASS.reset(token)


def stands_aside() -> bool:
    """Whether what runs now is a hook's own."""
    return _ASIDE.get()
