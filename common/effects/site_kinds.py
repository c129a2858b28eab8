"""What ``sites.json`` holds: one localizer at every kind of site, with masks of the same size."""

from __future__ import annotations

from common.effects.claim import Answer
from common.effects.described import DescribedLocalizer, DescribedModel, Evaluation
from common.effects.judgement import Estimate, Judgement
from common.effects.localized import Selectivity
from common.effects.parts import Part


class MappedKind(Part):
    """What the localizer found at one kind of site."""

    kind: str
    """``block``, ``attn``, ``head``, ``mlp``, ``mlp_hidden`` or ``op``."""
    selectivity: Selectivity
    """What it found."""
    percent: float
    """The dose at which a mask of this kind has as many units as those of the others."""
    width: int
    """Channels that are one unit: of a head its slice, else 1."""
    sites: dict[str, int]
    """Where the units of the top mask lie, those with the most first."""


class SharedPlaces(Part):
    """Units of the top masks of two kinds that are the same units of the same place."""

    one: str
    """A kind."""
    other: str
    """Another one."""
    n: int
    """Units in both masks."""


class RankedDraws(Part):
    """The top mask of one kind against the draws of a matched control rule."""

    rule: str
    """The rule."""
    against: str
    """What the draws are compared with: ``top`` or ``matched-part``."""
    effects: tuple[float, ...]
    """The adjusted effect of every draw."""
    mean: float
    """Mean of these."""
    p: float
    """Rank of the mask's effect among them, over all kinds by the maximum statistic."""
    p_alone: float
    """The same at this kind alone."""
    least: float
    """The smallest p that these draws allow."""


class KindLead(Part):
    """How much larger the effect is at one kind than at another."""

    other: str
    """The other one."""
    more: Estimate
    """Adjusted effect of the difference of the two masks' margin losses, of the same items; p is
    one-sided, of Student's t with the error that is clustered by class or paradigm."""
    beyond: Estimate | None
    """The same of what either mask takes beyond the mean of its own matched draws; ``null`` where
    the kinds have no matched rule in common."""


class KindEffect(Part):
    """What the top mask of one kind does."""

    kind: str
    """Which one."""
    judgement: Judgement
    """The verdict on it, by itself."""
    drawn: tuple[RankedDraws, ...]
    """Against every matched rule that was drawn."""
    beyond: Estimate | None
    """Adjusted effect beyond the mean of the draws of the rule that all kinds have."""
    more_than_matched: Answer
    """Whether there is evidence that holds over all kinds that were tried."""
    because: str
    """Why there is none, or it cannot be told; empty otherwise."""
    leads: tuple[KindLead, ...]
    """Against every other kind."""
    p_alone: float
    """The largest p of the leads."""
    p: float
    """The same, corrected for the number of kinds after Holm."""
    largest: Answer
    """Whether the effect is larger than at every other kind."""
    beyond_p: float | None
    """The largest p of the leads beyond matched draws, corrected after Holm."""
    beyond_largest: Answer
    """Whether it is larger than at every other kind beyond matched draws."""

    @property
    def adjusted(self) -> Estimate:
        """The effect that the verdict rests on."""
        return self.judgement.adjusted

    @property
    def rival(self) -> KindLead:
        """Against the kind that comes nearest, or is ahead."""
        return min(self.leads, key=lambda lead: lead.more.effect)

    @property
    def rival_beyond(self) -> KindLead:
        """The same beyond matched draws."""
        known = [lead for lead in self.leads if lead.beyond is not None]
        return min(known, key=lambda lead: lead.beyond.effect)  # type: ignore[union-attr]


class AskedKinds(Part):
    """One question, asked of every kind: the effect on the items, or on a running text."""

    name: str
    """``items``, or the text's name."""
    target: str
    """The group that the units are said to serve."""
    other: str | None
    """The group that it is compared with; ``null`` where there is one group alone."""
    rule: str | None
    """The matched rule that all kinds were held against to tell what is beyond it."""
    kinds: tuple[KindEffect, ...]
    """Every kind, in the order of the masks."""

    @property
    def ranked(self) -> list[KindEffect]:
        """The kinds, those with the largest effect first."""
        return sorted(self.kinds, key=lambda each: -each.adjusted.effect)

    @property
    def ranked_beyond(self) -> list[KindEffect]:
        """The kinds, those with the largest effect beyond matched draws first."""
        known = [each for each in self.kinds if each.beyond is not None]
        return sorted(known, key=lambda each: -each.beyond.effect)  # type: ignore[union-attr]


class ComparedSites(Part):
    """All that masks of the same size do at every kind of site."""

    model: DescribedModel
    """Which model."""
    localizer: DescribedLocalizer
    """Which contrast."""
    evaluation: Evaluation
    """On what the masks were tried."""
    ablation: str
    """How units were replaced."""
    n_units: int
    """Units of every mask."""
    kinds: tuple[MappedKind, ...]
    """What was found at each kind."""
    left_out: dict[str, str]
    """Kinds that were not compared, and why."""
    shared: tuple[SharedPlaces, ...]
    """Units that the top masks of two kinds have in common."""
    asked: tuple[AskedKinds, ...]
    """What was asked: of the items first, and then of every running text."""
    finding: str = ""
    """The finding in words; made from the numbers."""
    warnings: tuple[str, ...] = ()
    """What a reader should know."""
