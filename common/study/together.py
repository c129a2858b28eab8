"""Evaluating under many masks at once: batches outside, masks inside.

What comes before the units of a mask is computed once a batch (:mod:`common.measure.prefix`), and
what a batch gave under a mask is kept while the evaluation goes on (:mod:`common.study.journal`),
so any number of masks can share a batch and a kill loses seconds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import torch
from torch import nn

from common.base import team
from common.base.device import free_memory
from common.base.errors import RunError
from common.base.files import read_json, save_json
from common.base.progress import PART, Progress, silent
from common.effects.items import Outcome
from common.effects.measured import AGREEMENT
from common.measure.donors import Donors
from common.measure.layout import LAYOUTS, Layout, fastest_layout, in_layout, layouts_of
from common.measure.masks import Mask
from common.measure.prefix import FEWEST, Passes, first_site
from common.measure.scores import SelectivityMap
from common.study.estimate import (
    WORTH,
    Estimate,
    Left,
    Rates,
    fewer_items,
    foreseen,
    kinds,
    offer,
    tell,
    timed,
)
from common.study.front import Evaluating
from common.study.journal import Arrays, Journal, mask_key
from common.study.plan import say_ablation
from common.study.settings import Settings

KEPT = 1 << 28  # bytes of outcomes that are in the making at once
BYTES = 64  # at most, of one item under one mask
SAFE = 1.25  # a mask's pass takes longer than a plain one where the model is small
KEEPING = 1.15  # what a pass takes in which is kept what the masks begin with, of a plain one
TRIED = 100  # passes of a batch from which on ten more for an estimate are few
SHARE = 0.25  # of the memory that is free, for what the passes of masks begin with


class Batches(ABC):
    """Stimuli in batches, and what a model makes of them.

    Attributes
    ----------
    module : nn.Module
        The model's module.
    sizes : sequence of int
        Stimuli of each batch.
    """

    module: nn.Module
    sizes: Sequence[int]

    @property
    def work(self) -> Sequence[float]:
        """What each batch costs, in pictures or tokens; its stimuli, as it stands."""
        return self.sizes

    @abstractmethod
    def give(self, number: int, passes: Passes) -> Iterator[Arrays]:
        """What a batch gives under each of the masks of `passes`, in their order."""

    @abstractmethod
    def outcome(self, parts: Sequence[Arrays]) -> Outcome:
        """The outcome under a mask, from what each batch gave."""


def under_masks(
    shown: Batches,
    passes: Passes,
    progress: Progress = silent,
    journal: Journal | None = None,
    rates: Rates | None = None,
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
    except BaseException:
        kept.flush()  # somebody stopped it: the same command goes on from here
        raise
    return [shown.outcome(_parts(kept, len(shown.sizes), key)) for key in keys]


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
    shown: Batches,
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


def _parts(kept: Journal, n_batches: int, key: str) -> list[Arrays]:
    found = (kept.get(number, key) for number in range(n_batches))
    return [arrays for arrays in found if arrays is not None]


def kept_layout(note: Path) -> Layout | None:
    """The layout that a run has noted; nothing, if it has noted none.

    Raises
    ------
    RunError
        If the note cannot be read.
    """
    if not note.exists():
        return None
    told = read_json(note)
    said = told.get("layout") if isinstance(told, dict) else None
    found = next((layout for layout in LAYOUTS if layout == said), None)
    if found is None:
        raise RunError(f"{note}: names no layout that there is; delete the run folder")
    return found


@dataclass(kw_only=True, eq=False)
class EvaluatingTogether(Evaluating):
    """An evaluation under many masks at once.

    Attributes
    ----------
    settings : Settings
        How.
    """

    settings: Settings
    _scratch: Path | None = field(init=False, default=None)
    _passes: Passes | None = field(init=False, default=None)
    _rates: Rates | None = field(init=False, default=None)
    _donors: Donors | None = field(init=False, default=None)
    versions = 1
    """How many items are one: the versions of a picture."""

    @abstractmethod
    def shown(self) -> Batches:
        """What is evaluated, in batches of the size that the settings want."""

    def read_donors(self, found: SelectivityMap) -> Donors:
        """Show the model its donors; see :meth:`Evaluating.donors`."""
        return super().donors(found)

    def donors(self, found: SelectivityMap) -> Donors:
        """They are read once."""
        if self._donors is None:
            self._donors = self.read_donors(found)
        return self._donors

    def sample(self) -> tuple[Batches, int]:
        """Some of what is evaluated before it is prepared, and the batch of it to be tried."""
        shown = self.shown()
        return shown, _middle(shown)

    def check(self, intact: Outcome) -> None:
        """Refuse an intact outcome of which nothing can be learned."""

    def prepare(self, scratch: Path, progress: Progress = silent) -> None:  # noqa: ARG002
        """Remember where what is known so far can be kept."""
        self._scratch = scratch

    def forewarn(self, n_masks: int, before: float, progress: Progress = silent) -> None:
        """A few stimuli are shown to the model, and every mask counts as a whole pass."""
        shown, number = self.sample()
        intact = Passes(shown.module, [None])
        with torch.inference_mode():
            for _ in range(2):  # the first time a library looks for its way
                seconds = sum(timed(shown.give(number, intact)))
        rate = SAFE * seconds / shown.work[number]
        self._rates = Rates(rate)
        before *= rate
        whole = before + rate * self.work * n_masks
        found = Estimate(whole, whole, bound=True)
        tell(progress, "This run", offer(found, self._fewer, before))

    @property
    def work(self) -> float:
        """What is shown under each mask, in pictures or tokens."""
        return float(len(self.items.names))

    @property
    def _fewer(self) -> dict[int, float]:
        labels = self.items.labels
        parts = labels is not None and self.items.measure != AGREEMENT  # which has no classes
        if self.settings.items is not None or labels is None or not parts:
            return {}
        return fewer_items(labels, self.versions)

    def foresee(
        self,
        masks: Sequence[Mask],
        later: Sequence[tuple[Mask, int]],
        found: SelectivityMap,
        progress: Progress = silent,
    ) -> None:
        """One batch is evaluated under a mask of every kind, if the work may be long."""
        shown = self.shown()
        most = (self._rates or Rates(0.0)).intact * self.work * len(masks)
        tried = TRIED * shown.work[_middle(shown)] / self.work  # of one pass of all of it
        if len(masks) < FEWEST or most < WORTH or len(masks) < tried:
            return
        self._passes = self._for(shown, [*masks], found)
        every = [*masks, *(mask for mask, _ in later)]
        self._rates = self._tried(shown, kinds(every), self._passes)
        times = foreseen(self._rates, self.work, masks, later)
        tell(progress, "Evaluating", offer(Estimate(*times), self._fewer))

    def _tried(self, shown: Batches, masks: Sequence[Mask], passes: Passes) -> Rates:
        """Of a batch of middling size, the seconds that each kind of mask takes."""
        number = _middle(shown)
        work = shown.work[number]
        some = [None, *masks, *[masks[-1]] * max(0, FEWEST - 1 - len(masks))]
        with torch.inference_mode():
            plain = sum(timed(shown.give(number, passes.of([None]))))
            # The first one takes long: the row of operations is studied, once for the whole run.
            _, *each = timed(shown.give(number, passes.of(some)))
        rates = {first_site(mask): t / work for mask, t in zip(masks, each, strict=False)}
        known = {site: rate for site, rate in rates.items() if site is not None}
        return Rates(plain / work, KEEPING * plain / work, known)

    @contextmanager
    def arranged(self, note: Path, begun: bool) -> Iterator[None]:
        """Compute in the layout that is fastest here, or in the one that the run began with."""
        shown = self.shown()
        layout = kept_layout(note)
        if layout is None:
            plain = begun or self.settings.plain or len(layouts_of(shown.module)) == 1
            tried: Layout = "plain" if plain else self._found_layout(shown, note)
            layout = team.from_first(tried)  # each process may have found another one
        with in_layout(shown.module, layout or "plain"):
            yield

    def _found_layout(self, shown: Batches, note: Path) -> Layout:
        passes = Passes(shown.module, [None])

        def compute() -> None:
            with torch.inference_mode():
                [*shown.give(0, passes)]  # its numbers are moved to the processor, so it is done

        layout, seconds = fastest_layout(shown.module, compute, len(shown.sizes))
        save_json(note, {"layout": layout, "seconds_a_batch": seconds})
        return layout

    def outcome(
        self, mask: Mask | None, found: SelectivityMap, progress: Progress = silent
    ) -> Outcome:
        """The same for one mask."""
        return next(self.outcomes([mask], found, progress))

    def outcomes(
        self,
        masks: Iterable[Mask | None],
        found: SelectivityMap,
        progress: Progress = silent,
    ) -> Iterator[Outcome]:
        """The outcomes of any number of masks: intact first and alone, then all that fit."""
        shown, todo = self.shown(), [*masks]
        journal = self._journal(shown, todo, found)
        while todo:
            some = todo[:1] if todo[0] is None else todo[: self._at_once]
            self._passes = self._for(shown, some, found)
            begun, known = perf_counter(), journal.n_read
            rates = None if some == [None] else self._rates
            done = under_masks(shown, self._passes, progress, journal, rates)
            if some == [None] and not known:
                self._rates = Rates((perf_counter() - begun) / sum(shown.work))
            for mask, outcome in zip(some, done, strict=True):
                if mask is None:
                    self.check(outcome)
                    self.know(outcome)
                    shown = self.shown()  # by agreement its labels are known now
                yield outcome
                journal.forget(mask_key(mask))
            todo = todo[len(some) :]

    @property
    def _at_once(self) -> int:
        """Masks whose outcomes fit into memory while they are in the making."""
        numbers = len(self.items.names) + sum(len(text.bytes) for text in self.texts)
        return max(1, KEPT // (BYTES * max(1, numbers)))

    def _for(self, shown: Batches, masks: Sequence[Mask | None], found: SelectivityMap) -> Passes:
        if self._passes is not None and self._passes.found is found:
            return self._passes.of(masks)
        memory = self.settings.cache_memory
        if memory is None:
            own = next(shown.module.parameters(), torch.empty(0))
            memory = int(SHARE * free_memory(own.device))
        by = self.settings.ablation
        donors = self.donors(found) if by == "resample" else None
        return Passes(shown.module, masks, by, found, memory, donors)

    def _journal(
        self, shown: Batches, masks: Sequence[Mask | None], found: SelectivityMap
    ) -> Journal:
        if self._scratch is None:
            return Journal(None)
        made_of = {
            "stimuli": self.stimuli,
            "sizes": [*shown.sizes],
            "work": [*shown.work],
            "batch_size": self.settings.batch_size,
            "ablation": say_ablation(self.settings.ablation),
            "map": found.fingerprint,
            "model": str(found.about.get("model_fingerprint", "")),
        }
        return Journal(self._scratch / "batches", made_of, [mask_key(mask) for mask in masks])


def _middle(shown: Batches) -> int:
    """The batch that half of the work lies before."""
    half, so_far = sum(shown.work) / 2, 0.0
    for number, work in enumerate(shown.work):
        so_far += work
        if so_far >= half:
            return number
    return 0
