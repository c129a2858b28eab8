"""The table of groups by masks, as the terminal, the app and the report show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from common.effects.finding import amount, between_amounts
from common.effects.judgement import Comparison, Estimate, Verdict
from common.effects.masked import Effect
from common.effects.measured import ACCURACY, AGREEMENT, WORDS
from common.effects.nouns import in_words_of
from common.effects.paired import Rate
from common.effects.parts import Interval
from common.effects.results import Results
from common.effects.words import between, points
from common.report.parts import Cell


@dataclass(frozen=True)
class Column:
    """One column of numbers.

    Attributes
    ----------
    name : str
        Its head.
    short : str
        The same where there is little room, and the columns before it are seen.
    side : str
        ``target`` or ``other`` where it is of one group.
    narrow : bool
        Whether it has a place where there is little room.
    kind : {"accuracy", "drop", "agreement", "effect", "p"}
        What its numbers are.
    """

    name: str
    short: str
    kind: str
    side: str = ""
    narrow: bool = True


@dataclass(frozen=True)
class Row:
    """One mask, or all draws of a rule.

    Attributes
    ----------
    rule : str
        Its rule.
    percent : float
        Its dose.
    n_units : int
        Units of the mask.
    draws : int
        Masks that share the row.
    cells : sequence of Cell
        In the order of the columns; several draws share their mean.
    called : str
        What it is called: its rule, or the list of units that stands for the top.
    """

    rule: str
    percent: float
    n_units: int
    draws: int
    cells: Sequence[Cell]
    called: str

    @property
    def top(self) -> bool:
        """Whether it is the mask that the verdict is about."""
        return self.rule == "top"


@dataclass(frozen=True)
class Dose:
    """The masks of one dose, the top one first."""

    percent: float
    headline: bool
    rows: Sequence[Row]
    unit: str = "unit"

    @property
    def size(self) -> str:
        """Its percent, and how many units that are."""
        n_units = self.rows[0].n_units
        told = f"{self.percent:g} %: {n_units:,} {'unit' if n_units == 1 else 'units'} a mask"
        return in_words_of(self.unit, told)


def columns(results: Results) -> list[Column]:
    """Columns after the mask's name."""
    found = []
    for group, side in zip(results.groups, ("target", "other"), strict=False):
        found.append(Column(group, group, "accuracy", side))
        found.append(Column(f"drop, {group}", "drop", "drop", side))
    if _has_agreement(results):
        sides = zip(results.groups, ("target", "other"), strict=False)
        found += [
            Column(f"agreement, {group}", "agreement", "agreement", side, narrow=False)
            for group, side in sides
        ]
    if len(results.groups) == 1:
        effect = Column("margin loss", "margin loss", "effect")
    else:
        found.append(Column("interaction", "interaction", "drop", narrow=False))
        effect = Column("adjusted effect", "adjusted", "effect")
    return [*found, effect, Column("p", "p", "p")]


def note(results: Results, beside: bool = True) -> str:
    """What the numbers are; without `beside`, of a table without agreement beside accuracy."""
    if len(results.groups) == 1:
        effect = f"Margin loss: {WORDS[results.evaluation.measure].margin}"
    else:
        target, other = results.groups
        effect = f"Adjusted effect: margin that {target} lost more than {other} at equal intact one"
    cells = WORDS[results.evaluation.measure].cells
    if beside and _has_agreement(results):
        cells += "; agreement, in % too: predictions that stay the intact model's"
    return (
        f"{cells}; drops (intact minus ablated) in points; [95 % intervals]. "
        f"{effect}. ×N: mean of N draws. p: rank of the top mask's effect among them."
    )


def _has_agreement(results: Results) -> bool:
    """Whether agreement stands beside accuracy: not where it is the measure, or was not kept."""
    known = all(each.agreement is not None for each in results.top().groups.values())
    return results.evaluation.measure == ACCURACY and known


def intact_row(results: Results) -> list[Cell]:
    """Accuracy without a mask; of agreement only that it is all by definition."""
    cells = []
    for group in results.groups:
        agreed = results.evaluation.measure == AGREEMENT
        cells += [Cell("all", "by definition") if agreed else rate(results.intact[group]), Cell()]
    return cells + [Cell()] * (len(columns(results)) - len(cells))


def doses(results: Results) -> list[Dose]:
    """The rows of every dose: the top mask first, then its parts and each control rule."""
    return [
        Dose(
            percent,
            percent == results.headline_percent,
            [_row(results, rule, percent) for rule in results.rules(percent)],
            results.selectivity.unit,
        )
        for percent in results.doses
    ]


def _row(results: Results, rule: str, percent: float) -> Row:
    same, cells = results.at(percent, rule), []
    for group in results.groups:
        effects = [entry.groups[group] for entry in same]
        cells.append(rate(effects[0]) if len(same) == 1 else _mean_rate(effects))
        cells.append(_spread([effect.drop for effect in effects], effects[0].drop_ci))
    if _has_agreement(results):
        cells += [_agreed([entry.groups[group] for entry in same]) for group in results.groups]
    if len(results.groups) > 1:
        cells.append(_spread([entry.interaction for entry in same], same[0].interaction_ci))
    compared = against(results, rule, percent)
    cells.append(_adjusted(own(results, rule, percent), compared))
    cells.append(Cell() if compared is None else Cell(f"{compared.p:.3f}"))
    listed = results.selectivity.chosen if rule == "top" else None
    called = rule if listed is None else listed.name
    return Row(rule, percent, same[0].n_units, len(same), cells, called)


def own(results: Results, rule: str, percent: float) -> Verdict | None:
    """The verdict on a mask itself: on the top one, or on its matched part."""
    judged = {"top": results.judgement.doses, "matched-part": results.judgement.matched_parts}
    return next((each for each in judged.get(rule, ()) if each.percent == percent), None)


def against(results: Results, rule: str, percent: float) -> Comparison | None:
    """How the top mask stands among the draws of a rule, if it was drawn more than once."""
    verdict = own(results, "top", percent)
    drawn = () if verdict is None else verdict.comparisons
    return next((each for each in drawn if each.rule == rule), None)


def estimate(entry: Estimate) -> Cell:
    """An effect on the margin with its interval."""
    return Cell(amount(entry.effect), between_amounts(entry.ci))


def _adjusted(verdict: Verdict | None, compared: Comparison | None) -> Cell:
    if verdict is not None:
        return estimate(verdict.adjusted)
    if compared is not None:
        return Cell(amount(compared.mean), f"(95 % up to {amount(compared.most)})")
    return Cell()


def rate(entry: Rate) -> Cell:
    """An accuracy with its interval."""
    low, high = entry.ci
    return Cell(f"{100 * entry.accuracy:.1f}", f"[{100 * low:.1f}, {100 * high:.1f}]")


def _agreed(entries: Sequence[Effect]) -> Cell:
    """Share of predictions that stay, as an accuracy is told."""
    ci = entries[0].agreement_ci
    if len(entries) == 1 and ci is not None and entries[0].agreement is not None:
        return rate(Rate(accuracy=entries[0].agreement, ci=ci, n=entries[0].n))
    return _mean([entry.agreement for entry in entries if entry.agreement is not None])


def _mean_rate(entries: Sequence[Rate]) -> Cell:
    return _mean([entry.accuracy for entry in entries])


def _mean(shares: Sequence[float]) -> Cell:
    values = [100 * share for share in shares]
    return Cell(f"{sum(values) / len(values):.1f}", f"({min(values):.1f} to {max(values):.1f})")


def _spread(values: Sequence[float], ci: Interval) -> Cell:
    """One mask's number with its interval, or the mean over draws with their range."""
    if len(values) == 1:
        return Cell(points(values[0]), between(ci))
    mean = points(sum(values) / len(values))
    return Cell(mean, f"({points(min(values))} to {points(max(values))})")
