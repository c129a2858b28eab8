"""All that a run found: the tree of ``results.json``, each key an attribute of a type.

The branches are filled in where their numbers are computed; files are read and written in
:mod:`common.study.results`.
"""

from __future__ import annotations

from pydantic import Field

from common.effects.baseline import Baseline
from common.effects.breakdown import LostPart
from common.effects.by_class import ByClass
from common.effects.claim import Claim
from common.effects.described import DescribedLocalizer, DescribedModel, Evaluation
from common.effects.displayed import localized_html, results_html
from common.effects.judgement import Judgement
from common.effects.localized import Area, Selectivity
from common.effects.masked import MaskResult
from common.effects.massive import Massive
from common.effects.measured import AGREEMENT
from common.effects.paired import Rate
from common.effects.parts import Part
from common.effects.perplexity import TextPerplexity
from common.effects.sufficient import Sufficient
from common.measure.balance import Balance


class Localized(Part):
    """What is known once the units have been found."""

    model: DescribedModel
    """Which model was used."""
    localizer: DescribedLocalizer
    """Which contrast found the units."""
    selectivity: Selectivity
    """What the localizer found."""
    baseline: Baseline | None = None
    """How selective the units are beside those of untrained networks, where these were asked for
    or left out for a reason."""

    def _repr_html_(self) -> str:
        return localized_html(self)


class Results(Localized):
    """All that a run found.

    Examples
    --------
    >>> told = load_results(run_folder)
    >>> told.groups, told.judgement.outcome
    (('face', 'object'), 'evidence')
    """

    evaluation: Evaluation
    """On what the masks were tried."""
    ablation: str
    """How units were replaced: ``zero``, ``mean``, ``resample`` or ``scale:X``."""
    intact: dict[str, Rate]
    """By group, accuracy without a mask."""
    ablations: tuple[MaskResult, ...]
    """One entry a mask."""
    headline_percent: float
    """The dose that the verdict is about: 1 where it was tried, else the first."""
    judgement: Judgement
    """The verdict, from the items alone: what ``common.judge`` makes of ``items.csv``."""
    text_judgements: dict[str, Judgement] = Field(default_factory=dict)
    """By running text, the verdict on its windows (language)."""
    balances: tuple[Balance, ...] = ()
    """How like the masks that they stand against the control masks are: loudness, overlap, shares
    of the sites."""
    breakdown: tuple[LostPart, ...] = ()
    """What every part of the evaluation lost, where its items have levels."""
    perplexity: tuple[TextPerplexity, ...] = ()
    """How well running texts are predicted, where they were measured (language)."""
    massive: Massive | None = None
    """Its massive units, and how loud every mask is."""
    donors: tuple[str, ...] = ()
    """Control stimuli whose values were put in, where units were replaced by ``resample``."""
    by_class: ByClass | None = None
    """Whether classes that the chosen units answer to more lose more, where items have classes."""
    sufficient: Sufficient | None = None
    """What still works with the chosen units alone left of their layers, where that was asked."""
    area: Area | None = None
    """The built-in area of a phantom that has one."""
    warnings: tuple[str, ...] = ()
    """What a reader should know before believing the verdict; made from the numbers."""
    established: tuple[Claim, ...] = ()
    """Claim by claim, whether the run shows it; made from the numbers."""
    verdict: str = ""
    """The finding in words; made from the numbers."""

    def _repr_html_(self) -> str:
        return results_html(self)

    @property
    def doses(self) -> tuple[float, ...]:
        """The doses in the order of the masks."""
        return tuple(dict.fromkeys(entry.percent for entry in self.ablations))

    @property
    def groups(self) -> tuple[str, ...]:
        """The target group, and the other where there is one."""
        target, other = self.evaluation.target, self.evaluation.other
        return (target,) if other is None else (target, other)

    def top(self, dose: float | None = None) -> MaskResult:
        """The entry of the top mask at a dose, by default the one that the verdict is about."""
        return self.at(self.headline_percent if dose is None else dose, "top")[0]

    def at(self, dose: float, rule: str) -> list[MaskResult]:
        """The masks of a rule at a dose, in the order of their draws."""
        return [e for e in self.ablations if e.percent == dose and e.rule == rule]

    def rules(self, dose: float) -> list[str]:
        """The rules of the masks at a dose, in their order."""
        return [*dict.fromkeys(e.rule for e in self.ablations if e.percent == dose)]

    def chance(self, group: str) -> float | None:
        """The share of a group's items that guessing gets right, where it is known."""
        if self.evaluation.measure == AGREEMENT:
            return None
        return self.evaluation.chances.get(group, self.model.chance)

    def lost_parts(self) -> dict[str, list[LostPart]]:
        """The breakdown at the dose of the finding by level; empty where items have no levels."""
        levels: dict[str, list[LostPart]] = {}
        for entry in self.breakdown:
            if entry.percent == self.headline_percent:
                levels.setdefault(entry.level, []).append(entry)
        return levels
