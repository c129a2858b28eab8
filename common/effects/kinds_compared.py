"""Which kind of site gives the largest adjusted effect, at the same number of units.

Two things are asked of every kind, and corrected for how many kinds were tried.

* Does its mask take more than matched units of the same kind do? Its rank among its own draws, over
  all kinds by the maximum statistic, stepped down (Westfall and Young 1993), beside the verdict on
  it alone, which has to be evidence.
* Does it take more than the masks of *all* other kinds do, on the same items? The adjusted effect
  of the difference of the losses, one-sided; the largest p over the other kinds is the kind's
  (Berger 1982), and these are corrected for the number of kinds after Holm (1979).

The second is asked of the effects as they are and of what they are beyond matched draws: units of
one kind may cost more than those of another whatever they are selective for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from common.effects.bench import Bench
from common.effects.claim import NO, UNTOLD, YES, Answer
from common.effects.controls import rank, ranks_over_doses
from common.effects.crossing import holm
from common.effects.judge import ALPHA, judge_bench
from common.effects.judgement import EVIDENCE, UNKNOWN, Estimate, Judgement
from common.effects.resample import Resampler
from common.effects.site_kinds import AskedKinds, KindEffect, KindLead, RankedDraws
from common.effects.studentized import one_sided
from common.effects.table import read_table
from common.measure.control_rules import closest, is_matched

Floats = npt.NDArray[np.float64]


def compared(
    name: str, tables: Mapping[str, pd.DataFrame], target: str, other: str | None
) -> AskedKinds:
    """One question, asked of every kind of site.

    Parameters
    ----------
    name : str
        What is asked about: ``items``, or a running text.
    tables : mapping of str to DataFrame
        By kind its items, intact and under its masks of one dose, as :func:`common.effects.judge`
        takes them; two kinds at least.
    target, other : str, str or None
        The groups, as there.
    """
    kinds = [_Kind(table, target, other) for table in tables.values()]
    rule = closest(
        set.intersection(*(set(kind.rules) for kind in kinds)), lambda rule: rule.matched
    )
    leads = _leads([*tables], kinds, rule)
    alone = [_largest([lead.more for lead in own]) for own in leads]
    beyond = None if rule is None else holm([_largest(_beyond(own)) for own in leads])
    drawn = _drawn(kinds)
    found = []
    for number, (kind, p) in enumerate(zip(tables, holm(alone), strict=True)):
        own, judged = kinds[number], judge_bench(kinds[number].bench)
        answer, because = _more_than_matched(judged, drawn[number], len(kinds))
        past = None if rule is None else own.bench.estimate(own.beyond(rule))
        ahead = [lead.more for lead in leads[number]]
        effect = KindEffect(
            kind=kind,
            judgement=judged,
            drawn=tuple(drawn[number]),
            beyond=past,
            more_than_matched=answer,
            because=because,
            leads=tuple(leads[number]),
            p_alone=alone[number],
            p=p,
            largest=_is_largest(judged, judged.adjusted, ahead, p),
            beyond_p=None if beyond is None else beyond[number],
            beyond_largest=(
                UNTOLD
                if past is None or beyond is None
                else _is_largest(judged, past, _beyond(leads[number]), beyond[number])
            ),
        )
        found.append(effect)
    return AskedKinds(name=name, target=target, other=other, rule=rule, kinds=tuple(found))


class _Kind:
    """The numbers of one kind."""

    def __init__(self, table: pd.DataFrame, target: str, other: str | None) -> None:
        self.bench = Bench(read_table(table, target, other), target, other, Resampler())
        (self.percent,) = self.bench.table.percents
        self._ranks = self.bench.ranks("top")

    @property
    def rules(self) -> list[str]:
        """Matched rules with more than one draw."""
        table = self.bench.table
        every = table.rules(self.percent)
        return [r for r in every if is_matched(r) and len(self.draws(r)) > 1]

    def draws(self, rule: str) -> npt.NDArray[np.intp]:
        return self.bench.table.at(rule, self.percent)

    def rival(self, rule: str) -> int:
        """Column of what the draws of a rule are compared with."""
        return self.bench.column(self._ranks.against(rule, self.percent), self.percent)

    def against(self, rule: str) -> str:
        return self._ranks.against(rule, self.percent)

    @property
    def losses(self) -> Floats:
        """Margin loss of every item under the top mask."""
        lost: Floats = self.bench.losses[:, self.bench.column("top", self.percent)]
        return lost

    def beyond(self, rule: str) -> Floats:
        """Of every item, what is lost beyond the mean of a rule's draws."""
        losses = self.bench.losses
        past: Floats = losses[:, self.rival(rule)] - losses[:, self.draws(rule)].mean(axis=1)
        return past

    def difference(self, losses: Floats) -> tuple[Estimate, Estimate]:
        """Adjusted effect of what one kind's mask takes more than another's; and the other way."""
        design = self.bench.design
        found = self.bench.estimate(losses, one_sided(design, losses))
        (low, high), back = found.ci, one_sided(design, -losses)
        return found, Estimate(effect=-found.effect, ci=(-high, -low), p=back)


def _leads(names: Sequence[str], kinds: Sequence[_Kind], rule: str | None) -> list[list[KindLead]]:
    """Of every kind, against every other; each two are computed once."""
    found: dict[tuple[int, int], KindLead] = {}
    for one, own in enumerate(kinds):
        for other in range(one + 1, len(kinds)):
            rival = kinds[other]
            more, less = own.difference(own.losses - rival.losses)
            past = back = None
            if rule is not None:
                past, back = own.difference(own.beyond(rule) - rival.beyond(rule))
            found[one, other] = KindLead(other=names[other], more=more, beyond=past)
            found[other, one] = KindLead(other=names[one], more=less, beyond=back)
    several = range(len(kinds))
    return [[found[one, other] for other in several if other != one] for one in several]


def _beyond(leads: Sequence[KindLead]) -> list[Estimate]:
    return [lead.beyond for lead in leads if lead.beyond is not None]


def _largest(leads: Sequence[Estimate]) -> float:
    return max(1.0 if lead.p is None else lead.p for lead in leads)


def _drawn(kinds: Sequence[_Kind]) -> list[list[RankedDraws]]:
    """By kind, against every matched rule: one p over all kinds that have the rule."""
    found: list[list[RankedDraws]] = [[] for _ in kinds]
    for rule in dict.fromkeys(rule for kind in kinds for rule in kind.rules):
        having = [number for number, kind in enumerate(kinds) if rule in kind.rules]
        n = min(len(kinds[number].draws(rule)) for number in having)
        tops, rows = [], []
        for number in having:
            kind = kinds[number]
            tops.append(float(kind.bench.coefficients[kind.rival(rule)]))
            rows.append(kind.bench.coefficients[kind.draws(rule)[:n]])
        over = ranks_over_doses(tops, np.column_stack(rows))
        for number, top, effects, ranked in zip(having, tops, rows, over, strict=True):
            own = RankedDraws(
                rule=rule, against=kinds[number].against(rule),
                effects=tuple(effects.tolist()), mean=float(effects.mean()), p=ranked.p,
                p_alone=rank(top, effects).p, least=1 / (n + 1),
            )  # fmt: skip
            found[number].append(own)
    return found


def _more_than_matched(
    judged: Judgement, drawn: Sequence[RankedDraws], n_kinds: int
) -> tuple[Answer, str]:
    """Whether the evidence holds over all kinds, and why not."""
    if judged.outcome == UNKNOWN:
        return UNTOLD, judged.reason
    if judged.outcome != EVIDENCE:
        return NO, judged.outcome
    worst = max(drawn, key=lambda each: each.p)
    if worst.p <= ALPHA:
        return YES, ""
    told = f"p = {worst.p:.3f} among {worst.rule} draws over {n_kinds} kinds"
    return (UNTOLD if worst.least > ALPHA else NO), told


def _is_largest(judged: Judgement, own: Estimate, leads: Sequence[Estimate], p: float) -> Answer:
    """Whether an effect is above 0 and above that of every other kind."""
    if judged.outcome == UNKNOWN:
        return UNTOLD
    ahead = own.ci[0] > 0 and all(lead.ci[0] > 0 for lead in leads)
    return YES if ahead and p <= ALPHA else NO
