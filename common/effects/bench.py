"""The work bench of a judgement: every number about every mask of one table, made once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from common.base.heavy import stats
from common.effects.controls import Rank, rank, ranks_over_doses
from common.effects.judgement import Comparison, Estimate, GroupEffect
from common.effects.margins import Design, design
from common.effects.paired import Drop, drop, interaction, rate
from common.effects.resample import Resampler
from common.effects.studentized import Studentized
from common.effects.table import Table, numbered
from common.measure.control_rules import against, is_matched
from common.measure.massive import MASSIVE_PARTS

PARTS = ("top", "matched-part", "unmatched-part", *MASSIVE_PARTS)
FEWEST_LABELS = 6  # with items of a group, below which whole labels cannot be resampled
POWER = 0.8

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]


def whole_labels(labels: npt.NDArray[np.object_]) -> Ints:
    """Cluster of every item of one group: its label, or itself where there are too few labels."""
    own = numbered(labels)
    few = len(np.unique(own)) < FEWEST_LABELS
    return np.arange(len(own), dtype=np.intp) if few else own


class Bench:
    """Effects of all masks of a table.

    Parameters
    ----------
    table : Table
        The items of the groups.
    target, other : str, str or None
        Their names.
    resampler : Resampler
        Source of the bootstrap.
    """

    def __init__(self, table: Table, target: str, other: str | None, resampler: Resampler) -> None:
        self.table, self.target, self.other, self.resampler = table, target, other, resampler

    @property
    def has_accuracy(self) -> bool:
        """Whether items are right or wrong."""
        return self.table.correct is not None

    @cached_property
    def inside(self) -> dict[str, npt.NDArray[np.bool_]]:
        """By group, which items it has."""
        own = self.table.target
        return {self.target: own} if self.other is None else {self.target: own, self.other: ~own}

    @cached_property
    def sizes(self) -> dict[str, int]:
        """By group, the number of items."""
        return {group: int(inside.sum()) for group, inside in self.inside.items()}

    @cached_property
    def n_labels(self) -> dict[str, int]:
        """By group, the number of classes or paradigms; an item without one is its own."""
        own = numbered(self.table.labels)
        return {group: len(np.unique(own[inside])) for group, inside in self.inside.items()}

    @cached_property
    def clusters(self) -> Ints:
        """Cluster of every item: its label, or the item where a group has too few labels."""
        if min(self.n_labels.values()) < FEWEST_LABELS:
            return np.arange(len(self.table.target), dtype=np.intp)
        return numbered(self.table.labels)

    @cached_property
    def design(self) -> Design:
        """The regression of margin losses on group and intact margin."""
        own = None if self.other is None else self.table.target
        return design(self.table.margin, own, self.clusters)

    @cached_property
    def losses(self) -> Floats:
        """Margin losses, shape (n_items, n_masks)."""
        return self.table.margin[:, None] - self.table.margins

    @cached_property
    def coefficients(self) -> Floats:
        """Adjusted effect of every mask, shape (n_masks,)."""
        return self.design.effects(self.losses)

    @cached_property
    def accuracies(self) -> dict[str, Floats]:
        """By group, accuracy under every mask; empty for running text."""
        if self.table.corrects is None:
            return {}
        return {
            group: self.table.corrects[inside].mean(axis=0) for group, inside in self.inside.items()
        }

    @cached_property
    def interactions(self) -> Floats | None:
        """Drop of the target minus drop of the other (or the target's) under every mask."""
        if self.table.correct is None:
            return None
        drops = [
            self.table.correct[inside].mean() - self.accuracies[group]
            for group, inside in self.inside.items()
        ]
        return np.asarray(drops[0] if len(drops) == 1 else drops[0] - drops[1])

    def column(self, part: str, percent: float) -> int:
        """Column of the top mask, or of a part of it, at a dose."""
        return int(self.table.at(part, percent)[0])

    def adjusted(self, column: int, p: float | None) -> Estimate:
        """Adjusted effect of one mask."""
        return self._estimate(self._resampled, self.losses[:, column], p)

    def plain(self, column: int) -> Estimate:
        """Difference of mean margin losses without any adjustment (or the target's mean loss)."""
        return self._estimate(self._unadjusted, self.losses[:, column])

    def excess(self, column: int, draws: Ints) -> Estimate:
        """Adjusted effect of what a mask takes beyond the mean of control masks, item by item."""
        beyond = self.losses[:, column] - self.losses[:, draws].mean(axis=1)
        return self._estimate(self._resampled, beyond)

    def estimate(self, losses: Floats, p: float | None = None) -> Estimate:
        """Adjusted effect of any losses of the items, shape (n_items,)."""
        return self._estimate(self._resampled, losses, p)

    def interaction(self, column: int, p: float | None) -> Estimate | None:
        """Effect on accuracy of one mask."""
        if not self.has_accuracy:
            return None
        drops = [self._drop(group, column) for group in self.inside]
        if len(drops) == 1:
            return Estimate(effect=drops[0].effect, ci=drops[0].ci, p=p)
        gap, between = interaction(drops[0], drops[1])
        return Estimate(effect=gap, ci=between, p=p)

    def groups(self, column: int) -> dict[str, GroupEffect]:
        """What each group loses under one mask."""
        return {group: self._group(group, column) for group in self.inside}

    def n_changed(self, column: int) -> int:
        """Items that became right or wrong, or windows whose margin changed."""
        if self.table.correct is None or self.table.corrects is None:
            return int(np.count_nonzero(self.losses[:, column]))
        return int(np.count_nonzero(self.table.correct != self.table.corrects[:, column]))

    def smallest_visible(self, column: int, matched: Sequence[Comparison]) -> float | None:
        """Adjusted effect that reaches all thresholds of evidence with a power of 80 %.

        The largest of three thresholds (the half-width of the interval, the 95 % quantile of the
        matched controls' own effects, and their mean plus the half-width of the excess), and the
        part of a standard error that lifts a normal estimate beyond it in 80 % of runs.
        """
        if min(self.sizes.values()) < 2:
            return None
        losses = self.losses[:, column]
        error = float(self.design.errors(losses))
        thresholds = [_below(self.adjusted(column, None))]
        for entry in matched:
            thresholds += [entry.most, entry.mean + _below(entry.excess)]
        visible = max(thresholds) + float(stats.norm.ppf(POWER)) * error
        return visible if np.isfinite(visible) else None

    def ranks(self, part: str) -> MatchedRanks:
        """Ranks of the top masks, or of their matched parts, among the controls."""
        percents = [p for p in self.table.percents if len(self.table.at(part, p))]
        return MatchedRanks(self, part, percents)

    @cached_property
    def _resampled(self) -> Studentized:
        return Studentized(self.design, self.resampler)

    @cached_property
    def _unadjusted(self) -> Studentized:
        own = None if self.other is None else self.table.target
        flat = np.zeros(len(self.table.target))
        return Studentized(design(flat, own, self.clusters), self.resampler)

    @cached_property
    def _means(self) -> dict[str, Studentized]:
        """By group, the regression that has only a mean."""
        found = {}
        for group, inside in self.inside.items():
            own = np.unique(self.clusters[inside], return_inverse=True)[1].astype(np.intp)
            mean = design(self.table.margin[inside], None, own)
            found[group] = Studentized(mean, self.resampler)
        return found

    def _estimate(self, of: Studentized, losses: Floats, p: float | None = None) -> Estimate:
        return Estimate(effect=float(of.design.effects(losses)), ci=of.interval(losses), p=p)

    def _drop(self, group: str, column: int) -> Drop:
        assert self.table.correct is not None
        assert self.table.corrects is not None
        inside = self.inside[group]
        return drop(
            self.table.correct[inside], self.table.corrects[inside, column],
            measure=self.table.measure,
        )  # fmt: skip

    def _group(self, group: str, column: int) -> GroupEffect:
        inside, n = self.inside[group], self.sizes[group]
        loss = self._estimate(self._means[group], self.losses[inside, column])
        if self.table.correct is None or self.table.corrects is None:
            return GroupEffect(n=n, intact=None, ablated=None, drop=None, loss=loss)
        return GroupEffect(
            n=n,
            intact=rate(self.table.correct[inside]),
            ablated=rate(self.table.corrects[inside, column]),
            drop=self._drop(group, column),
            loss=loss,
        )


@dataclass(frozen=True)
class MatchedRanks:
    """Where the top masks, or their matched parts, stand among the draws of every rule.

    Attributes
    ----------
    bench : Bench
        The numbers.
    part : {"top", "matched-part"}
        Which masks are judged.
    percents : list of float
        Doses that have one.
    """

    bench: Bench
    part: str
    percents: list[float]

    def comparisons(self, percent: float) -> tuple[Comparison, ...]:
        """Against every rule with more than one draw at a dose."""
        rules = [rule for rule in self.bench.table.rules(percent) if self._serves(rule)]
        drawn = [rule for rule in rules if len(self.bench.table.at(rule, percent)) > 1]
        return tuple(self._comparison(rule, percent) for rule in drawn)

    def against(self, rule: str, percent: float) -> str:
        """What the draws of a rule are compared with: equally loud units with the matched part."""
        part = against(rule)
        return part if len(self.bench.table.at(part, percent)) else self.part

    def _serves(self, rule: str) -> bool:
        # Other rules draw as many units as the whole top mask has, not as its matched part.
        return rule not in PARTS and self.part in ("top", against(rule))

    def _comparison(self, rule: str, percent: float) -> Comparison:
        bench, draws = self.bench, self.bench.table.at(rule, percent)
        column = bench.column(self.against(rule, percent), percent)
        own = bench.coefficients
        alone = rank(float(own[column]), own[draws])
        over = self.over_doses(own, rule)[percent]
        of_accuracy = bench.interactions
        return Comparison(
            rule=rule,
            against=self.against(rule, percent),
            matched=is_matched(rule),
            draws=len(draws),
            p=over.p,
            p_alone=alone.p,
            least=over.least,
            settled=over.stopped,
            mean=float(own[draws].mean()),
            most=float(np.quantile(own[draws], 0.95, method="higher")),
            excess=bench.excess(column, draws),
            interaction_p=(
                None if of_accuracy is None else self.over_doses(of_accuracy, rule)[percent].p
            ),
            accuracy={group: float(of[draws].mean()) for group, of in bench.accuracies.items()},
            loss={
                group: float(bench.losses[np.ix_(inside, draws)].mean())
                for group, inside in bench.inside.items()
            },
        )

    def over_doses(self, statistic: Floats, rule: str) -> dict[float, Rank]:
        """Rank at every dose where the rule was drawn, over all of these doses."""
        table = self.bench.table
        doses = [percent for percent in self.percents if len(table.at(rule, percent)) > 1]
        columns = [self.bench.column(self.against(rule, dose), dose) for dose in doses]
        drawn = [table.at(rule, dose) for dose in doses]
        shared = min(len(draws) for draws in drawn)
        rows = np.column_stack([statistic[draws[:shared]] for draws in drawn])
        return dict(zip(doses, ranks_over_doses(statistic[columns], rows), strict=True))


def _below(estimate: Estimate) -> float:
    return estimate.effect - estimate.ci[0]
