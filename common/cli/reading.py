"""The verbs that read what is there and run no model: judge, report, compare, units."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from common.base.called import call
from common.base.errors import RunError, SettingError
from common.base.files import save_text
from common.cli.options import Json, one_of
from common.cli.printing import print_judgement, print_place, print_warnings
from common.cli.tables import print_sides, print_units
from common.effects.judge import judge
from common.effects.table import judged_groups
from common.measure.masks import load_masks
from common.measure.scores import SelectivityMap
from common.measure.unit_table import unit_table
from common.report.figures import forest
from common.study.results import NAME as RESULTS
from common.study.results import load_results, read_items
from common.study.side_by_side import ORDER, SideBySide, side_by_side
from common.study.unit_list import combined, mask_named
from common.study.verbs import report_again

FORMATS = (".png", ".svg", ".pdf")
SHOWN = 20  # units on the screen
Table = Annotated[Path | None, typer.Option("--csv", help="Write the table here.", metavar="FILE")]


def add_reading(app: typer.Typer, _program: Any) -> None:
    """Give a command line these verbs."""
    for add in (_add_judge, _add_report, _add_compare, _add_units):
        add(app)


def _add_judge(app: typer.Typer) -> None:
    @app.command(
        "judge",
        help="Judge a table of items (items.csv of a run, or one of your own): one row an item and "
        "mask, with the columns item, group, label, mask, rule, percent, correct, margin.",
    )
    def judge_items(
        items: Annotated[Path, typer.Argument(help="The table.", metavar="ITEMS.csv")],
        target: Annotated[
            str | None, typer.Option("--target", help="The group that the units are said to serve.")
        ] = None,
        other: Annotated[
            str | None, typer.Option("--other", help="The group that it is held against.")
        ] = None,
        as_json: Json = False,
    ) -> None:
        table = read_items(items)
        if target is None and other is None and (items.parent / RESULTS).exists():
            run_of = load_results(items.parent).evaluation
            target, other = run_of.target, run_of.other
        found = judge(table, *judged_groups(table, target, other))
        if as_json:
            print(json.dumps(found.as_json(), indent=2, ensure_ascii=False))
            return
        print_judgement(found)


def _add_report(app: typer.Typer) -> None:
    @app.command(
        "report",
        help="Make the report of a finished run, or of a map, again, from its folder alone; and "
        "give it a name and a note, which stand in it and in the app's list of runs.",
    )
    def report(
        folder: Annotated[Path, typer.Argument(help="The run folder.", metavar="RUN")],
        name: Annotated[
            str | None, typer.Option("--name", help="Call the run so; empty takes the name away.")
        ] = None,
        note: Annotated[
            str | None, typer.Option("--note", help="Note this of it; empty takes the note away.")
        ] = None,
    ) -> None:
        if name is not None or note is not None:
            call(folder, name, note)
        print_place("Report", report_again(folder))


def _add_compare(app: typer.Typer) -> None:
    @app.command(
        "compare",
        help="Set finished runs side by side: intact accuracy, reliability, outcome and adjusted "
        "effect, with the mean over models where nothing else differs. One model is one subject.",
    )
    def compare(
        folders: Annotated[list[Path], typer.Argument(help="Run folders.", metavar="RUN RUN …")],
        sort: Annotated[
            str, typer.Option("--sort", help=f"Sort rows by: {', '.join(ORDER)}.", metavar="WORD")
        ] = "effect",
        table: Table = None,
        figure: Annotated[
            Path | None,
            typer.Option(
                "--figure", help="Draw a forest plot here: .png, .svg or .pdf.", metavar="FILE"
            ),
        ] = None,
        as_json: Annotated[
            bool, typer.Option("--json", help="Print rows, warnings and mean as JSON.")
        ] = False,
    ) -> None:
        sides = side_by_side(folders, one_of("sort", sort, ORDER))
        if table is not None:
            save_text(table, sides.table.to_csv(index=False))
        if figure is not None:
            _draw(figure, sides)
        if as_json:
            print(json.dumps(sides.as_json(), indent=2, ensure_ascii=False))
            return
        print_sides(sides)
        print_warnings(sides.warnings)
        _say_written(table, figure)


def _only(
    folder: Path,
    found: SelectivityMap,
    mask: str | None,
    combine: str | None,
    other: tuple[Path | None, str | None],
) -> tuple[str, np.ndarray]:
    """The units of one mask, or of two combined, and what that is called."""
    one = mask_named(folder, found, mask)
    if combine is None:
        return one.name, one.units
    place, name = other
    if place is None and name is None:
        raise SettingError("`combine`: say the other mask, by `with`, `with_mask` or both")
    theirs = found if place is None else SelectivityMap.load(place / "selectivity.safetensors")
    two = mask_named(place or folder, theirs, name or mask)
    return combine, combined(found, one, theirs, two, combine)


def _draw(path: Path, sides: SideBySide) -> None:
    """Draw a forest plot in the format that the file's name asks for."""
    if path.suffix not in FORMATS:
        raise SettingError(f"`figure` {path.name}: choose a name that ends in {', '.join(FORMATS)}")
    try:
        forest(sides.named, sides.pooled, sides.apart).savefig(path)
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror})") from error


def _say_written(*paths: Path | None) -> None:
    for path in paths:
        if path is not None:
            print_place("Written", path)


def _add_units(app: typer.Typer) -> None:
    @app.command(
        "units",
        help="List the units of a map, the highest score first: site, unit, score, q, effect "
        "sizes, loudness, and in which masks of the run it is.",
    )
    def units(
        folder: Annotated[
            Path, typer.Option("--map", help="A run folder, or one of localize.", metavar="RUN")
        ],
        top: Annotated[
            int | None,
            typer.Option("--top", min=1, help="How many; 20 on the screen, all in a file."),
        ] = None,
        mask: Annotated[
            str | None,
            typer.Option("--mask", help="Only those of this mask, as in top-1.", metavar="NAME"),
        ] = None,
        combine: Annotated[
            str | None,
            typer.Option(
                "--combine",
                help="Only those of the mask and another one: union, intersection or difference.",
                metavar="WORD",
            ),
        ] = None,
        other: Annotated[
            Path | None,
            typer.Option("--with", help="The other mask's run; left out, the same.", metavar="RUN"),
        ] = None,
        other_mask: Annotated[
            str | None,
            typer.Option(
                "--with-mask", help="The other mask; left out, as --mask.", metavar="NAME"
            ),
        ] = None,
        table: Table = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print rows as JSON.")] = False,
    ) -> None:
        found = SelectivityMap.load(folder / "selectivity.safetensors")
        path = folder / "masks.safetensors"
        masks = [*load_masks(path, found).values()] if path.exists() else []
        own = [each for each in masks if each.seed is None]  # the others are draws
        if mask is None and combine is None:
            listed = unit_table(found, own, top)
        else:
            name, only = _only(folder, found, mask, combine, (other, other_mask))
            listed = unit_table(found, own, top, only).assign(mask=name)
        if table is not None:
            save_text(table, listed.to_csv(index=False))
        if as_json:
            print(
                listed.to_json(orient="records", indent=2, force_ascii=False, double_precision=15)
            )
            return
        shown = listed.head(SHOWN if top is None else top)
        print_units(shown, found)
        _say_written(table)
