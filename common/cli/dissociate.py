"""The verb ``dissociate``, and what it prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from common.base import team
from common.cli.options import Given, Out, Quiet, takes
from common.cli.printing import progress_line, results_console
from common.cli.several import at_one_dose, print_several
from common.effects.crossing_words import outcome, plainly, sentences
from common.effects.dissociation import Dissociation
from common.report.dissociation import BADGES, matrix_table, overlap_table
from common.study.dissociation import GROUP, dissociate
from common.study.dissociation_file import DISSOCIATED
from common.study.several import CONTROLS

HELP = (
    "Try the masks of several localizers on every group: which takes most from which, and is any "
    "the group's own? A double dissociation is two localizers that single out a group each: more "
    "is lost than under every other localizer's mask and than under matched units, corrected for "
    "the number of cells. Example: --localizer floc:faces --localizer floc:places, or --localizer "
    "floc for all contrasts of a manifest; docs/dissociate.md."
)


def add_dissociate(app: typer.Typer, program: Any) -> None:
    """Give a command line the verb."""
    kind = program.front.settings

    @app.command("dissociate", help=HELP)
    @takes(kind, "dissociate", controls=CONTROLS)
    def dissociate_all(
        given: Given,
        localizers: Annotated[
            list[str] | None,
            typer.Option(
                "--localizer",
                "-l",
                metavar="NAME",
                help="A contrast, MANIFEST:CONTRAST, or MANIFEST for all of its contrasts; give it "
                "several times. Left out, those of a phantom.",
            ),
        ] = None,
        by: Annotated[
            str,
            typer.Option(
                "--by",
                metavar="LEVEL",
                help="Sort the items by their group, or by a level of the benchmark (field, "
                "phenomenon); running texts are a column each besides.",
            ),
        ] = GROUP,
        out: Out = None,
        as_json: Annotated[
            bool, typer.Option("--json", help="Print dissociation.json instead of a table.")
        ] = False,
        quiet: Quiet = False,
    ) -> None:
        settings = at_one_dose(kind, given)
        with team.joined():
            with progress_line(app, quiet) as progress:
                found, folder, was_done = dissociate(
                    program.front, settings, localizers or [], by, out, progress
                )
            if as_json:
                print(json.dumps(DISSOCIATED.as_json(found), indent=2, ensure_ascii=False))
                return
            if was_done:
                results_console().print("This was finished; nothing was computed.")
            print_dissociation(found, folder)


def print_dissociation(found: Dissociation, folder: Path) -> None:
    """Print the matrix, what masks share, the finding, and where it lies."""
    tables = (matrix_table(found), overlap_table(found))
    badge = BADGES[outcome(found)]
    print_several(folder, tables, found.warnings, badge, plainly(found), sentences(found))
