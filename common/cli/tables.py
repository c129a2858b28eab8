"""Tables on the screen: of a report's numbers, of runs side by side, of the units of a map."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from rich import box
from rich.markup import escape
from rich.table import Table

from common.cli.printing import print_place, results_console
from common.effects.agreement import Agreement, said
from common.effects.nouns import in_words_of
from common.measure.scores import SelectivityMap
from common.report.parts import Table as Numbers
from common.study.side_by_side import HEADS, NOTE, SideBySide

LEFT = ("run", "model", "localizer", "outcome", "site", "masks", "position")
CALLED = {"d_prime": "d′", "times_median": "× median"}
ON_SCREEN = ("rank", "site", "unit", "position")


def printed(numbers: Numbers) -> Table:
    """A table of a report for the screen."""
    table = Table(title=escape(numbers.heading), box=box.SIMPLE_HEAD)
    for place, name in enumerate(numbers.columns):
        table.add_column(escape(name), justify="right" if place else "left", overflow="fold")
    for row in numbers.rows:
        table.add_row(*(escape(f"{cell.value} {cell.beside}".strip()) for cell in row))
    return table


def print_sides(sides: SideBySide) -> None:
    """Print runs side by side, and the mean over models."""
    console = results_console()
    console.print(_rows_of(sides))
    console.print(NOTE, highlight=False)
    if sides.mean_said is not None:
        console.print(escape(sides.mean_said), highlight=False)


def _rows_of(sides: SideBySide) -> Table:
    table = _blank(*HEADS)
    for side in sides.sides:
        table.add_row(*map(escape, side.cells))
    return table


def print_seeds(sides: SideBySide, found: Agreement, folder: Path, as_json: bool) -> None:
    """Print runs of several seeds, and how alike they are."""
    if as_json:
        both = {**sides.as_json(), "agreement": found.as_json()}
        print(json.dumps(both, indent=2, ensure_ascii=False))
        return
    console = results_console()
    console.print(_rows_of(sides))
    for line in said(found):
        console.print(escape(line), highlight=False)
    print_place("Run folders", folder)


def print_units(listed: pd.DataFrame, found: SelectivityMap) -> None:
    """Print a table of units: what tells them apart, not all that is known of them."""
    symbol = found.score.words.symbol
    wanted = (*ON_SCREEN, symbol, "q", "d_prime", "index", "loudness", "times_median", "masks")
    names = [name for name in wanted if name in listed]
    table = _blank(*(CALLED.get(name, name) for name in names))
    for row in listed[names].itertuples(index=False):
        table.add_row(*(escape(_told(value)) for value in row))
    console = results_console()
    console.print(table)
    told = (
        f"{len(listed):,} of {found.n_units:,} units, by {found.score.words.prose}; channels are "
    )
    console.print(in_words_of(found.unit, f"{told}counted from 0."), highlight=False)


def _told(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _blank(*names: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for name in names:
        table.add_column(name, justify="left" if name in LEFT else "right", overflow="fold")
    return table
