"""What the loss really gains without a unit: by ablating units one at a time, or in halves.

Where there are no more units than masks may be tried, each is ablated by itself. Otherwise groups
are tested: all of a site first, then the halves of the group that costs most, and so on down to
single units, until so many masks were tried (adaptive group testing, after Dorfman 1943). A unit
has the effect of the smallest group in which it was ablated, divided by the size of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from common.base.errors import SettingError
from common.base.heavy import torch
from common.measure.batch import Batch, Fitting, loss_of
from common.measure.gradient import LOSS, rise
from common.measure.moments import Array, Moments, merged
from common.measure.rules import Contrast, Score, ScoreRule, ScoreWords, Watching

if TYPE_CHECKING:  # masks are of maps, which know all rules: imported where they are made
    from common.measure.masks import Mask
    from common.measure.passes import Passes

MASKS = 1024
TOGETHER = 8  # groups that are halved before the next are chosen: their masks share passes
WORDS = ScoreWords(
    name="causal",
    symbol="dL_true",
    label="rise of the loss without the unit (target minus control, nats)",
    prose="the rise of the loss without the unit",
    title="Causal: the rise of the loss without the unit, one at a time or in halves",
    method=(
        "Units were set to zero one at a time, or, where there are more of them than masks to try, "
        "in groups: all of a site, then the halves of the groups that cost most, down to single "
        "units; a unit has the effect of the smallest group that it was tried in, divided by its "
        f"size. The score is the rise of the loss on the target minus that on the control, {LOSS}; "
        "t, p and q are those of Welch’s test on it."
    ),
    references=(
        "Dorfman, R. (1943). The detection of defective members of large populations. Ann. Math. "
        "Stat., 14, 436–440. (Group testing.)",
    ),
    digits=".3g",
    scale=0.0,
    beside=("specific",),
)


@dataclass(frozen=True)
class Span:
    """Neighbouring units of one site that were ablated together.

    Attributes
    ----------
    start, stop : int
        In the row of all units.
    """

    start: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start

    @property
    def halves(self) -> tuple[Span, Span]:
        middle = (self.start + self.stop) // 2
        return Span(self.start, middle), Span(middle, self.stop)


class Tried:
    """Moments of what each span cost, by group; and which span each unit was last in.

    Parameters
    ----------
    n_units : int
        Of all sites.
    """

    def __init__(self, n_units: int) -> None:
        self.n_units = n_units
        self.smallest: list[Span] = []
        self._costs: dict[Span, dict[int, Moments]] = {}

    def add(self, spans: Sequence[Span], rises: np.ndarray, groups: np.ndarray) -> None:
        """What a batch of stimuli cost under each span; `rises` of shape (n_spans, n_stimuli)."""
        for group in np.unique(groups).tolist():
            some = Moments.of(rises[:, groups == group].T, "signed")
            for number, span in enumerate(spans):
                kept, own = self._costs.setdefault(span, {}), some.between(number, number + 1)
                kept[group] = kept[group].merge(own) if group in kept else own

    def replace(self, span: Span) -> None:
        """Its halves are known: it is no longer the smallest of its units."""
        self.smallest.remove(span)
        self.smallest.extend(span.halves)

    def of(self, span: Span, groups: Sequence[int]) -> Moments:
        """What a span cost over the stimuli of some groups."""
        by_group = self._costs[span]
        return merged(by_group[group] for group in groups if group in by_group)

    def difference(self, span: Span) -> float:
        """Target minus control of all stimuli; groups 0 and 1 are the target's."""
        one, two = (self.of(span, side) for side in ((0, 1), (2, 3)))
        return float(one.mean[0] - two.mean[0])

    def moments(self, groups: Sequence[int]) -> Moments:
        """Of every unit: those of its span, divided by its size."""
        rows = np.zeros((4, self.n_units))
        count, resolution = 0, 0.0
        for span in self.smallest:
            own = self.of(span, groups)
            count, resolution = own.count, own.resolution
            each = slice(span.start, span.stop)
            rows[:, each] = np.array([own.mean, own.m2, own.output, own.magnitude]) / span.size
            rows[1, each] /= span.size
        return Moments(count, *rows, resolution=resolution)

    @property
    def sizes(self) -> Array:
        """In how large a group each unit was ablated, shape (n_units,)."""
        found = np.zeros(self.n_units)
        for span in self.smallest:
            found[span.start : span.stop] = span.size
        return found


def ablate_all(where: Watching) -> Tried:
    """Ablate every unit by itself, or search in halves with as many masks as the effort is.

    Raises
    ------
    SettingError
        If there are fewer masks than sites.
    """
    from common.measure.passes import Passes

    budget, found = where.effort or MASKS, Tried(where.n_units)
    ends = np.cumsum([0, *(site.n_units(where.unit) for site in where.sites)])
    if where.n_units <= budget:
        spans = [Span(unit, unit + 1) for unit in range(where.n_units)]
    else:
        spans = [Span(*pair) for pair in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)]
    if len(spans) > budget:
        raise SettingError(
            f"`effort` {budget}: `score` causal needs a mask a site at least, {len(spans)} here"
        )
    passes = Passes(where.module, [_mask(where, span) for span in spans])
    used = 0
    total = min(budget, 2 * where.n_units)
    found.smallest = list(spans)
    while spans:
        _try(spans, passes, where, found)
        used += len(spans)
        where.progress("ablate", min(used, total), total)
        chosen = sorted(
            (span for span in found.smallest if span.size > 1), key=found.difference, reverse=True
        )[: min(TOGETHER, (budget - used) // 2)]
        spans = [half for span in chosen for half in span.halves]
        for span in chosen:
            found.replace(span)
    where.progress("ablate", total, total)
    return found


def _mask(where: Watching, span: Span) -> Mask:
    from common.measure.masks import Mask

    units = np.arange(span.start, span.stop)
    percent = 100 * span.size / where.n_units
    return Mask("tried", percent, None, tuple(where.sites), where.unit, units)


def _try(spans: Sequence[Span], passes: Passes, where: Watching, found: Tried) -> None:
    """Show all stimuli under every span."""
    under = passes.of([_mask(where, span) for span in spans])

    def show(batch: Batch) -> None:
        intact = loss_of(batch, WORDS.name)
        shape = () if batch.tokens is None else tuple(batch.tokens.shape)
        each = under(
            lambda: loss_of(batch, WORDS.name, intact.right).each, key=(len(batch.where), shape)
        )
        rises = [(losses.double() - intact.each.double()).cpu().numpy() for losses in each]
        found.add(spans, np.stack(rises), where.groups[batch.where])

    fitting = Fitting(show)
    with torch.inference_mode():
        for batch in where.batches():
            fitting(batch)


def _score(contrast: Contrast) -> Score:
    tried: Tried = contrast.watched
    one, two = (tried.moments(side) for side in contrast.groups)
    return rise(WORDS, one, two, group_size=tried.sizes)


CAUSAL = ScoreRule(
    WORDS,
    end=_score,
    needs_loss=True,
    later=ablate_all,
    effort=MASKS,
    passes=lambda _sites, units, masks: 2.0 + min(units, masks),
)
