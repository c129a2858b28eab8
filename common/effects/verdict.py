"""What a run says in words, generated from its numbers and from nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import geometric_mean

from common.effects.baseline import beside_untrained
from common.effects.finding import finding, plainly
from common.effects.massive import PEAK
from common.effects.measured import AGREEMENT, BY_DEFINITION
from common.effects.nouns import in_words_of
from common.effects.results import Results
from common.effects.words import (
    made_alike,
    matched_classes,
    matched_texts,
    of_stimuli,
    percent,
    read_twice,
)
from common.measure.control_rules import is_matched
from common.measure.matching import MATCHED_PART, UNMATCHED_PART

LOUD = "magnitude-matched"
LOUDER = 1.25  # times as loud at some token as controls that are as loud at the one that is read


def verdict(results: Results) -> str:
    """The finding: the plain line, what was done, and the sentence with its intervals."""
    return in_words_of(results.selectivity.unit, _verdict(results))


def _verdict(results: Results) -> str:
    top = results.top()
    done = {
        "zero": "zeroed",
        "mean": "set to their mean",
        "resample": "set to what they were on other, control stimuli",
    }.get(results.ablation, f"scaled by {results.ablation.removeprefix('scale:')}")
    one, listed = top.n_units == 1, results.selectivity.chosen
    which = (
        f"of the list {listed.name}" if listed else f"most selective for {results.localizer.name}"
    )
    return (
        f"{plainly(results.judgement)} The {top.n_units:,} {'unit' if one else 'units'} "
        f"({top.percent:g} % of {results.selectivity.n_units:,}) {which} "
        f"{'was' if one else 'were'} {done}. {finding(results.judgement)}"
    )


def warnings(results: Results) -> list[str]:
    """What a reader should know before believing the verdict."""
    told = [*_of_units(results), *_of_controls(results), *results.judgement.warnings]
    unit = results.selectivity.unit
    return [*_of_stimuli(results), *(in_words_of(unit, each) for each in told)]


def _of_stimuli(results: Results) -> Iterator[str]:
    if results.model.phantom:
        yield (
            "The model is a phantom: the run shows that the instrument works, nothing about brains."
        )
    if results.model.untrained:
        yield (
            "The weights are untrained: units with q < 0.05 show that the stimuli differ, not that "
            "anything was learned about them."
        )
    if results.model.unsaid:
        yield results.model.unsaid
    if results.evaluation.overlap:
        yield f"{results.evaluation.overlap} evaluation stimuli were in the localizer too."
    yield from of_stimuli(results.localizer, results.evaluation)
    if results.evaluation.measure == AGREEMENT:
        yield BY_DEFINITION
    yield from matched_texts(results.localizer)
    yield from matched_classes(results.model.name, results.evaluation)
    yield from made_alike(results.evaluation)


def _few_selective(n_selective: int, n_units: int, symbol: str) -> str:
    if not n_selective:
        return (
            f"No unit has {symbol} > 0 and q < 0.05: the {n_units:,} that were masked cannot be "
            "told from chance."
        )
    have = "unit has" if n_selective == 1 else "units have"
    return (
        f"Only {n_selective:,} {have} {symbol} > 0 and q < 0.05: the others among the {n_units:,} "
        "that were masked cannot be told from chance."
    )


def _of_units(results: Results) -> Iterator[str]:
    n_units, n_selective = results.top().n_units, results.selectivity.n_selective_q05
    symbol = results.selectivity.words.symbol
    if (listed := results.selectivity.chosen) is not None:
        yield (
            f"The mask is the list {listed.name}, {n_units:,} units chosen by hand, and not those "
            "of the highest score: where “top” is written, this list is meant."
        )
        n_selective = listed.n_selective_q05
    if n_selective is not None and n_selective < n_units:
        yield _few_selective(n_selective, n_units, symbol)
    if twins := (results.selectivity.twins or {}).get(f"{results.headline_percent:g}", 0):
        yield read_twice(twins, n_units)
    lower = (results.selectivity.lower_signed or {}).get(f"{results.headline_percent:g}", 0)
    if lower:
        have, it = ("has", "it answers") if lower == 1 else ("have", "they answer")
        yield (
            f"{lower:,} of the {n_units:,} masked units {have} a lower mean for the target once "
            f"signs count: {it} to it by falling below zero."
        )
    if (base := results.baseline) is not None:
        if base.left_out:
            yield beside_untrained(base, results.selectivity.words)
        elif not base.exceeded:
            yield (
                "Untrained networks of the same architecture have units as selective as the most "
                "selective 1 % of this model: nothing says that training made them."
            )
    if apart := results.selectivity.separated:
        names = "; ".join(apart[:3]) + ("; …" if len(apart) > 3 else "")
        yield (
            f"{len(apart):,} units separate the conditions without any variance, so their {symbol} "
            f"has no finite value; they rank first: {names}."
        )
    for group in results.groups:
        chance, intact = results.chance(group), results.intact[group]
        if chance is not None and intact.ci[0] <= chance:
            yield f"Intact accuracy on {group} is not above chance ({percent(chance)})."


def _louder_elsewhere(results: Results) -> Iterator[str]:
    """Controls of texts are matched at the token that is read, and a mask works at every token."""
    massive, dose = results.massive, results.headline_percent
    draws = results.at(dose, LOUD)
    own = results.at(dose, MATCHED_PART) or results.at(dose, "top")
    if massive is None or massive.measure != PEAK or not draws:
        return
    times, level = massive.masks[own[0].mask], [massive.masks[each.mask] for each in draws]
    if all(level) and (ratio := times / geometric_mean(level)) >= LOUDER:
        yield (
            f"{LOUD} controls of the top {dose:g} % are as loud as it is where the localizer "
            f"reads; by {PEAK} it is {ratio:.1f} times as loud as they are, and what it costs "
            "beyond them may be that."
        )


def _of_controls(results: Results) -> Iterator[str]:
    """At the headline dose; the others' stand with their numbers."""
    yield from _louder_elsewhere(results)
    dose = results.headline_percent
    unmatched = results.at(dose, UNMATCHED_PART)
    if unmatched:
        n_units, alone = results.top().n_units, unmatched[0].n_units
        have, their = ("has", "its") if alone == 1 else ("have", "their")
        yield (
            f"{alone:,} of the top {n_units:,} units {have} no equally loud partner in {their} "
            "site: no control says what units as loud would do that are not selective."
        )
    for entry in results.balances:
        if entry.percent == dose and is_matched(entry.rule):
            yield from entry.warnings
