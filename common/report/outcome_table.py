"""The table of groups by masks, as the terminal, the app and the report show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from common.effects.finding import amount, between_amounts
from common.effects.judgement import Comparison, Estimate, Verdict
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
    kind : {"accuracy", "drop", "effect", "p"}
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
    """

    rule: str
    percent: float
    n_units: int
    draws: int
    cells: Sequence[Cell]

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

    @property
    def size(self) -> str:
        """Its percent, and how many units that are."""
        n_units = self.rows[0].n_units
        return f"{self.percent:g} %: {n_units:,} {'unit' if n_units == 1 else 'units'} a mask"


def columns(results: Results) -> list[Column]:
    """Columns after the mask's name."""
    found = []
    for group, side in zip(results.groups, ("target", "other"), strict=False):
        found.append(Column(group, group, "accuracy", side))
        found.append(Column(f"drop, {group}", "drop", "drop", side))
    if len(results.groups) == 1:
        effect = Column("margin loss", "margin loss", "effect")
    else:
        found.append(Column("interaction", "interaction", "drop", narrow=False))
        effect = Column("adjusted effect", "adjusted", "effect")
    return [*found, effect, Column("p", "p", "p")]


def note(results: Results) -> str:
    """What the numbers are."""
    if len(results.groups) == 1:
        effect = "Margin loss: of the right answer over the best wrong one"
    else:
        target, other = results.groups
        effect = f"Adjusted effect: margin that {target} lost more than {other} at equal intact one"
    return (
        "Accuracy in %; drops (intact minus ablated) in points; [95 % intervals]. "
        f"{effect}. ×N: mean of N draws. p: rank of the top mask's effect among them."
    )


def intact_row(results: Results) -> list[Cell]:
    """Accuracy without a mask."""
    cells = []
    for group in results.groups:
        cells += [rate(results.intact[group]), Cell()]
    return cells + [Cell()] * (len(columns(results)) - len(cells))


def doses(results: Results) -> list[Dose]:
    """The rows of every dose: the top mask first, then its parts and each control rule."""
    return [
        Dose(
            percent,
            percent == results.headline_percent,
            [_row(results, rule, percent) for rule in results.rules(percent)],
        )
        for percent in results.doses
    ]


def _row(results: Results, rule: str, percent: float) -> Row:
    same, cells = results.at(percent, rule), []
    for group in results.groups:
        effects = [entry.groups[group] for entry in same]
        cells.append(rate(effects[0]) if len(same) == 1 else _mean_rate(effects))
        cells.append(_spread([effect.drop for effect in effects], effects[0].drop_ci))
    if len(results.groups) > 1:
        cells.append(_spread([entry.interaction for entry in same], same[0].interaction_ci))
    compared = against(results, rule, percent)
    cells.append(_adjusted(own(results, rule, percent), compared))
    cells.append(Cell() if compared is None else Cell(f"{compared.p:.3f}"))
    return Row(rule, percent, same[0].n_units, len(same), cells)


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


def _mean_rate(entries: Sequence[Rate]) -> Cell:
    values = [100 * entry.accuracy for entry in entries]
    return Cell(f"{sum(values) / len(values):.1f}", f"({min(values):.1f} to {max(values):.1f})")


def _spread(values: Sequence[float], ci: Interval) -> Cell:
    """One mask's number with its interval, or the mean over draws with their range."""
    if len(values) == 1:
        return Cell(points(values[0]), between(ci))
    mean = points(sum(values) / len(values))
    return Cell(mean, f"({points(min(values))} to {points(max(values))})")
