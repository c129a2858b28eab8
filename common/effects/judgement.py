"""What a judgement holds, from which reports and sentences are made."""

from __future__ import annotations

from typing import Literal

from common.effects.measured import Measure
from common.effects.paired import Drop, Rate
from common.effects.parts import OpenInterval, Part

Outcome = Literal["evidence", "explained by difficulty", "no evidence", "cannot tell"]
EVIDENCE: Outcome = "evidence"
DIFFICULTY: Outcome = "explained by difficulty"
NONE: Outcome = "no evidence"
UNKNOWN: Outcome = "cannot tell"


class Estimate(Part):
    """An effect, positive where the target loses (more)."""

    effect: float
    """In units of the margin, or a difference of shares for accuracy."""
    ci: OpenInterval
    """Its 95 % interval; ``null`` for a bound that does not exist."""
    p: float | None = None
    """Rank among the control masks, the largest over the matched rules, corrected for the number of
    doses; ``null`` where no matched rule was drawn."""


class Comparison(Part):
    """A mask against the draws of one control rule."""

    rule: str
    """The rule."""
    against: str
    """What the draws are compared with: ``top`` or ``matched-part``."""
    matched: bool
    """Whether the verdict rests on it."""
    draws: int
    """Draws that the table holds."""
    p: float
    """Rank of the adjusted effect among the draws' own, over all doses."""
    p_alone: float
    """The same at this dose alone."""
    least: float
    """The smallest p that these draws allow."""
    settled: bool
    """Whether the sequential rule stopped: more draws would not change p."""
    mean: float
    """Mean of the adjusted effect of the draws."""
    most: float
    """Its 95 % quantile over the draws."""
    excess: Estimate
    """Adjusted effect beyond the mean of the draws, item by item."""
    interaction_p: float | None
    """Rank of the interaction of accuracy over all doses."""
    accuracy: dict[str, float]
    """By group, mean accuracy under the draws; empty for running text."""
    loss: dict[str, float]
    """By group, mean margin loss under the draws."""


class GroupEffect(Part):
    """What one group of items lost."""

    n: int
    """Items."""
    intact: Rate | None
    """Accuracy without the mask; ``null`` for running text."""
    ablated: Rate | None
    """Accuracy with the mask; ``null`` for running text."""
    drop: Drop | None
    """Accuracy lost."""
    loss: Estimate
    """Mean margin loss."""


class Verdict(Part):
    """The verdict on one mask."""

    percent: float
    """Dose."""
    mask: str
    """Its name in the table."""
    outcome: Outcome
    """One of the four outcomes."""
    reason: str
    """Why nothing can be told; empty otherwise."""
    adjusted: Estimate
    """The headline: margin loss of the target at equal intact margin."""
    plain: Estimate
    """The same without the adjustment."""
    interaction: Estimate | None
    """Drop of the target minus drop of the other group, or of one group its drop; ``null`` for
    running text."""
    smallest_visible: float | None
    """The adjusted effect that would have been found with a power of 80 %, in units of the
    margin."""
    comparisons: tuple[Comparison, ...]
    """Against every rule that was drawn."""
    groups: dict[str, GroupEffect]
    """By group."""
    n_changed: int
    """Items that became right or wrong; for running text, windows whose margin changed."""


class Judgement(Part):
    """What a table of items shows. The attributes of the verdict at the headline dose lead.

    Examples
    --------
    >>> judged = judge(items, target="face", other="object")
    >>> judged.verdict.groups["face"].n
    40
    """

    outcome: Outcome
    """``evidence``, ``explained by difficulty``, ``no evidence`` or ``cannot tell``."""
    reason: str
    """Why nothing can be told; empty otherwise."""
    adjusted: Estimate
    """The headline: margin loss of the target at equal intact margin."""
    interaction: Estimate | None
    """The difference of the drops in accuracy; ``null`` for running text."""
    smallest_visible: float | None
    """The adjusted effect that would have been found with a power of 80 %."""
    warnings: tuple[str, ...]
    """Plain sentences."""
    target: str
    """The group that the units are said to serve."""
    other: str | None
    """The group that it is compared with; ``null`` where there is one group alone."""
    measure: Measure = "accuracy"
    """What counts as right: an item's label, or the intact model's prediction (``agreement``)."""
    percent: float
    """The headline dose: 1 % where it was tried, or the first."""
    doses: tuple[Verdict, ...]
    """The top mask at every dose."""
    matched_part: Verdict | None
    """Its part that has equally loud partners, at the headline dose."""
    matched_parts: tuple[Verdict, ...]
    """The same at every dose that has one."""

    def _repr_html_(self) -> str:
        from common.effects.displayed import judgement_html  # which words this type

        return judgement_html(self)

    @property
    def verdict(self) -> Verdict:
        """The verdict at the headline dose."""
        return next(verdict for verdict in self.doses if verdict.percent == self.percent)
