"""``--version``: of the program, and of what its numbers rest on."""

from __future__ import annotations

import platform
from typing import Annotated

import typer

from common.study.folder import library_versions


def _told(context: typer.Context, asked: bool) -> None:
    if not asked:
        return
    known = {"Python": platform.python_version(), **library_versions()}
    own = known.pop("funcloc", "of no installed version")
    others = ", ".join(f"{name} {number}" for name, number in known.items())
    print(f"{context.info_name}: funcloc {own} ({others})")
    raise typer.Exit


def add_version(app: typer.Typer) -> None:
    """Give a command line the option."""

    @app.callback()
    def every(
        version: Annotated[
            bool,
            typer.Option("--version", callback=_told, is_eager=True, help="Say which, and end."),
        ] = False,
    ) -> None: ...
