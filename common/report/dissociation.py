"""The report of a dissociation, by the same page as a run's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.effects.claim import UNTOLD, YES
from common.effects.crossing_words import (
    DOUBLE,
    NONE,
    SINGLE,
    UNKNOWN,
    Outcome,
    loss_words,
    outcome,
    plainly,
    sentences,
)
from common.effects.dissociation import Cell as Crossed
from common.effects.dissociation import Dissociation
from common.effects.finding import amount, between_amounts
from common.effects.words import between, percent, points
from common.report.figures.matrix import matrix
from common.report.parts import Cell, Section, Table
from common.report.several import make_several_report, references_of
from common.report.shown import shown
from common.report.verdicts import Badge
from common.report.words import model_fact

BADGES: Mapping[Outcome, Badge] = {
    DOUBLE: Badge("●", "Double dissociation", "evidence"),
    SINGLE: Badge("◐", "Single dissociation", "difficulty"),
    NONE: Badge("○", "No dissociation", "none"),
    UNKNOWN: Badge("?", "Cannot tell", "unknown"),
}
ANSWERS = {YES: "● singled out", UNTOLD: "? cannot tell"}
REFERENCES = (
    "Shallice, T. (1988). From Neuropsychology to Mental Structure. Cambridge University Press, "
    "ch. 10. (What a double dissociation says, and what not.)",
    *references_of("rivals", "cell", "cells"),
)


def make_dissociation_report(folder: Path, found: Dissociation) -> Path:
    """Write ``report.html`` into a finished folder of ``dissociate``.

    Parameters
    ----------
    folder : Path
        The folder.
    found : Dissociation
        What its ``dissociation.json`` holds.
    """
    return make_several_report(
        folder,
        found,
        title=f"{len(found.names)} localizers in {found.model.name}",
        badge=BADGES[outcome(found)],
        plain=plainly(found),
        sentences=sentences(found),
        facts=_facts(found),
        section=_section(found),
        tables=[matrix_table(found), _against(found), overlap_table(found)],
        method=_method(found),
        references=REFERENCES,
    )


def _facts(found: Dissociation) -> list[tuple[str, str]]:
    model, first = found.model, found.localizers[0].selectivity
    facts = [
        model_fact(model),
        ("Units", f"{first.n_units:,} {first.unit}s at {first.n_sites} sites; each mask "
         f"{found.localizers[0].n_units:,} ({found.percent:g} %), replaced by {found.ablation}"),
        ("Evaluated on", f"{found.evaluation.name}: "
         + ", ".join(f"{group.n:,} {group.name}" for group in found.groups)),
    ]  # fmt: skip
    for each in found.localizers:
        half = each.selectivity.split_half
        told = "" if half is None else f"; r = {half.correlation:.3f} between halves"
        told = f"{each.localizer.n_target:,} target, {each.localizer.n_control:,} control{told}"
        facts.append((each.localizer.name, told))
    return facts


def _section(found: Dissociation) -> Section:
    told = "; ".join(
        f"{cell.localizer} on {cell.group} {' '.join(loss_words(cell))}" for cell in found.cells
    )
    figure = shown(
        matrix(found),
        "What every mask takes from every group, in points of accuracy (of running text, nats a "
        "token) with its 95 % interval. The colour is the same over the largest bound of its "
        "column; a frame: more than under every other mask and than under matched units.",
        f"Matrix: {told}.",
    )
    return Section("Every mask on every group", [figure])


def matrix_table(found: Dissociation) -> Table:
    """A row a localizer, a column a group."""
    rows = [[Cell("intact"), *(_intact(group.intact) for group in found.groups)]]
    for name in found.names:
        own = [found.cell(name, group.name) for group in found.groups]
        rows.append([Cell(name), *map(loss_cell, own)])
    return Table(
        "Lost without the units of each localizer",
        "Points of accuracy (of running text, nats a token) with the 95 % interval; ● is more than "
        "under every other mask and than under matched units. Rows are compared within a column, "
        "on the same items.",
        ["mask", *(f"{group.name} (n = {group.n:,})" for group in found.groups)],
        rows,
    )


def _intact(rate: Any) -> Cell:
    return Cell() if rate is None else Cell(f"{percent(rate.accuracy)} right")


def loss_cell(cell: Crossed) -> Cell:
    """What a cell loses, marked where the mask singles the group out."""
    mark, (value, interval) = "● " if cell.singled_out == YES else "", loss_words(cell)
    return Cell(f"{mark}{value}", interval)


def _against(found: Dissociation) -> Table:
    rows = []
    for cell in found.cells:
        lead = cell.least_lead
        drawn = "; ".join(
            f"{each.rule} {amount(each.mean)}, p = {each.p:.3f} of {each.draws}"
            for each in cell.drawn
        )
        lost = Cell() if cell.drop is None else Cell(points(cell.drop.effect),
                                                     between(cell.drop.ci))  # fmt: skip
        rows.append([
            Cell(cell.localizer, f"on {cell.group}"),
            lost,
            Cell(amount(lead.loss.effect), between_amounts(lead.loss.ci)),
            Cell(lead.other),
            Cell(f"{cell.p:.2g}", f"alone {cell.p_alone:.2g}"),
            Cell(drawn or "none drawn"),
            Cell(ANSWERS.get(cell.singled_out, "○ not"), cell.because),
        ])  # fmt: skip
    return Table(
        "Each mask against its strictest rival",
        "Margin lost beyond that under the other localizer’s mask that comes nearest, on the same "
        "items; p one-sided, the largest against any other mask, corrected for the number of cells "
        "after Holm. Matched draws: their mean loss, and the mask’s rank by the maximum statistic "
        "over all cells.",
        ["mask", "points of accuracy", "more than the rival", "rival", "p", "matched draws",
         "singled out"],
        rows,
    )  # fmt: skip


def overlap_table(found: Dissociation) -> Table:
    """What every two masks share."""
    rows = [
        [Cell(each.one, f"and {each.other}"), Cell(str(each.shared)), Cell(f"{each.chance:.2f}"),
         Cell(f"{each.chance_within:.2f}"), Cell(f"{each.p:.2g}")]
        for each in found.overlaps
    ]  # fmt: skip
    return Table(
        "What masks share",
        "Units in both masks, and how many would be by chance: of so many units drawn from all, "
        "and of as many drawn in every site; p of the latter, corrected after Holm.",
        ["masks", "shared", "chance", "within sites", "p"],
        rows,
    )


def _method(found: Dissociation) -> list[str]:
    return [
        f"Every localizer’s top {found.percent:g} % of the units was replaced by "
        f"{found.ablation}, and so were matched units, drawn for each localizer by itself; every "
        "mask was tried on all items. Maps were made in one pass over the stimuli of all "
        "localizers.",
        "Two masks are compared on the same items, so no difference in difficulty between groups "
        "enters, and harm that is the same under both cancels. A mask singles a group out if it "
        "takes more margin than the mask of every other localizer (Student’s t of the paired "
        f"difference, clustered by class or paradigm; Holm over {len(found.cells)} cells), and "
        "more than the matched draws (maximum statistic over the cells). A double dissociation is "
        "two localizers that single out a group each.",
    ]
