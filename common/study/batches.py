"""Stimuli in batches, and what a model makes of each under many masks at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from common.base import team
from common.base.heavy import torch
from common.base.memory import give_back_beyond
from common.base.progress import PART, Progress, silent
from common.effects.items import Outcome
from common.measure.masks import Mask
from common.measure.passes import FEWEST, Passes
from common.measure.shortage import is_shortage, no_room, release
from common.study.estimate import Left, Rates
from common.study.journal import Arrays, Journal, mask_key

if TYPE_CHECKING:
    from torch import nn

P = TypeVar("P")


class Batches(ABC, Generic[P]):
    """Stimuli in batches, and what a model makes of them.

    Attributes
    ----------
    module : nn.Module
        The model's module.
    parts : sequence
        Which stimuli are in each batch, as the front end says it.
    sizes : sequence of int
        Stimuli of each batch.
    """

    module: nn.Module
    parts: Sequence[P]
    sizes: Sequence[int]
    _halved = 0  # how often batches are halved, since memory ran out

    @property
    def work(self) -> Sequence[float]:
        """What each batch costs, in pictures or tokens; its stimuli, as it stands."""
        return self.sizes

    def give(self, number: int, passes: Passes) -> Iterator[Arrays]:
        """What a batch gives under each of the masks of `passes`, in their order.

        Where memory runs out it is read in halves, and so are all batches from then on.

        Raises
        ------
        ModelError
            If it runs out for a single stimulus, too.
        """
        return self._fitting(self.parts[number], passes, 0)

    def _fitting(self, part: P, passes: Passes, depth: int) -> Iterator[Arrays]:
        halves, given = self.halves(part), 0
        if depth >= self._halved or halves is None:
            try:
                for arrays in self.read(part, passes):
                    yield arrays
                    given += 1
                return
            except Exception as error:
                if not is_shortage(error):
                    raise
                if halves is None:
                    raise no_room() from error
            self._halved = depth + 1
            release()
        rest = passes.of(passes.masks[given:])
        first, second = (self._fitting(half, rest, depth + 1) for half in halves)
        # One after the other: two passes at a time would need the memory that there is not.
        for one, other in zip([*first], second, strict=True):
            yield {name: np.concatenate([one[name], other[name]]) for name in one}

    @abstractmethod
    def read(self, part: P, passes: Passes) -> Iterator[Arrays]:
        """What the stimuli of a part give under each of the masks, an entry a stimulus."""

    @abstractmethod
    def halves(self, part: P) -> tuple[P, P] | None:
        """A part in two, in its order; nothing, if it is a single stimulus."""

    def known(self, parts: Sequence[Arrays]) -> tuple[np.ndarray, np.ndarray]:  # noqa: ARG002
        """Items that the first batches answer for, and whether each is right; none, as it stands.

        Returns
        -------
        (array of int, array of bool)
        """
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=bool)

    @abstractmethod
    def outcome(self, parts: Sequence[Arrays]) -> Outcome:
        """The outcome under a mask, from what each batch gave."""


def under_masks(
    shown: Batches[P],
    passes: Passes,
    progress: Progress = silent,
    journal: Journal | None = None,
    rates: Rates | None = None,
    watch: Callable[[int], None] | None = None,
) -> list[Outcome]:
    """The outcomes under many masks.

    Parameters
    ----------
    shown : Batches
        What is evaluated.
    passes : Passes
        The masks.
    progress : Progress
        Told of every batch under every mask, as a part of the step under way; may raise to stop.
    journal : Journal, optional
        What is known already, and where the rest is kept.
    rates : Rates, optional
        What the work takes, to tell how much of the time is left.
    watch : callable, optional
        Told after each batch how many of the first ones are known.

    Returns
    -------
    list of Outcome
        In the order of the masks.
    """
    kept = Journal(None) if journal is None else journal
    keys = [mask_key(mask) for mask in passes.masks]
    done, total = 0, sum(shown.sizes) * len(keys)
    rest = _rest(shown, passes.masks, keys, kept, rates or Rates(1.0))
    left = Left(sum(map(sum, rest.values())), progress if rates else silent)
    try:
        with torch.inference_mode():
            for some in team.rounds(enumerate(shown.sizes)):
                own: dict[int, list[tuple[int, Arrays]]] = {}
                for number, size in some[team.rank() : team.rank() + 1]:
                    todo = [at for at, key in enumerate(keys) if kept.get(number, key) is None]
                    done += size * (len(keys) - len(todo))
                    given = shown.give(number, passes.of([passes.masks[at] for at in todo]))
                    own[number] = []
                    for at, arrays, seconds in zip(todo, given, rest[number], strict=True):
                        kept.keep(number, keys[at], arrays)
                        own[number].append((at, arrays))
                        done += size
                        progress(PART, done, total)
                        left.did(seconds)
                done += _keep_others(kept, keys, team.exchanged(own), shown.sizes)
                if watch is not None:
                    watch(some[-1][0] + 1)
                give_back_beyond()
    except BaseException:
        kept.flush()  # somebody stopped it: the same command goes on from here
        raise
    return [shown.outcome(parts_known(kept, len(shown.sizes), key)) for key in keys]


def _keep_others(
    kept: Journal,
    keys: Sequence[str],
    given: Sequence[Mapping[int, Sequence[tuple[int, Arrays]]]],
    sizes: Sequence[int],
) -> int:
    """Keep what other processes' batches gave; how many stimuli times masks these are."""
    done = 0
    for place, batches in enumerate(given):
        if place != team.rank():
            for number, each in batches.items():
                for at, arrays in each:
                    kept.keep(number, keys[at], arrays)
                done += sizes[number] * len(keys)
    return done


def _rest(
    shown: Batches[P],
    masks: Sequence[Mask | None],
    keys: Sequence[str],
    kept: Journal,
    rates: Rates,
) -> dict[int, list[float]]:
    """By batch, seconds that each mask of it should take that is not known yet."""
    each = [rates.under(mask) for mask in masks]
    found = {}
    for number, work in enumerate(shown.work):
        todo = [at for at, key in enumerate(keys) if kept.get(number, key) is None]
        found[number] = [work * each[at] for at in todo]
        if len(todo) >= FEWEST:
            found[number][0] += work * rates.begin
    return found


def parts_known(kept: Journal, n_batches: int, key: str) -> list[Arrays]:
    """What the first batches gave under a mask."""
    found = (kept.get(number, key) for number in range(n_batches))
    return [arrays for arrays in found if arrays is not None]
