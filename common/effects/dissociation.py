"""What ``dissociation.json`` holds: every localizer's mask on every group of items."""

from __future__ import annotations

from common.effects.claim import Answer
from common.effects.described import DescribedLocalizer, DescribedModel, Evaluation
from common.effects.judgement import Estimate
from common.effects.localized import Selectivity
from common.effects.paired import Drop, Rate
from common.effects.parts import Part


class Group(Part):
    """Items that are asked together: a column."""

    name: str
    """A group, a part of a level, or a running text."""
    n: int
    """Items, or windows of the text."""
    intact: Rate | None
    """Accuracy without a mask; ``null`` for running text."""


class Mapped(Part):
    """A localizer: a row."""

    localizer: DescribedLocalizer
    """Which contrast."""
    selectivity: Selectivity
    """What it found."""
    n_units: int
    """Units of its top mask."""


class Lead(Part):
    """How much more a group loses under a localizer's mask than under another's."""

    other: str
    """Whose mask it is held against."""
    loss: Estimate
    """Mean over the items of the difference of the two margin losses, both of the same item; p is
    one-sided, of Student's t with the error that is clustered by class or paradigm."""


class Drawn(Part):
    """A localizer's mask on a group, against the draws of a matched control rule."""

    rule: str
    """The rule."""
    against: str
    """What the draws are compared with: ``top`` or ``matched-part``."""
    draws: int
    """How many."""
    mean: float
    """Mean of the margin loss under them."""
    p: float
    """Rank of the mask's loss among the draws' own, over all cells by the maximum statistic."""
    least: float
    """The smallest p that these draws allow."""


class Cell(Part):
    """One localizer's mask on one group."""

    localizer: str
    """Whose mask."""
    group: str
    """Of which items."""
    ablated: Rate | None
    """Accuracy under the mask; ``null`` for running text."""
    drop: Drop | None
    """Accuracy lost."""
    loss: Estimate
    """Mean margin loss; of running text, nats a token."""
    leads: tuple[Lead, ...]
    """Against the mask of every other localizer."""
    p_alone: float
    """The largest p of the leads."""
    p: float
    """The same, corrected for the number of cells after Holm."""
    drawn: tuple[Drawn, ...]
    """Against every matched rule that was drawn."""
    singled_out: Answer
    """Whether this mask takes more from the group than every other mask and than matched units
    do."""
    because: str
    """Why it is not, or cannot be told; empty otherwise."""

    @property
    def least_lead(self) -> Lead:
        """Against the mask that comes nearest."""
        return min(self.leads, key=lambda lead: lead.loss.effect)


class Overlap(Part):
    """How many units the masks of two localizers share."""

    one: str
    """A localizer."""
    other: str
    """Another one."""
    shared: int
    """Units that are in both masks."""
    chance: float
    """How many would be, of as many units drawn from all."""
    chance_within: float
    """How many would be, of as many drawn in every site."""
    p: float
    """Probability of so many or more by the latter, corrected for the number of pairs after
    Holm."""


class Double(Part):
    """Two localizers that each single out a group of their own."""

    one: tuple[str, str]
    """Localizer and group."""
    other: tuple[str, str]
    """Another localizer and another group."""


class Dissociation(Part):
    """All that the masks of several localizers do to several groups."""

    model: DescribedModel
    """Which model."""
    localizers: tuple[Mapped, ...]
    """The rows."""
    evaluation: Evaluation
    """On what the masks were tried."""
    by: str
    """What the items are sorted by: ``group``, or a level."""
    groups: tuple[Group, ...]
    """The columns."""
    percent: float
    """Dose, in percent of all units."""
    ablation: str
    """How units were replaced."""
    cells: tuple[Cell, ...]
    """Row by row."""
    overlaps: tuple[Overlap, ...]
    """Of every two masks."""
    doubles: tuple[Double, ...]
    """Double dissociations."""
    finding: str = ""
    """The finding in words; made from the numbers."""
    warnings: tuple[str, ...] = ()
    """What a reader should know."""

    def cell(self, localizer: str, group: str) -> Cell:
        """One of the cells."""
        return next(c for c in self.cells if (c.localizer, c.group) == (localizer, group))

    @property
    def names(self) -> tuple[str, ...]:
        """The localizers' names."""
        return tuple(each.localizer.name for each in self.localizers)
