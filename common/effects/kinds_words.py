"""What a comparison of kinds of sites says in words, made from its numbers and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from common.effects.claim import NO, UNTOLD, YES
from common.effects.finding import amount, amount_within
from common.effects.site_kinds import AskedKinds, ComparedSites, KindEffect
from common.effects.words import (
    made_alike,
    matched_texts,
    of_model,
    of_stimuli,
    percent,
    read_twice,
)

Outcome = Literal["one kind is largest", "no single kind", "no evidence", "cannot tell"]
ONE: Outcome = "one kind is largest"
SEVERAL: Outcome = "no single kind"
NONE: Outcome = "no evidence"
UNKNOWN: Outcome = "cannot tell"
LARGE = 10  # percent of a kind's units from which on it is told that masks hold as many


def outcome(found: ComparedSites) -> Outcome:
    """Whether one kind is the largest and more than matched units, or several, or none are."""
    asked = found.asked[0]
    more = [each for each in asked.kinds if each.more_than_matched == YES]
    if any(each.largest == YES for each in more):
        return ONE
    if more:
        return SEVERAL
    return UNKNOWN if any(each.more_than_matched == UNTOLD for each in asked.kinds) else NONE


def plainly(found: ComparedSites) -> str:
    """The finding in two short sentences."""
    asked = found.asked[0]
    first, second = asked.ranked[:2]
    units = f"{found.n_units:,} {'unit' if found.n_units == 1 else 'units'}"
    largest = (
        f"With {units} of each kind {_effect(asked)} is largest at {first.kind} "
        f"({amount(first.adjusted.effect)}; next is {second.kind} with "
        f"{amount(second.adjusted.effect)})"
    )
    largest += {
        YES: ", which is more than at every other kind.",
        NO: f", which is not shown to be more than at {first.rival.other}.",
        UNTOLD: f", and whether that is more cannot be told ({first.because}).",
    }[first.largest]
    return f"{largest} {_matched(asked)}"


def _matched(asked: AskedKinds) -> str:
    more = [each.kind for each in asked.ranked if each.more_than_matched == YES]
    untold = [each for each in asked.ranked if each.more_than_matched == UNTOLD]
    if more:
        rest = f"; at {_listed([e.kind for e in untold])} it cannot be told" if untold else ""
        return f"More than matched units of the same kind take it at {_listed(more)}{rest}."
    if untold:
        kinds = _listed([each.kind for each in untold])
        where = "" if len(untold) == 1 else f"at {untold[0].kind}: "
        rest = "" if len(untold) == len(asked.kinds) else "; at no other is it shown to be more"
        return (
            f"Whether matched units take as much cannot be told at {kinds} "
            f"({where}{untold[0].because}){rest}."
        )
    return "At no kind is it shown to be more than matched units of that kind take."


def _effect(asked: AskedKinds) -> str:
    if asked.other is None:
        return f"what {asked.target} loses"
    return f"what {asked.target} loses more than {asked.other} at equal margin"


def said(found: ComparedSites) -> str:
    """The finding: the plain lines, and the sentences with intervals."""
    return " ".join([plainly(found), *sentences(found)])


def sentences(found: ComparedSites) -> list[str]:
    """The numbers of the largest effect of every question, as it is and beyond matched draws."""
    return [told for asked in found.asked for told in _sentences(asked)]


def _sentences(asked: AskedKinds) -> Iterator[str]:
    first, n = asked.ranked[0], len(asked.kinds)
    rival = first.rival
    about = "" if asked.name == "items" else f"{asked.name}: "
    yield (
        f"{about}{first.kind} {amount_within(first.adjusted)}; {amount_within(rival.more)} more "
        f"than {rival.other}, on the same {'items' if not about else 'windows'} "
        f"(p = {first.p:.2g}, corrected for {n} kinds). {_drawn(first)}"
    )
    if asked.rule is None:
        return
    past = asked.ranked_beyond[0]
    ahead = past.rival_beyond
    assert past.beyond is not None
    assert ahead.beyond is not None
    assert past.beyond_p is not None
    yield (
        f"{about}Beyond the mean of {asked.rule} draws of the same kind the largest is "
        f"{past.kind}, {amount_within(past.beyond)}; {amount_within(ahead.beyond)} more than "
        f"{ahead.other} (p = {past.beyond_p:.2g}, corrected for {n} kinds)."
    )


def _drawn(first: KindEffect) -> str:
    told = "; ".join(
        f"{each.rule} draws of it come to {amount(each.mean)} on average "
        f"(p = {each.p:.3f} among {len(each.effects)}, over all kinds)"
        for each in first.drawn
    )
    return f"{told[:1].upper()}{told[1:]}." if told else "No matched units were drawn."


def _listed(names: list[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def cautions(found: ComparedSites) -> Iterator[str]:
    """What a reader should know before believing it."""
    yield from of_model(found.model)
    if found.evaluation.overlap:
        yield f"{found.evaluation.overlap} evaluation stimuli were in the localizer too."
    yield from of_stimuli(found.localizer, found.evaluation)
    yield from matched_texts(found.localizer)
    yield from made_alike(found.evaluation)
    yield from _of_kinds(found)
    yield from _read_twice(found)
    yield from _of_verdicts(found.asked[0])


def _of_kinds(found: ComparedSites) -> Iterator[str]:
    for reason in dict.fromkeys(found.left_out.values()):
        kinds = [kind for kind, why in found.left_out.items() if why == reason]
        yield f"Not compared: {_listed(kinds)} ({reason})."
    for each in found.kinds:
        if each.width > 1:
            yield (
                f"A {each.kind} is {each.width} neighbouring channels, so as many of them are more "
                "of the model than as many units of another kind."
            )
        if each.percent >= LARGE:
            yield (
                f"{found.n_units:,} units are {percent(each.percent / 100)} of all of {each.kind}: "
                "matched draws share some with the mask, and do more for it."
            )
    for pair in found.shared:
        yield (
            f"{pair.n:,} of the {found.n_units:,} units of {pair.one} and of {pair.other} are the "
            "same ones, in the same place."
        )


def _read_twice(found: ComparedSites) -> Iterator[str]:
    for each in found.kinds:
        if n := (each.selectivity.twins or {}).get(f"{each.percent:g}", 0):
            yield f"{each.kind}: {read_twice(n, found.n_units)}"


def _of_verdicts(asked: AskedKinds) -> Iterator[str]:
    """What is said of the verdict on one kind; of all of them once."""
    told: dict[str, list[str]] = {}
    for each in asked.kinds:
        for warning in each.judgement.warnings:
            told.setdefault(warning, []).append(each.kind)
    for warning, kinds in told.items():
        yield warning if len(kinds) == len(asked.kinds) else f"{', '.join(kinds)}: {warning}"
