"""Every localizer's mask on every group: which mask takes most from which.

Two masks are compared on the same items, so it does not matter how hard a group is, and a mask that
harms everything alike gains nothing: a double dissociation needs one mask ahead on one group and
another mask ahead on another. A cell is singled out if

* its mask takes more from the group than the mask of *every* other localizer, each comparison
  one-sided (the largest p of them is the cell's; Berger 1982), and these p's, corrected for the
  number of cells after Holm (1979), are at most 0.05;
* it takes more than matched units do, by its rank among their draws over all cells, with the
  maximum statistic stepped down (Westfall and Young 1993);
* and the intervals of the loss and of every lead lie above 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from common.effects.bench import whole_labels
from common.effects.claim import NO, UNTOLD, YES, Answer
from common.effects.controls import ranks_over_doses
from common.effects.dissociation import Cell, Double, Drawn, Group, Lead, Overlap
from common.effects.judge import ALPHA, FEWEST_CHANGED, FEWEST_ITEMS
from common.effects.judgement import Estimate
from common.effects.margins import Design, design
from common.effects.measured import ACCURACY, Measure, changed_told
from common.effects.paired import drop, rate
from common.effects.resample import Resampler
from common.effects.studentized import Studentized, one_sided
from common.measure.control_rules import against, is_matched
from common.measure.masks import Mask
from common.measure.overlap import shared

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Column:
    """Items that are asked together, as the intact model finds them.

    Attributes
    ----------
    name : str
        What they are called.
    margin : array of shape (n_items,)
        Intact margins.
    correct : array of bool of shape (n_items,) or None
        Whether the intact model is right; ``None`` for running text.
    labels : array of str of shape (n_items,)
        Class or paradigm of each item, which is resampled as a whole; may be empty.
    measure : {"accuracy", "agreement"}
        What counts as right.
    """

    name: str
    margin: Floats
    correct: Bools | None
    labels: npt.NDArray[np.object_]
    measure: Measure = ACCURACY


@dataclass(frozen=True)
class Row:
    """What the masks of one localizer do to all columns.

    Attributes
    ----------
    localizer : str
        Its name.
    masks : sequence of Mask
        Its top mask, the parts of it, and the control masks.
    margins : mapping of str to sequence of array of shape (n_items,)
        By mask, the margins of each column.
    corrects : mapping of str to sequence of array of bool, or None
        By mask, whether the items of each column are right; ``None`` for running text.
    """

    localizer: str
    masks: Sequence[Mask]
    margins: Mapping[str, Sequence[Floats]]
    corrects: Mapping[str, Sequence[Bools | None]]

    def of(self, rule: str) -> list[Mask]:
        """Its masks of a rule, in the order of their draws."""
        return [mask for mask in self.masks if mask.rule == rule]

    @property
    def top(self) -> Mask:
        """Its top mask."""
        return self.of("top")[0]

    def rival(self, rule: str) -> Mask:
        """What the draws of a rule are compared with."""
        return (self.of(against(rule)) or [self.top])[0]

    @property
    def matched(self) -> list[str]:
        """Its matched rules that were drawn."""
        return [rule for rule in dict.fromkeys(m.rule for m in self.masks) if is_matched(rule)]


def crossed(columns: Sequence[Column], rows: Sequence[Row]) -> tuple[list[Group], list[Cell]]:
    """The matrix.

    Parameters
    ----------
    columns : sequence of Column
        Groups of items.
    rows : sequence of Row
        Localizers, two at least.

    Returns
    -------
    (list of Group, list of Cell)
        The columns; and the cells, row by row.
    """
    benches = [_Bench(column, number, rows) for number, column in enumerate(columns)]
    places = [(row, column) for row in range(len(rows)) for column in range(len(columns))]
    leads = [benches[column].leads(row) for row, column in places]
    alone = [max(_p(lead) for lead in each) for each in leads]
    drawn = _drawn(rows, benches)
    cells = []
    for (row, column), own, p_alone, p in zip(places, leads, alone, holm(alone), strict=True):
        bench, against_draws = benches[column], tuple(drawn[row, column])
        loss = bench.estimate(bench.loss(rows[row], rows[row].top))
        correct = rows[row].corrects[rows[row].top.name][column]
        intact = bench.column.correct
        right = None if correct is None or intact is None else (intact, correct)
        fall = None if right is None else drop(*right, measure=bench.column.measure)
        changed = FEWEST_CHANGED if fall is None else fall.lost + fall.won
        answer, because = _answer(len(bench.column.margin), changed, loss, own, p, against_draws)
        cell = Cell(
            localizer=rows[row].localizer,
            group=bench.column.name,
            ablated=None if right is None else rate(right[1]),
            drop=fall,
            loss=loss,
            leads=tuple(own),
            p_alone=p_alone,
            p=p,
            drawn=against_draws,
            singled_out=answer,
            because=because,
        )
        cells.append(cell)
    groups = [
        Group(name=each.name, n=len(each.margin),
              intact=None if each.correct is None else rate(each.correct))
        for each in columns
    ]  # fmt: skip
    return groups, cells


def doubles(cells: Sequence[Cell]) -> list[Double]:
    """Every two localizers that single out a group each, and not the same one."""
    out = [(cell.localizer, cell.group) for cell in cells if cell.singled_out == YES]
    return [
        Double(one=one, other=other)
        for one, other in combinations(out, 2)
        if one[0] != other[0] and one[1] != other[1]
    ]


def overlaps(rows: Sequence[Row]) -> list[Overlap]:
    """What the top masks of every two localizers share."""
    pairs = [*combinations(rows, 2)]
    found = [shared(one.top, other.top) for one, other in pairs]
    ps = holm([each.p for each in found])
    return [
        Overlap(one=one.localizer, other=other.localizer, shared=each.n, chance=each.chance,
                chance_within=each.chance_within, p=p)
        for (one, other), each, p in zip(pairs, found, ps, strict=True)
    ]  # fmt: skip


def holm(ps: Sequence[float]) -> list[float]:
    """p's corrected for their number, stepped down (Holm 1979)."""
    order = np.argsort(ps, kind="stable")
    raised = np.sort(ps) * np.arange(len(ps), 0, -1)
    corrected = np.empty(len(ps))
    corrected[order] = np.minimum(1, np.maximum.accumulate(raised))
    return [float(p) for p in corrected]


class _Bench:
    """The numbers of one column."""

    def __init__(self, column: Column, number: int, rows: Sequence[Row]) -> None:
        self.column, self.number, self.rows = column, number, rows
        known = design(column.margin, None, whole_labels(column.labels))
        self._mean = Studentized(known, Resampler())
        self._known: dict[tuple[int, int], Estimate] = {}

    @property
    def design(self) -> Design:
        return self._mean.design

    def loss(self, row: Row, mask: Mask) -> Floats:
        """Margin loss of every item under a mask of a localizer."""
        lost: Floats = self.column.margin - row.margins[mask.name][self.number]
        return lost

    def mean(self, row: Row, mask: Mask) -> float:
        return float(self.loss(row, mask).mean())

    def estimate(self, losses: Floats, p: float | None = None) -> Estimate:
        return Estimate(effect=float(losses.mean()), ci=self._mean.interval(losses), p=p)

    def leads(self, row: int) -> list[Lead]:
        """Of a localizer's mask over that of every other."""
        return [
            Lead(other=self.rows[other].localizer, loss=self._lead(row, other))
            for other in range(len(self.rows))
            if other != row
        ]

    def _lead(self, one: int, other: int) -> Estimate:
        """Both ways from one resampling."""
        if (one, other) not in self._known:
            ahead, behind = (self.loss(self.rows[each], self.rows[each].top)
                             for each in (one, other))  # fmt: skip
            more = ahead - behind
            found = self.estimate(more, one_sided(self.design, more))
            (low, high), back = found.ci, one_sided(self.design, -more)
            self._known[one, other] = found
            self._known[other, one] = Estimate(effect=-found.effect, ci=(-high, -low), p=back)
        return self._known[one, other]


def _p(lead: Lead) -> float:
    assert lead.loss.p is not None
    return lead.loss.p


def _drawn(rows: Sequence[Row], benches: Sequence[_Bench]) -> dict[tuple[int, int], list[Drawn]]:
    """By cell, against every matched rule: one p over all cells that have the rule."""
    found: dict[tuple[int, int], list[Drawn]] = {
        (row, column): [] for row in range(len(rows)) for column in range(len(benches))
    }
    for rule in dict.fromkeys(rule for row in rows for rule in row.matched):
        places = [(row, column) for row, column in found if rule in rows[row].matched]
        draws = min(len(rows[row].of(rule)) for row, _ in places)
        if draws < 2:
            continue
        tops = [benches[c].mean(rows[r], rows[r].rival(rule)) for r, c in places]
        table = np.array([
            [benches[c].mean(rows[r], mask) for mask in rows[r].of(rule)[:draws]]
            for r, c in places
        ]).T  # fmt: skip
        for number, (place, rank) in enumerate(
            zip(places, ranks_over_doses(tops, table), strict=True)
        ):
            own = Drawn(
                rule=rule, against=rows[place[0]].rival(rule).rule, draws=draws,
                mean=float(table[:, number].mean()), p=rank.p, least=1 / (draws + 1),
            )  # fmt: skip
            found[place].append(own)
    return found


def _answer(
    n: int, changed: int, loss: Estimate, leads: Sequence[Lead], p: float, drawn: Sequence[Drawn]
) -> tuple[Answer, str]:
    """Whether a cell is singled out, and why not."""
    if n < FEWEST_ITEMS:
        return UNTOLD, f"{n} items, and {FEWEST_ITEMS} are needed"
    nearest = min(leads, key=lambda lead: lead.loss.effect)
    if loss.ci[0] <= 0:
        return NO, "nothing is lost beyond what the interval leaves open"
    if p > ALPHA or any(lead.loss.ci[0] <= 0 for lead in leads):
        return NO, f"not more than under {nearest.other} (p = {p:.3f})"
    for entry in drawn:
        if entry.p > ALPHA and entry.least <= ALPHA:
            return NO, f"not more than under {entry.rule} draws (p = {entry.p:.3f})"
    if not drawn or any(entry.p > ALPHA for entry in drawn):
        few = min((entry.draws for entry in drawn), default=0)
        return UNTOLD, f"{few} draws of matched masks cannot give a p of {ALPHA:g}"
    if changed < FEWEST_CHANGED:
        told = changed_told(changed, ACCURACY, of_text=False)
        return UNTOLD, f"{told}, and {FEWEST_CHANGED} are needed"
    return YES, ""
