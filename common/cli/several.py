"""What the verbs of several maps have in common on the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.markup import escape

from common.cli.printing import COLOURS, print_place, print_warnings, results_console
from common.cli.tables import printed
from common.report.parts import Table
from common.report.verdicts import Badge
from common.study.declared import completed
from common.study.front import S


def at_one_dose(kind: type[S], given: Mapping[str, Any]) -> S:
    """The settings, with the headline dose alone where none is given: a phantom brings several."""
    settings = completed(kind, given)
    if given["top"] is None:
        return replace(settings, top=(settings.plan.headline,))
    return settings


def print_several(
    folder: Path,
    tables: Iterable[Table],
    warnings: Sequence[str],
    badge: Badge,
    plain: str,
    sentences: Iterable[str],
) -> None:
    """Print the tables, the finding, and where all of it is."""
    console = results_console()
    for table in tables:
        console.print(printed(table))
    print_warnings(warnings)
    console.print(f"\n[bold {COLOURS[badge.style]}]{badge}[/]", highlight=False)
    console.print(f"[bold]{escape(plain)}[/]", highlight=False)
    for sentence in sentences:
        console.print(escape(sentence), highlight=False)
    console.print()
    print_place("Folder", folder)
    print_place("Report", folder / "report.html")
