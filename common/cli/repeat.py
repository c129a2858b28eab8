"""The verb ``repeat``, and what it prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from common.base.errors import RunError
from common.cli.options import DataRoot, OwnCode, Quiet
from common.cli.printing import print_place, progress_line, results_console
from common.models.own import consent
from common.study.repeat import Repeated, repeat

HELP = (
    "Do an old run again, from its run.json alone, and say of each number whether it came out "
    "again, how far apart it is, and what had changed: versions, machine, model, stimuli. Also of "
    "the folder of localize, evaluate or dissociate. The status is 0 if all agree."
)


def add_repeat(app: typer.Typer, program: Any) -> None:
    """Give a command line the verb."""

    @app.command("repeat", help=HELP)
    def repeat_run(
        folder: Annotated[Path, typer.Argument(help="The finished run's folder.", metavar="RUN")],
        out: Annotated[
            Path | None,
            typer.Option(
                "--out", "-o", help="Keep the new run here, and go on there after a stop; left "
                "out, it is gone afterwards.",
            ),
        ] = None,
        within: Annotated[
            float,
            typer.Option(
                "--within", min=0.0, metavar="X",
                help="Numbers agree that are this far apart at most, as a share of the larger one "
                "where that is above 1; as in 1e-4 on another machine.",
            ),
        ] = 0.0,
        device: Annotated[
            str | None,
            typer.Option("--device", help="Another one than the run asked for.", metavar="NAME"),
        ] = None,
        data_root: DataRoot = None,
        as_json: Annotated[
            bool, typer.Option("--json", help="Print the comparison as JSON.")
        ] = False,
        quiet: Quiet = False,
        own_code: OwnCode = False,
    ) -> None:  # fmt: skip
        if own_code:
            consent()
        other = {"device": device, "data_root": data_root}
        with progress_line(app, quiet) as progress:
            done = repeat(program.front, folder, out, progress, within=within, **other)
        if as_json:
            print(json.dumps(done.as_json(), indent=2, ensure_ascii=False))
        else:
            print_repeated(done)
        if not done.agrees:
            raise RunError(done.failure)


def print_repeated(done: Repeated) -> None:
    """Print file by file how far the numbers agree, and what had changed."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("file", overflow="fold")
    table.add_column("compared", justify="right")
    table.add_column("agree", justify="right")
    table.add_column("", overflow="fold")
    for part in done.parts:
        words = (part.part, f"{part.n:,}", f"{part.n - part.n_other:,}", part.said)
        table.add_row(*map(escape, words))
    console = results_console()
    if done.was_done:
        console.print("The new run was finished before; nothing was computed.")
    console.print(table)
    for change in done.changes:
        console.print(f"[yellow]changed[/]  {escape(change.said)}", highlight=False)
    if done.agrees:
        console.print("Each number of the run came out again.")
    if done.again is not None:
        print_place("Run folder", done.again)
