"""Pieces of HTML that show single units on a page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from urllib.parse import urlencode

from browser import fragments
from common.effects.masked import Effect, MaskEffects
from common.effects.measured import AGREEMENT, WORDS
from common.effects.paired import Rate
from common.effects.words import between, points
from common.measure.masks import Mask
from common.study.single_unit import Alone, UnitRow

SMALL = 0.01  # below which a number needs digits of its own
MOST_UNITS = 60  # of a layer that a page lists


def layer_choices(mask: Mask) -> list[tuple[str, str]]:
    """Labels and names of the sites that hold units of a mask, in running order."""
    return [
        (f"{str(site).removesuffix(':output')} · {count:,}", str(site))
        for site, count in mask.counts().items()
        if count
    ]


def unit_choices(rows: Sequence[UnitRow]) -> list[tuple[str, str]]:
    """Labels of units, and the ranks that they are chosen by."""
    return [
        (f"{row.name}, {row.words.symbol} {row.words.said(row.score)}", str(row.rank))
        for row in rows
    ]


def units_table(rows: Sequence[UnitRow], n_units: int) -> str:
    """Units of one site, the highest score first.

    Parameters
    ----------
    rows : sequence of UnitRow
        At least one.
    n_units : int
        How many of the site's units are in the mask; there may be more than are shown.
    """
    shown = f"the first {len(rows)} of {n_units:,}" if len(rows) < n_units else f"all {n_units:,}"
    first = rows[0]
    caption = f"Units of {first.site} in the mask ({shown}), the highest {first.words.symbol} first"
    heads = ("unit", "rank", first.words.symbol, *first.told, "mean, target", "mean, control")
    return fragments.table(heads, map(_numbers, rows), caption)


def _numbers(row: UnitRow) -> tuple[str, ...]:
    means = (f"{row.mean_target:.3g}", f"{row.mean_control:.3g}")
    return (row.name, f"{row.rank:,}", _score(row), *map(_number, *_told(row)), *means)


def _told(row: UnitRow) -> tuple[tuple[str, ...], tuple[float, ...]]:
    return tuple(row.told), tuple(row.told.values())


def _number(column: str, value: float) -> str:
    if column == "q":
        return f"{value:.2g}"
    return f"{value:.3g}" if 0 < abs(value) < SMALL else f"{value:.2f}"


def _score(row: UnitRow) -> str:
    """The score as in a table, which has room for a digit more than a sentence."""
    return f"{row.score:.2f}" if row.words.digits == ".1f" else row.words.said(row.score)


def unit_facts(row: UnitRow, n_units: int) -> str:
    """One unit's place and numbers."""
    told = ", ".join(f"{name} = {_number(name, value)}" for name, value in row.told.items())
    said = f"Rank {row.rank:,} of {n_units:,} by {row.words.symbol}{'; ' if told else ''}{told}."
    title = f"{row.title}: {row.words.symbol} = {row.words.said(row.score)}"
    return f"<h3>{escape(title)}</h3>{fragments.note(said)}"


def unit_place(row: UnitRow, top: Mask, tab: str, run: str, name: str) -> str:
    """Whether a unit is in the mask that a finding is about, and a link that opens its page.

    Parameters
    ----------
    row : UnitRow
        The unit.
    top : Mask
        The mask.
    tab, run, name : str
        Page, run and unit as the address has them.
    """
    inside = "" if row.unit in top.units else "not "
    query = escape(urlencode({"tab": tab, "run": run, "at": name}))
    return (
        f"<p class='fl-note'>It is {inside}in the mask of the top {top.percent:g} %. "
        f"<a class='fl-go' href='?{query}'>Link to this unit</a></p>"
    )


def driven_units(rows: Sequence[tuple[UnitRow, float]], n_units: int) -> str:
    """The units of a mask that a stimulus drives most.

    Parameters
    ----------
    rows : sequence of (UnitRow, float)
        A unit, and how many times its average it answers.
    n_units : int
        How many the mask has.
    """
    first = f"the {len(rows)} most driven of {n_units:,}" if len(rows) < n_units else "all of them"
    return fragments.table(
        ("unit", "answers", rows[0][0].words.symbol if rows else "score"),
        [(row.title, f"{times:.1f} ×", row.words.said(row.score)) for row, times in rows],
        f"Units of the mask by how strongly they answer to this picture, over their average in "
        f"the localizer ({first})",
    )


def unit_effect(alone: Alone) -> str:
    """What is lost without one unit alone, beside equally loud ones."""
    groups = [alone.target] if alone.other is None else [alone.target, alone.other]
    agreed = alone.measure == AGREEMENT  # of which the intact model has all by definition
    rows = [] if agreed else [("intact", *_intact(alone, groups))]
    rows.append(("this unit", *_effects(alone.effects, groups)))
    if alone.controls:
        name = f"an equally loud one, mean of {len(alone.controls)}"
        rows.append((name, *_controls(alone.controls, groups)))
    heads = ["ablated", *(head for name in groups for head in (f"{name} %", f"drop, {name}"))]
    heads += ["interaction"] if len(groups) > 1 else []
    n = " and ".join(f"{alone.intact[name].n:,} {name}" for name in groups)
    what = f"{WORDS[alone.measure].cells}. " if agreed else ""
    caption = (
        f"{what}{n}; drops in percentage points. Brackets: 95 % intervals; round ones: range over "
        "units of the same site, matched in magnitude. One unit was chosen by looking, among "
        "many: an interval without 0 is a hint, not a test."
    )
    return fragments.table(heads, rows, caption, strong=[row[0] == "this unit" for row in rows])


def _intact(alone: Alone, groups: Sequence[str]) -> list[str]:
    cells = [cell for name in groups for cell in (_share(alone.intact[name]), "")]
    return [*cells, ""] if len(groups) > 1 else cells


def _effects(effects: MaskEffects, groups: Sequence[str]) -> list[str]:
    own = [effects.groups[name] for name in groups]
    cells = [cell for effect in own for cell in (_share(effect), _drop(effect))]
    if len(groups) == 1:
        return cells
    return [*cells, f"{points(effects.interaction)} {between(effects.interaction_ci)}"]


def _controls(controls: Sequence[MaskEffects], groups: Sequence[str]) -> list[str]:
    """Means over equally loud units, with their range."""
    drops = [_mean([each.groups[name].drop for each in controls]) for name in groups]
    cells = [cell for drop in drops for cell in ("", drop)]
    return [*cells, _mean([each.interaction for each in controls])] if len(groups) > 1 else cells


def _share(rate: Rate | Effect) -> str:
    low, high = rate.ci
    return f"{100 * rate.accuracy:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _drop(effect: Effect) -> str:
    return f"{points(effect.drop)} {between(effect.drop_ci)}"


def _mean(values: Sequence[float]) -> str:
    return f"{points(sum(values) / len(values))} ({points(min(values))} to {points(max(values))})"
