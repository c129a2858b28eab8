"""The verb ``compare-sites``, and what it prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from common.base import team
from common.cli.options import Given, Out, Quiet, takes
from common.cli.printing import progress_line, results_console
from common.cli.several import at_one_dose, print_several
from common.effects.kinds_words import outcome, plainly, sentences
from common.effects.site_kinds import ComparedSites
from common.measure.sites import KINDS, Kind
from common.report.site_kinds import BADGES, effect_tables, where_table
from common.study.compare_sites import VERB, compare_sites
from common.study.several import CONTROLS
from common.study.sites_file import SITES

HELP = (
    "Which kind of site matters: outputs of blocks, of attention, of heads, of MLPs, their hidden "
    "units, or of every operation? Each kind is localized (all in one pass) and ablated at the "
    "same number of units, against matched units of its own; told is where the adjusted effect is "
    "largest, as it is and beyond matched units, corrected for the number of kinds. Example: all "
    "kinds that a model has, or --kind block --kind mlp_hidden --n-units 20 for two of them; "
    "docs/compare-sites.md."
)


def add_compare_sites(app: typer.Typer, program: Any) -> None:
    """Give a command line the verb."""
    kind = program.front.settings

    @app.command(VERB, help=HELP)
    @takes(kind, VERB, controls=CONTROLS)
    def compare_all(
        given: Given,
        kinds: Annotated[
            list[str] | None,
            typer.Option(
                "--kind",
                metavar="KIND",
                help=f"A kind of site to compare, several times: {', '.join(KINDS)}. Left out, all "
                "that the model has.",
            ),
        ] = None,
        n_units: Annotated[
            int | None,
            typer.Option(
                "--n-units",
                metavar="N",
                help="Units to ablate of every kind. Left out, as many as --top is of the units of "
                "the first kind.",
            ),
        ] = None,
        out: Out = None,
        as_json: Annotated[
            bool, typer.Option("--json", help="Print sites.json instead of a table.")
        ] = False,
        quiet: Quiet = False,
    ) -> None:
        settings = at_one_dose(kind, given)
        chosen = cast(list[Kind], kinds or [])
        with team.joined():
            with progress_line(app, quiet) as progress:
                found, folder, was_done = compare_sites(
                    program.front, settings, chosen, n_units, out, progress
                )
            if as_json:
                print(json.dumps(SITES.as_json(found), indent=2, ensure_ascii=False))
                return
            if was_done:
                results_console().print("This was finished; nothing was computed.")
            print_compared_sites(found, folder)


def print_compared_sites(found: ComparedSites, folder: Path) -> None:
    """Print a line for every kind, where its units lie, the finding, and where all of it is."""
    tables = (*effect_tables(found), where_table(found))
    badge = BADGES[outcome(found)]
    print_several(folder, tables, found.warnings, badge, plainly(found), sentences(found))
