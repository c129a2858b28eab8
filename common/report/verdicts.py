"""The verdict as it is shown: outcome, plain line, sentence, and the table dose by dose.

One place makes the words for the terminal, the app and the report; each only lays them out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from common.effects.finding import amount, finding, plainly, said
from common.effects.judgement import (
    DIFFICULTY,
    EVIDENCE,
    NONE,
    UNKNOWN,
    Comparison,
    Estimate,
    Judgement,
    Outcome,
    Verdict,
)
from common.effects.measured import changed_told
from common.effects.nouns import all_in_words_of, in_words_of
from common.effects.results import Results
from common.effects.words import between, points
from common.report.outcome_table import estimate
from common.report.parts import Cell, Table

UNBROKEN = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Badge:
    """How an outcome is marked: by a sign and a word, so that no colour is needed.

    Attributes
    ----------
    mark : str
        The sign.
    word : str
        The word.
    style : str
        What pages call its colour.
    """

    mark: str
    word: str
    style: str

    def __str__(self) -> str:
        """Sign and word."""
        return f"{self.mark} {self.word}"


BADGES: Mapping[Outcome, Badge] = {
    EVIDENCE: Badge("●", "Evidence", "evidence"),
    DIFFICULTY: Badge("◐", "Explained by difficulty", "difficulty"),
    NONE: Badge("○", "No evidence", "none"),
    UNKNOWN: Badge("?", "Cannot tell", "unknown"),
}


@dataclass(frozen=True)
class Said:
    """One verdict in words.

    Attributes
    ----------
    title : str
        What it is on; nothing for the verdict of the run.
    badge : Badge
        Its outcome.
    plain : str
        The line that needs no statistics; nothing for a part of the mask.
    sentence : str
        The numbers that it rests on, with intervals.
    rests : str
        On which rules and draws.
    notes : sequence of str
        What to know before believing it, where the run's own warnings do not say it.
    """

    title: str
    badge: Badge
    plain: str
    sentence: str
    rests: str
    notes: Sequence[str] = ()


def verdict_said(results: Results) -> Said:
    """The verdict of the run."""
    judgement = results.judgement
    plain = in_words_of(results.selectivity.unit, plainly(judgement))
    sentence = results.verdict.removeprefix(plain).strip()
    rests = _rests(judgement, judgement.verdict)
    return Said("", BADGES[judgement.outcome], plain, sentence, rests)


def beside(results: Results) -> list[Said]:
    """What is judged besides: the top mask's matched part, and running texts."""
    judgement, found = results.judgement, []
    if (part := judgement.matched_part) is not None:
        sizes = _sizes(results)
        title = f"Its matched part alone: {sizes[part.mask]:,} of {results.top().n_units:,} units"
        sentence, rests = said(judgement, part), _rests(judgement, part)
        found.append(Said(title, BADGES[part.outcome], "", sentence, rests))
    for name, judged in results.text_judgements.items():
        badge, rests = BADGES[judged.outcome], _rests(judged, judged.verdict)
        title, plain = f"On running text: {name}", plainly(judged)
        found.append(Said(title, badge, plain, finding(judged), rests, judged.warnings))
    return all_in_words_of(results.selectivity.unit, found)


def _rests(judgement: Judgement, verdict: Verdict) -> str:
    """Which rules and draws a verdict rests on."""
    matched = _matched(verdict)
    if not matched:
        return "No matched control was drawn for the verdict to rest on."
    over = f" over {len(judgement.doses)} doses" if len(judgement.doses) > 1 else ""
    of_text = any(group.intact is None for group in verdict.groups.values())
    largest = "the rank among them" if len(matched) == 1 else "the largest of the ranks among them"
    return (
        f"It rests on {' and '.join(map(_drawn, matched))}; p is {largest}{over}. Under the mask "
        f"{changed_told(verdict.n_changed, judgement.measure, of_text)}."
    )


def _drawn(entry: Comparison) -> str:
    beside = ["held against the matched part"] if entry.against == "matched-part" else []
    beside += ["more would not change p"] if entry.settled else []
    told = f" ({'; '.join(beside)})" if beside else ""
    return f"{entry.draws} {entry.rule} draws{told}"


def _matched(verdict: Verdict) -> list[Comparison]:
    return [entry for entry in verdict.comparisons if entry.matched]


# --- dose by dose ---


def verdict_tables(results: Results) -> list[Table]:
    """The verdict at every dose: on the items, and on every running text."""
    judged = {"": results.judgement, **results.text_judgements}
    tables = [_table(name, judgement, _sizes(results)) for name, judgement in judged.items()]
    return all_in_words_of(results.selectivity.unit, tables)


def _sizes(results: Results) -> dict[str, int]:
    return {entry.mask: entry.n_units for entry in results.ablations}


def _table(name: str, judgement: Judgement, sizes: Mapping[str, int]) -> Table:
    several, of_text = len(judgement.doses) > 1, judgement.interaction is None
    alone = judgement.other is None
    lines = [(_dose_name(each, "", sizes), each) for each in judgement.doses]
    parts = judgement.matched_parts
    lines += [(_dose_name(each, "matched part of ", sizes), each) for each in parts]
    heads = [
        "dose", "outcome", "margin loss" if alone else "adjusted effect",
        "p over doses" if several else "p", *(["p of the dose alone"] if several else []), "draws",
        *([] if of_text else ["drop" if alone else f"interaction of {judgement.measure}"]),
        "smallest visible effect",
    ]  # fmt: skip
    rows = [[head, *_cells(verdict, several, of_text)] for head, verdict in lines]
    heading = f"The verdict on {name} by dose" if name else "The verdict by dose"
    return Table(heading, _table_note(judgement, of_text), heads, rows)


def _dose_name(verdict: Verdict, before: str, sizes: Mapping[str, int]) -> Cell:
    n_units = sizes.get(verdict.mask)
    size = "" if n_units is None else f"{n_units:,} {'unit' if n_units == 1 else 'units'}"
    return Cell(f"{before}{verdict.percent:g} %", size)


def _cells(verdict: Verdict, several: bool, of_text: bool) -> list[Cell]:
    matched = _matched(verdict)
    alone = max((entry.p_alone for entry in matched), default=None)
    visible = verdict.smallest_visible
    return [
        Cell(str(BADGES[verdict.outcome]).replace(" ", UNBROKEN)),
        estimate(verdict.adjusted),
        Cell(_p(verdict.adjusted.p)),
        *([Cell(_p(alone))] if several else []),
        Cell(", ".join(f"{entry.draws} {entry.rule}" for entry in matched)),
        *([] if of_text else [_accuracy(verdict.interaction)]),
        Cell("" if visible is None else amount(visible).lstrip("+")),
    ]


def _accuracy(interaction: Estimate | None) -> Cell:
    if interaction is None:
        return Cell()
    ranked = "" if interaction.p is None else f", p = {interaction.p:.3f}"
    return Cell(points(interaction.effect), f"{between(interaction.ci)}{ranked}")


def _p(p: float | None) -> str:
    return "" if p is None else f"{p:.3f}"


def _table_note(judgement: Judgement, of_text: bool) -> str:
    target, other = judgement.target, judgement.other
    unit = "nats a token" if of_text else "units of the margin"
    effect = f"Margin that {target} lost" if other is None else (
        f"Margin that {target} lost more than {other} where both had as much intact"
    )  # fmt: skip
    told = [
        f"{effect}, in {unit}, with its 95 % interval.",
        "p: the largest of the ranks among the draws of the matched rules.",
        "Smallest visible: the effect that would have been found in 80 % of such runs.",
    ]
    told += [
        f"At {each.percent:g} % nothing can be told: {each.reason}."
        for each in judgement.doses
        if each.reason
    ]
    return " ".join(told)
