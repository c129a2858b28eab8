"""What the programs print: tables, findings, notes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import cast

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from common.base import team
from common.base.progress import Progress, spoken_seconds, terminal
from common.cli.main import spoken
from common.effects.baseline import beside_untrained
from common.effects.finding import plainly, said
from common.effects.judgement import Judgement
from common.effects.localized import Area, SplitHalves, describe_map
from common.effects.nouns import in_words_of
from common.effects.results import Localized, Results
from common.effects.words import percent
from common.measure.masks import top_percent
from common.measure.scores import SelectivityMap
from common.measure.sites import KINDS, UNITS, Kind
from common.measure.survey import Survey
from common.models.catalogue import Entry
from common.report import outcome_table
from common.report.outcome_table import Column, Row
from common.report.parts import Cell
from common.report.verdicts import BADGES, Said, beside, verdict_said
from common.study.declared import say_settings
from common.study.results import results_json
from common.study.sweep import Ended

WIDE = 132  # columns of a terminal from which on the table has room for all intervals
WIDER = 158  # and for agreement beside accuracy
AS_OF = (
    "Runs with a date were begun then and are read as they were: whether stimuli or weights of the "
    "same names have changed since is not asked."
)
COLOURS = {"evidence": "dark_orange", "difficulty": "magenta", "none": "cyan", "unknown": "yellow"}


def print_results(results: Results, folder: Path, as_json: bool) -> None:
    """Print a finished run: its table, its verdict and its folder; or ``results.json`` alone."""
    if as_json:
        print_json(results)
        return
    console = results_console()
    wide, wider = (console.width >= width for width in (WIDE, WIDER))
    console.print(results_table(results, intervals=wide, beside=wider))
    if results.area is not None:
        console.print(_area_sentence(results.area))
    print_selective(results)
    print_warnings(results.warnings)
    for each in (verdict_said(results), *beside(results)):
        _print_said(console, each)
    console.print()
    print_place("Run folder", folder)
    if (report := folder / "report.html").exists():
        console.print(f"Report:     {report}", soft_wrap=True, highlight=False, markup=False)


def print_judgement(judgement: Judgement) -> None:
    """Print what a table of items shows: the outcome, the plain line, each dose, what to know."""
    console = results_console()
    print_warnings(judgement.warnings)
    console.print(f"\n[bold]{BADGES[judgement.outcome]}[/]", highlight=False)
    console.print(f"[bold]{escape(plainly(judgement))}[/]", highlight=False)
    for verdict in judgement.doses:
        told = said(judgement, verdict)
        console.print(f"{verdict.percent:g} %: {escape(told)}", highlight=False)
    if (part := judgement.matched_part) is not None:
        told = said(judgement, part)
        console.print(f"Its matched part: {escape(told)}", highlight=False)


def _print_said(console: Console, said: Said) -> None:
    """One verdict: its outcome, the plain line, the sentence with intervals."""
    title = f"{escape(said.title)}: " if said.title else ""
    colour = COLOURS[said.badge.style]
    console.print(f"\n{title}[bold {colour}]{said.badge}[/]", highlight=False)
    if said.plain:
        console.print(f"[bold]{escape(said.plain)}[/]", highlight=False)
    console.print(f"{escape(said.sentence)} {escape(said.rests)}", highlight=False)
    print_warnings(said.notes)


def print_ended(ended: Ended, number: int, of: int) -> None:
    """Print how a run of a sweep ended, in one line."""
    if ended.results is None:
        said = f"[red]failed[/]: {escape(ended.failure)}"
    else:
        said = f"{BADGES[ended.results.judgement.outcome]}"
        when = f"as of {ended.begun[:10]}" if ended.begun else spoken_seconds(ended.seconds)
        said += f" ({when})"
    line = f"{number} of {of}  {ended.run.name}: {said}"
    results_console().print(line, highlight=False, soft_wrap=True)


def print_sweep(every: Sequence[Ended], folder: Path) -> None:
    """Print the runs of a sweep in a table, and which failed."""
    table = Table(box=box.SIMPLE_HEAD)
    several = len({ended.run.settings.ablation for ended in every}) > 1
    old = any(ended.begun for ended in every)
    looped = ("model", "localizer", "seed", "doses", *(["replaced by"] if several else []))
    for name in (*looped, "verdict", "adjusted effect", "p", *(["as of"] if old else [])):
        table.add_column(name, justify="right" if name in ("seed", "p") else "left")
    for ended in every:
        said = say_settings(ended.run.settings)
        words = [str(said["model"]), _localizer_of(ended)]
        words += [str(said["seed"]), str(said["top"]), *([said["ablation"]] if several else [])]
        if ended.results is None:
            table.add_row(*map(escape, words), "[red]failed[/]", "", "")
            continue
        judgement = ended.results.judgement
        known = judgement.adjusted
        low, high = known.ci
        effect = f"{known.effect:+.3f} \\[{low:+.3f}, {high:+.3f}]"
        p = "" if known.p is None else f"{known.p:.3f}"
        cells = [str(BADGES[judgement.outcome]), effect, p, *([ended.begun[:10]] if old else [])]
        table.add_row(*map(escape, words), *cells)
    console = results_console()
    console.print(table)
    if old:
        console.print(AS_OF, highlight=False)
    for ended in every:
        if ended.results is None:
            told = f"[red]failed[/] {ended.run.name}: {escape(ended.failure)}"
            console.print(told, highlight=False, soft_wrap=True)
    print_place("Run folders", folder)


def _localizer_of(ended: Ended) -> str:
    """By its name, or by the places of somebody's own stimuli."""
    if ended.results is not None:
        return ended.results.localizer.name
    own = ended.run.settings
    return own.localizer or "-vs-".join(each.name for each in (own.target, own.control) if each)


def print_json(results: Localized) -> None:
    """Print the results, or their first half, as ``results.json`` has them."""
    print(json.dumps(results_json(results), indent=2, ensure_ascii=False))


def print_map(found: SelectivityMap, percent: float) -> None:
    """Print where the top units of a map lie, and how far its halves agree."""
    mask = top_percent(found, percent)
    words, selective = found.score.words, found.score.selective()
    tested = [] if selective is None else [f"q < 0.05 and {words.symbol} > 0"]
    tell = partial(in_words_of, found.unit)
    table = Table(title=tell(f"top {percent:g} %: {len(mask):,} of {found.n_units:,} units"))
    ranked = [f"highest {name}" for name in (words.symbol, *words.beside)]
    for name in (tell("site"), tell("units"), "in mask", *ranked, *tested):
        table.add_column(name, justify="left" if name == tell("site") else "right")
    for number, (site, count) in enumerate(mask.counts().items()):
        value, own = found.at(site), slice(*found.offsets[number : number + 2])
        table.add_row(
            escape(str(site)),
            f"{value.size:,}",
            f"{count:,}",
            words.said(value.max()),
            *(words.said(found.score.column(name)[own].max()) for name in words.beside),
            *([] if selective is None else [str(int(selective[own].sum()))]),
        )
    console = results_console()
    console.print(table)
    half = SplitHalves.model_validate(found.about["split_half"])
    console.print(
        f"Split halves: r = {half.correlation:.3f}, Dice of the top mask = "
        f"{half.dice[f'{percent:g}']:.2f} (chance {half.dice_chance[f'{percent:g}']:.2f})"
    )
    told = describe_map(found)
    if told.splits is not None:
        console.print(told.splits.said(f"{percent:g}"), highlight=False)
    for each in told.told_beside:
        console.print(each, highlight=False)
    if told.decodable is not None:
        console.print(told.decodable.said, highlight=False)


def print_selective(results: Localized) -> None:
    """Print how many units are how selective, and how many so in untrained networks."""
    base, words = results.baseline, results.selectivity.words
    if sizes := results.selectivity.effect_sizes:
        results_console().print(f"Units by effect size: {sizes}.", highlight=False)
    if base is not None and (told := beside_untrained(base, words)):
        results_console().print(escape(told), highlight=False)


def print_sites(title: str, survey: Survey, kind: str, left_out: bool) -> None:
    """Print a model's sites of one kind or of all, and, if wanted, what cannot be one and why."""
    table = Table(title=escape(title))
    for name in ("site", "kind", "shape", "channels", "neurons"):
        table.add_column(name, justify="left" if name in ("site", "kind") else "right")
    wanted = KINDS if kind == "all" else (cast(Kind, kind),)
    # Asked for one kind that there is not, it is an error that says what to write.
    listed = survey.offered if kind == "all" or left_out else survey.of_kind
    for each in wanted:
        for site in listed(each):
            shape = " x ".join(
                f"[bold]{n}[/]" if i == site.axis - 1 else str(n) for i, n in enumerate(site.shape)
            )
            units = [str(site.n_units(unit)) for unit in UNITS]
            table.add_row(escape(str(site)), each, shape, *units)
    console = results_console()
    console.print(table)
    console.print(
        "The channel axis is in bold. A site is named MODULE:output or MODULE:input, and "
        "MODULE:heads where slices of its input are units, counted under channels; MODULE@2 is the "
        "second of its calls."
    )
    if left_out:
        for path, reason in survey.left_out.items():
            console.print(f"left out: {path} ({reason})", markup=False)


def print_warnings(warnings: Sequence[str]) -> None:
    """Print what a reader should know beside the numbers."""
    for warning in warnings:
        results_console().print(f"[yellow]note[/]  {escape(warning)}")


def progress_line(app: Callable[..., object], quiet: bool) -> AbstractContextManager[Progress]:
    """The line of progress; of several processes the first one's."""
    return terminal(not quiet and team.rank() == 0, partial(spoken, command=app))


def print_place(what: str, place: object) -> None:
    """Print where something lies; a path may hold what looks like markup."""
    results_console().print(f"{what}: {place}", soft_wrap=True, highlight=False, markup=False)


def results_console() -> Console:
    """A console as wide as the terminal, or COLUMNS; wide enough for a table where none is said."""
    told = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console() if told else Console(width=WIDE)


def _area_sentence(area: Area) -> str:
    shares = ", ".join(
        f"{percent(share.of_top)} of the top {dose} %" for dose, share in area.share.items()
    )
    of_all = f"{area.n_units:,} units, {area.percent:.1f} % of all"
    return f"The built-in area ({of_all}) makes up {shares}."


def results_table(results: Results, intervals: bool = True, beside: bool = False) -> Table:
    """The table of groups by masks; the draws of a control rule share a row, as their mean.

    Without `intervals` only the adjusted effect has its own, so that the table fits 80 columns.
    With `beside` agreement stands beside accuracy.
    """
    table = Table(
        title=escape(f"{results.model.name} · {results.localizer.name}"),
        caption=outcome_table.note(results, beside),
        box=box.SIMPLE,
        show_edge=False,
        padding=(0, 1 if intervals else 0, 0, 0),
        pad_edge=False,
    )
    columns = outcome_table.columns(results)
    shown = [column for column in columns if intervals or column.narrow]
    shown = [column for column in shown if beside or column.kind != "agreement"]
    table.add_column("mask", overflow="fold")  # the one that gives way where there is no room
    for column in shown:
        table.add_column(column.short, justify="right", no_wrap=True)
    intact = zip(columns, outcome_table.intact_row(results), strict=True)
    table.add_row("intact", *(cell.value for column, cell in intact if column in shown))
    for dose in outcome_table.doses(results):
        table.add_section()
        for row in dose.rows:
            cells = dict(zip(columns, row.cells, strict=True))
            told = [_told(row, column, cells[column], intervals) for column in shown]
            table.add_row(_mask_told(row, intervals), *told)
    return table


def _mask_told(row: Row, wide: bool) -> str:
    """Rule, dose and size or draws; where there is little room the dose stands with the top."""
    dose = f" {row.percent:g} %" if wide or row.top else ""
    return f"{row.called}{dose} " + (f"×{row.draws}" if row.draws > 1 else f"({row.n_units:,})")


def _told(row: Row, column: Column, cell: Cell, intervals: bool) -> str:
    """A number; of one mask with its interval, where there is room for it."""
    kinds = ("drop", "effect") if intervals else ("effect",)
    told = row.draws == 1 and column.kind in kinds and cell.beside
    return f"{cell.value} {cell.beside}" if told else cell.value


def models_table(entries: Collection[Entry]) -> Table:
    """The table of the command ``models``."""
    table = Table(title="models")
    for column in ("name", "weights", "what it is"):
        table.add_column(column, overflow="fold")
    for entry in entries:
        table.add_row(escape(entry.name), entry.where, escape(entry.about))
    return table
