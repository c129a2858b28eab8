"""How results show themselves in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.base.html import paragraphs_html, table_html
from common.effects.finding import amount_within, finding, plainly
from common.effects.words import between, percent, points

if TYPE_CHECKING:
    from common.effects.judgement import Judgement
    from common.effects.results import Localized, Results


def judgement_html(judged: Judgement) -> str:
    """The outcome, the plain line, the sentence with its numbers, and a row a dose."""
    rows = [
        [f"{each.percent:g} %", each.outcome, amount_within(each.adjusted),
         "" if each.adjusted.p is None else f"{each.adjusted.p:.3f}"]
        for each in judged.doses
    ]  # fmt: skip
    names = ["dose", "outcome", "adjusted effect", "p"]
    said = [plainly(judged), finding(judged), *judged.warnings]
    return table_html(judged.outcome.capitalize(), names, rows) + paragraphs_html(said)


def localized_html(told: Localized) -> str:
    """Model, localizer and how selective the units are."""
    found, words = told.selectivity, told.selectivity.words
    half = found.split_half
    rows = [
        ["model", told.model.name],
        ["localizer", f"{told.localizer.name}: {told.localizer.n_target:,} target, "
                      f"{told.localizer.n_control:,} control stimuli"],
        ["units", f"{found.n_units:,} {found.unit}s at {found.n_sites:,} sites"],
        [f"highest {words.symbol}", words.said(found.t_max)],
        *([] if half is None else [["split halves", f"r = {half.correlation:.3f}"]]),
    ]  # fmt: skip
    return table_html("Localized", ["", ""], rows)


def results_html(told: Results) -> str:
    """What was found where, what was lost at the dose of the verdict, and the verdict."""
    top = told.top()
    rows = []
    for name in told.groups:
        before, after = told.intact[name], top.groups[name]
        shares = percent(before.accuracy), percent(after.accuracy)
        rows.append(
            [name, f"{before.n:,}", *shares, f"{points(after.drop)} {between(after.drop_ci)}"]
        )
    n_units = told.selectivity.n_units
    heading = f"Top {top.percent:g} % of {n_units:,} units ablated by {told.ablation}"
    names = ["group", "items", "intact", "ablated", "drop (points)"]
    lost = table_html(heading, names, rows)
    return localized_html(told) + lost + judgement_html(told.judgement)
