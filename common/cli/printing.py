"""What the programs print: tables, findings, notes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import cast

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from common.effects.localized import Area, SplitHalves
from common.effects.parts import Interval
from common.effects.results import Localized, Results
from common.effects.words import between, percent, points
from common.measure.masks import top_percent
from common.measure.scores import SelectivityMap
from common.measure.sites import KINDS, Kind
from common.measure.survey import Survey
from common.models.catalogue import Entry
from common.study.results import results_json

WIDE = 132  # columns of a terminal from which on the table has room for all intervals


def print_results(results: Results, folder: Path, as_json: bool) -> None:
    """Print a finished run: its table, its verdict and its folder; or ``results.json`` alone."""
    if as_json:
        print_json(results)
        return
    console = results_console()
    console.print(results_table(results, intervals=console.width >= WIDE))
    if results.area is not None:
        console.print(_area_sentence(results.area))
    print_warnings(results.warnings)
    console.print(f"\n[bold]{results.verdict}[/]\n", highlight=False)
    console.print(f"Run folder: {folder}", soft_wrap=True, highlight=False)
    if (report := folder / "report.html").exists():
        console.print(f"Report:     {report}", soft_wrap=True, highlight=False)


def print_json(results: Localized) -> None:
    """Print the results, or their first half, as ``results.json`` has them."""
    print(json.dumps(results_json(results), indent=2, ensure_ascii=False))


def print_map(found: SelectivityMap, percent: float) -> None:
    """Print where the top units of a map lie, and how far its halves agree."""
    mask = top_percent(found, percent)
    symbol, selective = found.score.words.symbol, found.score.selective()
    table = Table(title=f"top {percent:g} %: {len(mask)} of {found.n_units:,} units")
    for name in ("site", "units", "in mask", f"highest {symbol}", f"q < 0.05 and {symbol} > 0"):
        table.add_column(name, justify="left" if name == "site" else "right")
    for number, (site, count) in enumerate(mask.counts().items()):
        value, own = found.at(site), slice(*found.offsets[number : number + 2])
        table.add_row(
            str(site),
            str(value.size),
            str(count),
            f"{value.max():.1f}",
            "" if selective is None else str(int(selective[own].sum())),
        )
    console = results_console()
    console.print(table)
    half = SplitHalves.model_validate(found.about["split_half"])
    console.print(
        f"Split halves: r = {half.correlation:.3f}, Dice of the top mask = "
        f"{half.dice[f'{percent:g}']:.2f} (chance {half.dice_chance[f'{percent:g}']:.2f})"
    )


def print_sites(title: str, survey: Survey, kind: str, left_out: bool) -> None:
    """Print a model's sites of one kind or of all, and, if wanted, what cannot be one and why."""
    table = Table(title=title)
    for name in ("site", "kind", "shape", "channels", "neurons"):
        table.add_column(name, justify="left" if name in ("site", "kind") else "right")
    wanted = KINDS if kind == "all" else (cast(Kind, kind),)
    for each in wanted:
        for site in survey.offered(each):
            shape = " x ".join(
                f"[bold]{n}[/]" if i == site.axis - 1 else str(n) for i, n in enumerate(site.shape)
            )
            table.add_row(str(site), each, shape, str(site.channels), str(site.n_units("neuron")))
    console = results_console()
    console.print(table)
    console.print("The channel axis is in bold. A site is named MODULE:output or MODULE:input.")
    if left_out:
        for path, reason in survey.left_out.items():
            console.print(f"left out: {path} ({reason})", markup=False)


def print_warnings(warnings: Sequence[str]) -> None:
    """Print what a reader should know beside the numbers."""
    for warning in warnings:
        results_console().print(f"[yellow]note[/]  {escape(warning)}")


def results_console() -> Console:
    """A console as wide as the terminal, or COLUMNS; wide enough for a table where none is said."""
    told = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console() if told else Console(width=WIDE)


def _area_sentence(area: Area) -> str:
    shares = ", ".join(
        f"{percent(share.of_top)} of the top {dose} %" for dose, share in area.share.items()
    )
    return (
        f"The built-in area ({area.n_units} units, {area.percent:.1f} % of all) makes up {shares}."
    )


def results_table(results: Results, intervals: bool = True) -> Table:
    """The table of groups by masks; the draws of a control rule share a row, as their mean.

    Without `intervals` only the interaction has its own, so that the table fits 80 columns.
    """
    table = Table(
        title=f"{results.model.name} · {results.localizer.name}",
        caption="accuracy in %; drops in points, [95 % intervals]; ×N: mean of N draws; "
        "p: rank of the top mask's interaction",
    )
    table.add_column("mask", no_wrap=True)
    for group in results.groups:
        table.add_column(group, justify="right", no_wrap=True)
        table.add_column("drop", justify="right", no_wrap=True)
    table.add_column("interaction", justify="right", no_wrap=True)
    table.add_column("p", justify="right", no_wrap=True)
    cells = [(_hundred(results.intact[group].accuracy), "") for group in results.groups]
    table.add_row("intact", *cells[0], *cells[1])
    for dose in results.doses:
        table.add_section()
        for row in _dose_rows(results, dose, intervals):
            table.add_row(*row)
    return table


def _hundred(share: float) -> str:
    return f"{100 * share:.1f}"


def _dose_rows(results: Results, dose: float, intervals: bool) -> list[list[str]]:
    against = {entry.rule: entry for entry in results.rivals(dose) if entry.draws > 1}
    rows = []
    for rule in results.rules(dose):
        same = results.at(dose, rule)
        n_units = f" ({same[0].n_units})" if rule == "top" else ""
        draws = f" ×{len(same)}" if len(same) > 1 else ""
        row = [f"{rule} {dose:g} %{n_units}{draws}"]
        for group in results.groups:
            effects = [entry.groups[group] for entry in same]
            row.append(_hundred(_mean([effect.accuracy for effect in effects])))
            drops = [effect.drop for effect in effects]
            row.append(_change(drops, effects[0].drop_ci if intervals else None))
        row.append(_change([entry.interaction for entry in same], same[0].interaction_ci))
        row.append(f"{against[rule].p:.3f}" if rule in against else "")
        rows.append(row)
    return rows


def _change(values: Sequence[float], ci: Interval | None) -> str:
    """One mask's number with its interval, if wanted; of several draws the mean."""
    beside = f" {between(ci)}" if ci is not None and len(values) == 1 else ""
    return points(_mean(values)) + beside


def _mean(values: Sequence[float]) -> float:
    return float(sum(values) / len(values))


def models_table(entries: Collection[Entry]) -> Table:
    """The table of the command ``models``."""
    table = Table(title="models")
    for column in ("name", "weights", "what it is"):
        table.add_column(column, overflow="fold")
    for entry in entries:
        table.add_row(escape(entry.name), entry.where, escape(entry.about))
    return table
