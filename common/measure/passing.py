"""Seeing the operations of a pass through a torch dispatch mode.

Hooks of this project stand aside: what they compute is not the model's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, Protocol, TypeVar

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


@contextmanager
def running(see: Watcher) -> Iterator[None]:
    """Show the operations of this block to `see`."""
    from common.measure.modes import Shown

    token = _PASS.set(see)
    try:
        with Shown(see):
            yield
    finally:
        _PASS.reset(token)


def stands_aside() -> bool:
    """Whether what runs now is a hook's own."""
    return _ASIDE.get()
