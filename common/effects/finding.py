"""What a judgement says in words, made from its numbers and from nothing else.

Signs are those of the tables: a positive drop or loss is what was lost.
"""

from __future__ import annotations

import math
from typing import Protocol

from common.effects.judgement import (
    DIFFICULTY,
    EVIDENCE,
    UNKNOWN,
    Comparison,
    Estimate,
    GroupEffect,
    Judgement,
    Verdict,
)
from common.effects.measured import AGREEMENT, WORDS
from common.effects.parts import Interval
from common.effects.words import between, percent, points

MOST_TELLING = ("magnitude-matched", "layer-matched", "random")
EQUALS = {
    "magnitude-matched": "Without as many equally loud units instead",
    "layer-matched": "Without as many other units of these layers instead",
    "random": "Without as many random units instead",
}
PART = "Without only the units that have equally loud partners"
PARTNERS = "Without these partners instead"


def amount(value: float) -> str:
    """A difference of margins, with three digits: ``+0.251``."""
    if math.isinf(value):
        return "no bound"
    if value == 0:
        return "+0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:+.{min(digits, 6)}f}"


def between_amounts(ci: Interval) -> str:
    """An interval of differences of margins: ``[+0.198, +0.307]``."""
    return f"[{amount(ci[0])}, {amount(ci[1])}]"


class WithInterval(Protocol):
    """A difference of margins and its interval."""

    @property
    def effect(self) -> float: ...

    @property
    def ci(self) -> Interval: ...


def amount_within(known: WithInterval) -> str:
    """A difference of margins and its interval: ``+0.251 [+0.198, +0.307]``."""
    return f"{amount(known.effect)} {between_amounts(known.ci)}"


def plainly(judgement: Judgement) -> str:
    """The finding in one line that needs no statistics.

    ``Face: 100 → 14 % right. Object: unchanged. Without as many equally loud units instead: face
    97 %.``

    Evidence that no count shows is told by margins:

    ``Face: 80 % right as before, +0.291 margin lost. …``

    Where the controls stand for a part of the mask, that part stands beside them:

    ``Prose: +9.11 margin lost. Without only the units that have equally loud partners: prose +16.5.
    Without these partners instead: prose +12.4.``
    """
    verdict = judgement.verdict
    agreed, unseen = judgement.measure == AGREEMENT, _is_unseen(judgement)
    parts = [_plain_group(name, group, agreed, unseen) for name, group in verdict.groups.items()]
    if (control := _most_telling(verdict)) is not None:
        parts += _plain_control(control, judgement, unseen)
    return " ".join(parts)


def _is_unseen(judgement: Judgement) -> bool:
    """Whether there is evidence although as many of the target are right as before."""
    verdict = judgement.verdict
    percents = _percents(verdict.groups[judgement.target])
    return verdict.outcome == EVIDENCE and percents is not None and len({*percents}) == 1


def finding(judgement: Judgement) -> str:
    """The outcome and the numbers that it rests on, with intervals, rules and draws."""
    return said(judgement, judgement.verdict)


def said(judgement: Judgement, verdict: Verdict) -> str:
    """The same for one dose, or for the matched part.

    Parameters
    ----------
    judgement : Judgement
        Names the groups.
    verdict : Verdict
        One of its verdicts.
    """
    sentences = [
        f"{_outcome(judgement, verdict)}: {_adjusted(judgement, verdict)}{_ranked(verdict)}."
    ]
    sentences += [_least(entry) for entry in _matched(verdict)[:1] if _at_least(verdict, entry)]
    if verdict.interaction is not None:
        sentences.append(_accuracy(judgement, verdict, verdict.interaction))
    if verdict.outcome != EVIDENCE and (visible := verdict.smallest_visible) is not None:
        seen = amount(visible).lstrip("+")
        sentences.append(f"An effect of {seen} would have been found in 80 % of such runs.")
    return " ".join(sentence for sentence in sentences if sentence)


def _percents(group: GroupEffect) -> tuple[int, int] | None:
    """Right before and after, in whole percent, where that is known."""
    if group.intact is None or group.ablated is None:
        return None
    return round(100 * group.intact.accuracy), round(100 * group.ablated.accuracy)


def _plain_group(name: str, group: GroupEffect, agreed: bool, unseen: bool) -> str:
    lost = f"{amount(group.loss.effect)} margin lost"
    if (percents := _percents(group)) is None:
        return f"{_capital(name)}: {lost}."
    before, after = percents
    if agreed:
        return f"{_capital(name)}: {after} % of predictions stay."
    if unseen:
        right = f"{after} % right as before" if before == after else f"{before} → {after} % right"
        return f"{_capital(name)}: {right}, {lost}."
    change = "unchanged" if before == after else f"{before} → {after} % right"
    return f"{_capital(name)}: {change}."


def _plain_control(control: Comparison, judgement: Judgement, unseen: bool) -> list[str]:
    target, part = judgement.target, judgement.matched_part
    counted = bool(control.accuracy) and not unseen
    drawn = _right(control.accuracy[target]) if counted else amount(control.loss[target])
    if control.against != "matched-part" or part is None:
        return [f"{EQUALS[control.rule]}: {target} {drawn}."]
    group = part.groups[target]
    rate = group.ablated if counted else None
    alone = amount(group.loss.effect) if rate is None else _right(rate.accuracy)
    return [f"{PART}: {target} {alone}.", f"{PARTNERS}: {target} {drawn}."]


def _right(accuracy: float) -> str:
    return f"{round(100 * accuracy)} %"


def _most_telling(verdict: Verdict) -> Comparison | None:
    by_rule = {entry.rule: entry for entry in verdict.comparisons}
    return next((by_rule[rule] for rule in MOST_TELLING if rule in by_rule), None)


def _outcome(judgement: Judgement, verdict: Verdict) -> str:
    target, other = judgement.target, judgement.other
    claim = f"that these units serve {target}" + (f" more than {other}" if other else "")
    if verdict.outcome == EVIDENCE:
        return f"Evidence {claim}"
    if verdict.outcome == DIFFICULTY:
        return (
            f"Explained by difficulty: {target} {WORDS[judgement.measure].loses_more} {other}, but "
            "does not lose more margin where both had as much"
        )
    if verdict.outcome == UNKNOWN:
        return f"Whether these units serve {target} cannot be told ({verdict.reason})"
    if verdict.adjusted.ci[1] < 0:
        lost = f"{other} lost more" if other else f"{target} gained"
        return f"No evidence {claim}; {lost}"
    return f"No evidence {claim}"


def _adjusted(judgement: Judgement, verdict: Verdict) -> str:
    effect = amount_within(verdict.adjusted)
    if judgement.other is None:
        return f"the loss of margin on {judgement.target} is {effect}"
    return f"at equal intact margin {judgement.target} lost {effect} more margin"


def _ranked(verdict: Verdict) -> str:
    if (p := verdict.adjusted.p) is None:
        return ""
    rules = " and ".join(
        f"{entry.draws} {entry.rule} draws"
        + (" (against the matched part)" if entry.against == "matched-part" else "")
        for entry in _matched(verdict)
    )
    return f", p = {p:.3f} among {rules}"


def _matched(verdict: Verdict) -> list[Comparison]:
    """Matched rules, the one that p comes from first."""
    return sorted((e for e in verdict.comparisons if e.matched), key=lambda entry: -entry.p)


def _at_least(verdict: Verdict, entry: Comparison) -> bool:
    return verdict.adjusted.p == entry.p == entry.least


def _least(entry: Comparison) -> str:
    return f"p = {entry.least:.3f} is the least that {entry.draws} draws allow."


def _accuracy(judgement: Judgement, verdict: Verdict, interaction: Estimate) -> str:
    what = WORDS[judgement.measure].lost
    lost = " and ".join(
        f"{name} {points(group.drop.effect)} points {between(group.drop.ci)} "
        f"({_from_to(judgement, group)}n = {group.n:,})"
        for name, group in verdict.groups.items()
        if group.drop is not None
    )
    if judgement.other is None:
        return f"{what}: {lost}."
    gap = f"{points(interaction.effect)} points {between(interaction.ci)}"
    ranked = "" if interaction.p is None else f", p = {interaction.p:.3f}"
    return f"{what}: {lost}; their difference is {gap}{ranked}."


def _from_to(judgement: Judgement, group: GroupEffect) -> str:
    """The two rates; nothing by agreement, where the first is 100 % by definition."""
    if judgement.measure == AGREEMENT or group.intact is None or group.ablated is None:
        return ""
    return f"from {percent(group.intact.accuracy)} to {percent(group.ablated.accuracy)}, "


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]
