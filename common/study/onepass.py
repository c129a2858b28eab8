"""What several localizers or kinds of sites share: maps of one pass, and what is made once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

from common.base.progress import Progress
from common.measure.scores import SelectivityMap

Model = TypeVar("Model")
T = TypeVar("T")
R = TypeVar("R")


class OnePass(Generic[Model]):
    """The maps of several localizers.

    Parameters
    ----------
    make : callable
        Makes all of them in a model.
    """

    def __init__(self, make: Callable[[Model, Progress], list[SelectivityMap]]) -> None:
        self.make = make
        self._model: Model | None = None
        self._made: dict[int, SelectivityMap] = {}

    def of(self, number: int) -> Callable[[Model, Progress], SelectivityMap]:
        """What makes one of them in a model: all at once, the first time that one is asked for."""
        return partial(self._map, number)

    def _map(self, number: int, model: Model, progress: Progress) -> SelectivityMap:
        if self._model is not model or number not in self._made:
            self._made, self._model = dict(enumerate(self.make(model, progress))), model
        found = self._made.pop(number)
        if not self._made:
            self._model = None  # which may be large
        return found


def of_each(make: Callable[[T], R], things: Sequence[T]) -> list[R]:
    """What is made of each of several things; of one that comes again it is made once."""
    made: dict[int, R] = {}
    for thing in things:
        if id(thing) not in made:
            made[id(thing)] = make(thing)
    return [made[id(thing)] for thing in things]
