"""What a dissociation says in words, made from its numbers and from nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from common.effects.claim import UNTOLD, YES
from common.effects.dissociation import Cell, Dissociation
from common.effects.finding import amount, amount_within, between_amounts
from common.effects.judge import ALPHA
from common.effects.words import between, of_model, percent, points, skipped_warning

Outcome = Literal["double dissociation", "single dissociation", "no dissociation", "cannot tell"]
DOUBLE: Outcome = "double dissociation"
SINGLE: Outcome = "single dissociation"
NONE: Outcome = "no dissociation"
UNKNOWN: Outcome = "cannot tell"


def outcome(found: Dissociation) -> Outcome:
    """Whether there is a double dissociation, a single one, none, or it cannot be told."""
    if found.doubles:
        return DOUBLE
    if any(cell.singled_out == YES for cell in found.cells):
        return NONE if _everywhere(found) else SINGLE
    return UNKNOWN if any(cell.singled_out == UNTOLD for cell in found.cells) else NONE


def plainly(found: Dissociation) -> str:
    """The finding in one line that needs no statistics."""
    what = outcome(found)
    if what == DOUBLE:
        (a, one), (b, other) = found.doubles[0].one, found.doubles[0].other
        return (
            f"Double dissociation: {one} loses most without the units of {a} "
            f"({_lost(found, one)}), {other} without those of {b} ({_lost(found, other)})."
        )
    if what == SINGLE:
        told = "; ".join(
            f"{cell.group} loses most without the units of {cell.localizer} "
            f"({_lost(found, cell.group)})"
            for cell in found.cells
            if cell.singled_out == YES
        )
        return f"Single dissociation: {told}. No other mask singles out another group."
    if what == UNKNOWN:
        unknown = next(cell for cell in found.cells if cell.singled_out == UNTOLD)
        which = f"{unknown.group} under the mask of {unknown.localizer}"
        return f"Cannot tell: {which} ({unknown.because})."
    if everywhere := _everywhere(found):
        return (
            f"No dissociation: every group loses most without the units of {everywhere}, so these "
            "are no single group’s own."
        )
    return (
        "No dissociation: no group loses more without one localizer’s units than without those of "
        "every other and without matched ones."
    )


def said(found: Dissociation) -> str:
    """The finding: the plain line, and the sentences with intervals."""
    return " ".join([plainly(found), *sentences(found)])


def sentences(found: Dissociation) -> list[str]:
    """For every cell that is singled out, or else comes nearest to it, the numbers."""
    out = [cell for cell in found.cells if cell.singled_out == YES]
    return [_sentence(found, cell) for cell in out or [min(found.cells, key=lambda c: c.p)]]


def _sentence(found: Dissociation, cell: Cell) -> str:
    lead = cell.least_lead
    said = (
        f"Without the units of {cell.localizer} {cell.group} loses {_cost(cell)}, "
        f"{amount_within(lead.loss)} of margin more than without "
        f"those of {lead.other} (p = {cell.p:.2g}, corrected for {len(found.cells)} cells)"
    )
    drawn = "; ".join(
        f"{each.rule} draws cost it {amount(each.mean)} on average (p = {each.p:.3f} among "
        f"{each.draws})"
        for each in cell.drawn
    )
    not_so = f" It is not singled out: {cell.because}." if cell.because else ""
    return f"{said}{'; ' if drawn else ''}{drawn}.{not_so}"


def _cost(cell: Cell) -> str:
    """What a group loses under a mask."""
    margin = f"{amount_within(cell.loss)} of margin"
    if cell.drop is None:
        return margin
    return f"{points(cell.drop.effect)} points {between(cell.drop.ci)} of accuracy and {margin}"


def _lost(found: Dissociation, group: str) -> str:
    """What a group loses under each mask, the largest first."""
    own = sorted((c for c in found.cells if c.group == group), key=lambda c: -c.loss.effect)
    (most, interval), (second, _) = map(loss_words, own[:2])
    unit = " of margin" if own[0].drop is None else " points"
    return f"{most}{unit} {interval}; next is {own[1].localizer} with {second}"


def loss_words(cell: Cell) -> tuple[str, str]:
    """A cell's loss and its interval: points of accuracy where there are any, or margin."""
    if cell.drop is None:
        return amount(cell.loss.effect), between_amounts(cell.loss.ci)
    return points(cell.drop.effect), between(cell.drop.ci)


def _everywhere(found: Dissociation) -> str | None:
    """The localizer that is ahead on every group, where there are several."""
    for name in found.names:
        own = [cell for cell in found.cells if cell.localizer == name]
        if len(own) > 1 and all(cell.singled_out == YES for cell in own):
            return name
    return None


def cautions(found: Dissociation) -> Iterator[str]:
    """What a reader should know before believing it."""
    yield from of_model(found.model)
    if found.evaluation.overlap:
        yield f"{found.evaluation.overlap} evaluation stimuli were in a localizer too."
    for each in found.localizers:
        if each.localizer.warning:
            yield f"{each.localizer.name}: {each.localizer.warning}"
        if each.localizer.skipped:
            yield skipped_warning(each.localizer.name, each.localizer.skipped)
    if found.evaluation.warning:
        yield found.evaluation.warning
    yield from _of_overlaps(found)
    for group in found.groups:
        chance = found.evaluation.chances.get(group.name, found.model.chance)
        if chance is not None and group.intact is not None and group.intact.ci[0] <= chance:
            yield f"Intact accuracy on {group.name} is not above chance ({percent(chance)})."


def _of_overlaps(found: Dissociation) -> Iterator[str]:
    for each in found.overlaps:
        if each.shared and each.p <= ALPHA:
            n = next(m.n_units for m in found.localizers if m.localizer.name == each.one)
            yield (
                f"The masks of {each.one} and {each.other} share {each.shared} of {n} units "
                f"(chance within sites {each.chance_within:.1f}, p = {each.p:.2g}); what is shared "
                "cannot set them apart."
            )
