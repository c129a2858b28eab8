"""Which masks a run tries: the top ones, and controls drawn until the verdict needs no more.

A matched rule is drawn in rounds. After each, the question is asked that the verdict will ask, and
a rule whose p would not change any more is drawn no further (Besag and Clifford 1991). Evidence
needs a small p of every matched rule, so where one has come to a large one the others rest, too: a
hundred more draws of them would change no outcome. What is drawn depends on the outcomes alone, so
a run that was killed draws the same masks again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from common.effects.controls import FEWEST, Stopping
from common.effects.items import Items, Outcome
from common.effects.judge import ALPHA
from common.effects.margins import Design, design
from common.measure.control_rules import ControlPlan, against, control, is_matched
from common.measure.masks import Mask, top_percent
from common.measure.massive import massive_mask, without_massive
from common.measure.matching import MATCHED_PART, matched_part, unmatched_part
from common.measure.scores import SelectivityMap
from common.study.plan import Plan

INTACT = "intact"  # what the outcome without a mask is called
ROUND = FEWEST + 1  # draws that are made before it is asked whether they are enough

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Question:
    """What is asked of every mask: its effect on some items, or on the windows of a text.

    Attributes
    ----------
    design : Design
        Makes one number of the margin losses.
    inside : array of bool of shape (n_items,)
        The items that it is about.
    text : str or None
        The text whose windows it is about; ``None`` for the items.
    """

    design: Design
    inside: npt.NDArray[np.bool_]
    text: str | None = None

    def effect(self, intact: Outcome, ablated: Outcome) -> float:
        """The effect of one mask."""
        losses = self._margin(intact) - self._margin(ablated)
        return float(self.design.effects(losses))

    def _margin(self, outcome: Outcome) -> Floats:
        return margins(outcome, self.text)[self.inside]


def margins(outcome: Outcome, text: str | None = None) -> Floats:
    """Margins of all items, or of a text's windows: their log-probability a token, in nats."""
    return outcome.margin.astype(float) if text is None else -outcome.beside[text].astype(float)


def questions(items: Items, intact: Outcome, texts: Sequence[str] = ()) -> list[Question]:
    """All that is asked of a run: of the items, and of every running text."""
    inside = np.isin(items.groups, items.judged)
    own = None if items.other is None else items.groups[inside] == items.target
    return [
        _question(intact, inside, own),
        *(_question(intact, np.ones(len(intact.beside[name]), bool), None, name) for name in texts),
    ]


def _question(
    intact: Outcome,
    inside: npt.NDArray[np.bool_],
    own: npt.NDArray[np.bool_] | None,
    text: str | None = None,
) -> Question:
    alone = np.arange(int(inside.sum()), dtype=np.intp)  # the effect needs no clusters
    return Question(design(margins(intact, text)[inside], own, alone), inside, text)


class Drawing:
    """The masks of a run, as far as they are known.

    Parameters
    ----------
    found : SelectivityMap
        The map.
    plan : Plan
        Doses and control rules, with the draws of each; of a matched rule at most so many.
    """

    def __init__(self, found: SelectivityMap, plan: Plan) -> None:
        self.found, self.plan = found, plan
        self.drawn: dict[tuple[str, float], list[Mask]] = {}
        for percent in plan.percents:
            self._begin(percent)

    def _begin(self, percent: float) -> None:
        """The top mask of a dose, its parts where it has them, and first draws of each rule."""
        top = top_percent(self.found, percent)
        matched, unmatched = matched_part(self.found, top), unmatched_part(self.found, top)
        self.drawn["top", percent] = [top]
        if unmatched is not None:
            for part in (matched, unmatched):
                if part is not None:
                    self.drawn[part.rule, percent] = [part]
        quiet = without_massive(self.found, top)
        loud = massive_mask(self.found, percent) if percent == self.plan.headline else None
        for part in (quiet, loud):
            if part is not None:
                self.drawn[part.rule, percent] = [part]
        for rule in self.plan.controls:
            if against(rule.rule) == MATCHED_PART and matched is None:
                continue  # no top unit has a partner, so there is nothing to draw
            draws = min(rule.draws, ROUND) if is_matched(rule.rule) else rule.draws
            self.drawn[rule.rule, percent] = self._draw(rule, percent, 0, draws)

    def _draw(self, rule: ControlPlan, percent: float, first: int, last: int) -> list[Mask]:
        seeds = range(self.plan.seed + first, self.plan.seed + last)
        return [control(self.found, rule.rule, percent, seed) for seed in seeds]

    def _doses(self, rule: ControlPlan) -> list[float]:
        return [percent for percent in self.plan.percents if (rule.rule, percent) in self.drawn]

    @property
    def masks(self) -> list[Mask]:
        """All masks so far: by dose, the top and then each rule in the order of its draws."""
        return [
            mask
            for percent in self.plan.percents
            for (_, dose), masks in self.drawn.items()
            if dose == percent
            for mask in masks
        ]

    @property
    def later(self) -> list[tuple[Mask, int]]:
        """How many more masks like each may be drawn."""
        return [
            (drawn[0], rule.draws - len(drawn))
            for rule in self.plan.controls
            for percent in self._doses(rule)
            if len(drawn := self.drawn[rule.rule, percent]) < rule.draws
        ]

    def more(self, asked: Sequence[Question], outcomes: Mapping[str, Outcome]) -> bool:
        """Draw another round of each rule that is not settled; whether there was any.

        Parameters
        ----------
        asked : sequence of Question
            A rule is settled when it is for all of them.
        outcomes : mapping of str to Outcome
            Of the intact model and of all masks so far.
        """
        drew = False
        unsettled = {name for each in asked for name in self._unsettled(each, outcomes)}
        for rule in self.plan.controls:
            doses = self._doses(rule)
            made = len(self.drawn[rule.rule, doses[0]]) if doses else rule.draws
            if not is_matched(rule.rule) or made >= rule.draws:
                continue
            if rule.rule not in unsettled:
                continue
            for percent in doses:
                last = min(made + ROUND, rule.draws)
                self.drawn[rule.rule, percent] += self._draw(rule, percent, made, last)
            drew = True
        return drew

    def _unsettled(self, question: Question, outcomes: Mapping[str, Outcome]) -> list[str]:
        """Rules that a question wants more draws of; none, once one has told that it is no."""
        matched = [r for r in self.plan.controls if is_matched(r.rule) and self._doses(r)]
        known = {rule.rule: self._stopping(rule, question, outcomes) for rule in matched}
        for name, stopping in known.items():
            if all(rank.stopped and rank.p > ALPHA for rank in stopping.ranks(name)):
                return []  # at every dose a p that no evidence goes with
        return [name for name, stopping in known.items() if not stopping.enough(name)]

    def _stopping(
        self, rule: ControlPlan, question: Question, outcomes: Mapping[str, Outcome]
    ) -> Stopping:
        def effect(mask: Mask) -> float:
            return question.effect(outcomes[INTACT], outcomes[mask.name])

        doses = self._doses(rule)
        stopping = Stopping(
            {rule.rule: [effect(self._against(rule, dose)) for dose in doses]}, most=rule.draws
        )
        for draw in zip(*(self.drawn[rule.rule, dose] for dose in doses), strict=True):
            stopping.add(rule.rule, [effect(mask) for mask in draw])
        return stopping

    def _against(self, rule: ControlPlan, percent: float) -> Mask:
        part = self.drawn.get((against(rule.rule), percent))
        return (part or self.drawn["top", percent])[0]
