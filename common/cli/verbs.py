"""The verbs that both programs have, written once: a front end adds its own to them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from common.base import team
from common.base.device import choose_device
from common.base.errors import SettingError
from common.base.files import file_name
from common.cli.compare_sites import add_compare_sites
from common.cli.dissociate import add_dissociate
from common.cli.main import spoken
from common.cli.models_command import models_app
from common.cli.options import (
    Given,
    Json,
    MapFolder,
    Out,
    OwnCode,
    Quiet,
    one_of,
    takes,
)
from common.cli.printing import (
    print_ended,
    print_json,
    print_map,
    print_place,
    print_results,
    print_selective,
    print_sites,
    print_sweep,
    print_warnings,
    progress_line,
    results_console,
)
from common.cli.reading import add_reading
from common.cli.repeat import add_repeat
from common.cli.tables import print_seeds
from common.cli.version import add_version
from common.effects.results import Results
from common.measure.sites import KINDS
from common.measure.survey import Survey
from common.models.catalogue import Entry
from common.models.own import consent
from common.models.packages import Packages
from common.report.mapped import map_warnings
from common.study.declared import completed
from common.study.front import FrontEnd
from common.study.seeds import run_seeds
from common.study.sweep import planned, sweep
from common.study.unit_list import masks_of
from common.study.verbs import evaluate_map, localize_only, run


@dataclass(frozen=True)
class Program:
    """What a front end brings to its command line.

    Attributes
    ----------
    about : str
        One sentence.
    front : FrontEnd
        Runs.
    survey : callable
        The sites of a model: from its name, whether random weights will do, a device, and whether
        each call of a module is one.
    catalogue : callable
        The models that there are, from the folder that holds models' folders.
    packages : Packages
        Those of them that come as Python packages.
    besides : str
        Which other models there are.
    """

    about: str
    front: FrontEnd[Any, Any]
    survey: Callable[[str, bool, torch.device, bool], Survey]
    catalogue: Callable[[Path | None], Sequence[Entry]]
    packages: Packages
    besides: str


def build(program: Program, data: typer.Typer) -> typer.Typer:
    """The command line with the verbs that both programs have.

    Parameters
    ----------
    program : Program
        The front end's.
    data : typer.Typer
        The commands of ``data``.
    """
    app = typer.Typer(
        help=program.about,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
    )
    add_version(app)
    for add in (
        _add_run,
        _add_localize,
        _add_evaluate,
        add_dissociate,
        add_compare_sites,
        _add_sweep,
        add_repeat,
        add_reading,
        _add_sites,
    ):
        add(app, program)
    app.add_typer(
        models_app(program.front.program, program.catalogue, program.packages, program.besides),
        name="models",
    )
    app.add_typer(data, name="data")
    return app


def _add_run(app: typer.Typer, program: Program) -> None:
    kind = program.front.settings

    @app.command("run", help="Do all of it: localize, ablate, evaluate, compare with the controls.")
    @takes(kind, "run")
    def run_all(
        given: Given,
        seeds: Annotated[
            int | None,
            typer.Option(
                "--seeds",
                metavar="N",
                min=2,
                help="Run with N seeds, from --seed on, each in a folder of its own under --out, "
                "and tell how alike map, mask and effect are.",
            ),
        ] = None,
        out: Out = None,
        as_json: Json = False,
        quiet: Quiet = False,
    ) -> None:
        settings = completed(kind, given)
        if seeds is not None:
            _check_alone("`seeds`: several processes make one run; use sweep for several")
            with progress_line(app, quiet) as progress:
                print_seeds(*run_seeds(program.front, settings, seeds, out, progress), as_json)
            return
        with team.joined():
            with progress_line(app, quiet) as progress:
                done = run(program.front, settings, out, progress)
            _print(*done, as_json)


def _add_localize(app: typer.Typer, program: Program) -> None:
    kind = program.front.settings

    @app.command(
        "localize", help="Only localize: write the selectivity map, the top masks and their report."
    )
    @takes(kind, "localize")
    def localize(
        given: Given, out: Out = None, as_json: Json = False, quiet: Quiet = False
    ) -> None:
        settings = completed(kind, given)
        with team.joined():
            with progress_line(app, quiet) as progress:
                results, found, folder = localize_only(program.front, settings, out, progress)
            if as_json:
                print_json(results)
                return
            print_map(found, settings.top[0])
            print_selective(results)
            print_warnings(map_warnings(results))
            print_place("Run folder", folder)
            print_place("Report", folder / "report.html")


def _add_evaluate(app: typer.Typer, program: Program) -> None:
    @app.command(
        "evaluate",
        help="Evaluate a model under masks chosen from the map of an earlier run or localize.",
    )
    @takes(program.front.settings, "evaluate")
    def evaluate(
        map_folder: MapFolder,
        given: Given,
        out: Out = None,
        as_json: Json = False,
        quiet: Quiet = False,
        own_code: OwnCode = False,
    ) -> None:
        if own_code:
            consent()
        if given["evaluation"] is None:
            del given["evaluation"]  # that of the map's own run, or of its model
        masks = _listed(given)
        with team.joined():
            for given["mask"] in masks:
                place = out if out is None or len(masks) == 1 else out / file_name(given["mask"])
                with progress_line(app, quiet) as progress:
                    done = evaluate_map(program.front, map_folder, place, progress, **given)
                _print(*done, as_json)
            if len(masks) > 1 and not as_json:
                told = (
                    f"{len(masks)} masks were judged, each by itself: no p is corrected for that."
                )
                print_warnings([told])


def _listed(given: Given) -> Sequence[str | None]:
    """The masks that are evaluated one after the other: those of a list of units, or one."""
    units, mask = given["units"], given["mask"]
    if units is None or mask is not None:
        return [mask]
    names = masks_of(units)
    if len(names) > 1:
        _check_alone(f"`mask` is missing: several processes evaluate one; {', '.join(names)}")
    return names


def _check_alone(message: str) -> None:
    """Refuse several runs of several processes, of which all but the first leave with a run."""
    if "RANK" in os.environ:
        raise SettingError(message)


def _add_sweep(app: typer.Typer, program: Program) -> None:
    @app.command(
        "sweep",
        help="Run every model of a file with every localizer, seed and dose. The same command on "
        "several machines that see the folder shares the runs between them.",
    )
    def sweep_all(
        path: Annotated[Path, typer.Argument(help="The file.", metavar="FILE.yaml")],
        out: Annotated[
            Path | None,
            typer.Option("--out", "-o", help="The folder of the runs; left out, the file's own."),
        ] = None,
        as_json: Annotated[
            bool, typer.Option("--json", help="Print a list of all results instead of a table.")
        ] = False,
        quiet: Quiet = False,
        own_code: OwnCode = False,
    ) -> None:
        if own_code:
            consent()
        runs, folder = planned(program.front.settings, path)
        folder, every = out or folder, []
        with progress_line(app, quiet) as progress:
            for ended in sweep(program.front, runs, folder, progress):
                ended = replace(ended, failure=spoken(ended.failure, app))
                every.append(ended)
                if not as_json:
                    print_ended(ended, len(every), len(runs))
        order = [run.name for run in runs]
        every.sort(key=lambda ended: order.index(ended.run.name))
        if as_json:
            print(json.dumps([ended.as_json() for ended in every], indent=2, ensure_ascii=False))
        else:
            print_sweep(every, folder)
        if any(ended.results is None for ended in every):
            raise typer.Exit(1)


def _print(results: Results, folder: Path, was_done: bool, as_json: bool) -> None:
    if was_done and not as_json:
        results_console().print("This run is finished; nothing was computed.")
    print_results(results, folder, as_json)


def _add_sites(app: typer.Typer, program: Program) -> None:
    @app.command(
        "sites", help="List a model's sites: name, kind, channel axis, shape and number of units."
    )
    @takes(program.front.settings, "sites")
    def sites(
        given: Given,
        kind: Annotated[str, typer.Option("--kind", help="One kind, or all.")] = "all",
        left_out: Annotated[
            bool,
            typer.Option("--left-out", help="Also the modules that cannot be a site, and why."),
        ] = False,
        untrained: Annotated[
            bool,
            typer.Option("--untrained/--weights", help="Random weights will do (no download)."),
        ] = True,
    ) -> None:
        one_of("kind", kind, (*KINDS, "all"))
        device = choose_device(given["device"])
        survey = program.survey(given["model"], untrained, device, given["each_step"])
        print_sites(given["model"], survey, kind, left_out)
