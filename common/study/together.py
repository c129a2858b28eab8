"""Evaluating under many masks at once: batches outside, masks inside.

What comes before the units of a mask is computed once a batch (:mod:`common.measure.prefix`), and
what a batch gave under a mask is kept while the evaluation goes on (:mod:`common.study.journal`),
so any number of masks can share a batch and a kill loses seconds.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from common.base import team
from common.base.device import free_memory
from common.base.errors import RunError
from common.base.files import read_sealed, save_sealed
from common.base.heavy import torch
from common.base.progress import Progress, silent
from common.effects.items import Outcome
from common.effects.measured import AGREEMENT
from common.measure.ablate import Ablation
from common.measure.donors import Donors
from common.measure.layout import LAYOUTS, Layout, fastest_layout, in_layout, layouts_of
from common.measure.masks import Mask
from common.measure.passes import FEWEST, Passes
from common.measure.prefix import first_site
from common.measure.scores import SelectivityMap
from common.measure.shortage import FEW, most_at_once
from common.measure.sites import Site
from common.study.batches import Batches, parts_known, under_masks
from common.study.estimate import (
    WORTH,
    Estimate,
    Rates,
    fewer_items,
    foreseen,
    kinds,
    offer,
    tell,
    timed,
)
from common.study.front import Evaluating
from common.study.journal import Journal, mask_key
from common.study.plan import say_ablation
from common.study.settings import Settings
from common.study.so_far import SoFar

KEPT = 1 << 28  # bytes of outcomes that are in the making at once
BYTES = 64  # at most, of one item under one mask
SAFE = 1.25  # a mask's pass takes longer than a plain one where the model is small
KEEPING = 1.15  # what a pass takes in which is kept what the masks begin with, of a plain one
TRIED = 100  # passes of a batch from which on ten more for an estimate are few
SHARE = 0.25  # of the memory that is free, for what the passes of masks begin with


@dataclass(frozen=True)
class Pace:
    """What suits the machine that a run began on.

    Attributes
    ----------
    layout : {"plain", "channels_last"}
        Where the model's numbers lie.
    batch_size : int, optional
        Stimuli a pass, where memory does not hold as many as are wanted.
    """

    layout: Layout = "plain"
    batch_size: int | None = None


def kept_pace(note: Path) -> Pace | None:
    """What a run has noted; nothing, if it has noted nothing.

    Raises
    ------
    RunError
        If the note cannot be read.
    """
    if not note.exists():
        return None
    told = read_sealed(note)
    said = told if isinstance(told, dict) else {}
    layout = next((each for each in LAYOUTS if each == said.get("layout")), None)
    if layout is None:
        raise RunError(f"{note}: names no layout that there is; delete the run folder")
    size = said.get("batch_size")
    if size is not None and (type(size) is not int or size < 1):
        raise RunError(f"{note}: names no batch size that there is; delete the run folder")
    return Pace(layout, size)


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
    _donors: tuple[Sequence[Site], Donors] | None = field(init=False, default=None)
    _so_far: SoFar | None = field(init=False, default=None)
    versions = 1
    """How many items are one: the versions of a picture."""

    @abstractmethod
    def shown(self) -> Batches[Any]:
        """What is evaluated, in batches of the size that the settings want."""

    def read_donors(self, found: SelectivityMap) -> Donors:
        """Show the model its donors; see :meth:`Evaluating.donors`."""
        return super().donors(found)

    def donors(self, found: SelectivityMap) -> Donors:
        """They are read once, and again at other sites."""
        if self._donors is None or self._donors[0] != found.sites:
            self._donors = found.sites, self.read_donors(found)
        return self._donors[1]

    def sample(self) -> tuple[Batches[Any], int]:
        """Some of what is evaluated before it is prepared, and the batch of it to be tried."""
        shown = self.shown()
        return shown, _middle(shown)

    def check(self, intact: Outcome) -> None:
        """Refuse an intact outcome of which nothing can be learned."""

    def prepare(self, scratch: Path, progress: Progress = silent) -> None:  # noqa: ARG002
        """Remember where what is known so far can be kept."""
        self._scratch = scratch

    def foretell(self, n_masks: int, before: float) -> Estimate:
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
        return offer(Estimate(whole, whole, bound=True), self._fewer, before)

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

    def _tried(self, shown: Batches[Any], masks: Sequence[Mask], passes: Passes) -> Rates:
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
        """Compute in the layout that is fastest here and in batches that fit, or as it began."""
        pace = kept_pace(note)
        if pace is None:
            tried = Pace() if begun or self.settings.plain else self._found_pace(note)
            pace = team.from_first(tried)  # each process may have found another one
        if pace.batch_size is not None:
            fits = min(pace.batch_size, self.settings.batch_size)
            self.settings = replace(self.settings, batch_size=fits)
        with in_layout(self.shown().module, pace.layout):
            yield

    def _found_pace(self, note: Path) -> Pace:
        wanted = self.settings.batch_size
        fits = self._that_fit(wanted)
        less = {} if fits >= wanted else {"batch_size": fits}
        self.settings = replace(self.settings, batch_size=fits)
        shown = self.shown()
        if len(layouts_of(shown.module)) == 1 and not less:
            return Pace()
        layout, seconds = fastest_layout(shown.module, _intact(shown, 0), len(shown.sizes))
        save_sealed(note, {"layout": layout, "seconds_a_batch": seconds, **less})
        return Pace(layout, **less)

    def _that_fit(self, wanted: int) -> int:
        """Stimuli a pass, by what a few take that are as large as any."""
        if wanted <= FEW:
            return wanted
        self.settings = replace(self.settings, batch_size=FEW)
        few = self.shown()
        largest = max(range(len(few.work)), key=lambda number: few.work[number])
        device = next(few.module.parameters(), torch.empty(0)).device
        compute = _intact(few, largest)
        compute()  # the first time libraries take memory of their own
        return most_at_once(device, compute, few.sizes[largest], wanted)

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
        so_far = self._so_far = self._so_far or SoFar(self.items, progress)
        while todo:
            some = todo[:1] if todo[0] is None else todo[: self._at_once]
            self._passes = self._for(shown, some, found)
            begun, known = perf_counter(), journal.n_read
            rates = None if some == [None] else self._rates
            watch = partial(_tell, so_far, shown, some, journal)
            done = under_masks(shown, self._passes, progress, journal, rates, watch)
            if some == [None] and not known:
                self._rates = Rates((perf_counter() - begun) / sum(shown.work))
            for mask, outcome in zip(some, done, strict=True):
                so_far.finish(mask, outcome)
                if mask is None:
                    self.check(outcome)
                    self.know(outcome)
                    shown = self.shown()  # by agreement its labels are known now
                yield outcome
                journal.forget(mask_key(mask))
            todo = todo[len(some) :]

    @contextmanager
    def replaced_by(self, by: Ablation) -> Iterator[None]:
        """Replace units in another way inside this context, in the same batches."""
        before = self.settings, self._passes, self._rates
        self.settings, self._passes = replace(self.settings, ablation=by), None
        try:
            yield
        finally:
            self.settings, self._passes, self._rates = before

    @property
    def _at_once(self) -> int:
        """Masks whose outcomes fit into memory while they are in the making."""
        numbers = len(self.items.names) + sum(len(text.bytes) for text in self.texts)
        return max(1, KEPT // (BYTES * max(1, numbers)))

    def _for(
        self, shown: Batches[Any], masks: Sequence[Mask | None], found: SelectivityMap
    ) -> Passes:
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
        self, shown: Batches[Any], masks: Sequence[Mask | None], found: SelectivityMap
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


def _intact(shown: Batches[Any], number: int) -> Callable[[], None]:
    """Show a batch to the intact model."""
    passes = Passes(shown.module, [None])

    def compute() -> None:
        with torch.inference_mode():
            [*shown.give(number, passes)]  # its numbers are moved to the processor, so it is done

    return compute


def _tell(
    so_far: SoFar, shown: Batches[Any], masks: Sequence[Mask | None], journal: Journal, n: int
) -> None:
    """Tell what the first batches gave under masks, if it is time to."""
    if so_far.due:
        so_far.tell((mask, *shown.known(parts_known(journal, n, mask_key(mask)))) for mask in masks)


def _middle(shown: Batches[Any]) -> int:
    """The batch that half of the work lies before."""
    half, so_far = sum(shown.work) / 2, 0.0
    for number, work in enumerate(shown.work):
        so_far += work
        if so_far >= half:
            return number
    return 0
