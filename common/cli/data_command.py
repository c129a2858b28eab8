"""The command ``data``: which stimuli there are, whether they are whole, and getting them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from common.base.cache import STAMP
from common.base.errors import DataError
from common.base.files import read_json
from common.base.progress import terminal
from common.cli import options
from common.cli.printing import results_console
from common.data.download import is_outdated, is_whole
from common.data.manifest import (
    COMMANDS,
    Kind,
    Manifest,
    PartCheck,
    check_folder,
    check_kind,
    download_data,
    find_folder,
    known_manifests,
    load_manifest,
    missing_data,
    missing_table,
)

ABOUT_WIDTH = 90

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="A name from `data list`, or the path of a manifest.")
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict", help="A checksum that differs from the published one is an error, too."
    ),
]
To = Annotated[
    Path | None,
    typer.Option(
        "--to",
        help="Put it in this folder, as NAME/, for a later --data-root; left out, the cache.",
    ),
]


def data_app(kind: Kind, read: Callable[[Path], object]) -> typer.Typer:
    """The commands ``list``, ``check`` and ``fetch`` for stimulus sets of one kind.

    Parameters
    ----------
    kind : {"pictures", "texts"}
        What the front end reads; sets of the other kind are not listed and are refused.
    read : callable
        Reads one file as what it is; raises DataError where it is broken.
    """
    app = typer.Typer(
        help="Say which stimuli there are and where they lie; check them, download them.\n\n"
        "A stimulus set NAME is looked for in --data-root or FUNCLOC_DATA as NAME/, then in the "
        "cache (FUNCLOC_CACHE); a run downloads what it misses if it can be downloaded.",
        no_args_is_help=True,
    )

    @app.command(
        "list",
        help="Say which stimulus sets and benchmarks there are, what they offer, and where they "
        "lie.",
    )
    def list_all(data_root: options.DataRoot = None) -> None:
        _list(kind, data_root)

    @app.command(
        "check",
        help="Check that every file of a stimulus set is there, can be read, and is the published "
        "one.\n\nA file that is missing or broken is an error (status 1). Another checksum is only "
        "told, for a copy that was resized serves as well; --strict makes it an error, too. "
        "Nothing is downloaded.",
    )
    def check(
        name: Name,
        data_root: options.DataRoot = None,
        strict: Strict = False,
        quiet: options.Quiet = False,
    ) -> None:
        _check(_manifest(name, kind), read, data_root, strict, quiet)

    @app.command(
        "fetch",
        help="Download a stimulus set, unless it is here already.\n\nInterrupted, the same command "
        "goes on where it stopped, as far as the server can. Every file is held against its "
        "published checksum, and the folder appears when the last one is right.",
    )
    def fetch(name: Name, to: To = None, quiet: options.Quiet = False) -> None:
        _fetch(_manifest(name, kind), to, quiet)

    return app


def _manifest(name: str, kind: Kind) -> Manifest:
    manifest = load_manifest(name)
    check_kind(manifest, f"data {name}", kind)
    return manifest


# --- list ---


def _list(kind: Kind, data_root: Path | None) -> None:
    table = Table()
    for column in ("name", "what it is", "contrasts", "groups", "where"):
        table.add_column(column, overflow="fold", no_wrap=column == "name")
    for manifest in map(load_manifest, known_manifests()):
        if manifest.kind == kind:
            table.add_row(*map(Text, _row(manifest, data_root)))
    console = results_console()
    console.print(table)
    console.print(
        "Contrasts are for --localizer NAME:CONTRAST, or NAME:CONTRAST:CONDITION for its target "
        "against that condition alone; groups are compared by --eval NAME. "
        "More of each: docs/data.md"
    )


def _row(manifest: Manifest, data_root: Path | None) -> tuple[str, ...]:
    entry = manifest.evaluation or manifest.pairs
    groups = "–"
    if entry is not None:
        groups = f"{entry.target}, {entry.other}" if entry.target else "all as one"
    return (
        manifest.name,
        shorten(manifest.about, ABOUT_WIDTH, placeholder=" …"),
        ", ".join(manifest.contrasts) or "–",
        "running text" if manifest.text else groups,
        _where(manifest, data_root),
    )


def _where(manifest: Manifest, data_root: Path | None) -> str:
    if manifest.is_drawn:
        return "drawn by the program"
    if manifest.bundled:
        return "comes with the program"
    if (folder := find_folder(manifest, data_root)) is not None:
        return str(folder)
    if manifest.download is None:
        return "own copy needed"
    files = len(manifest.download.files)
    return f"download ({files:,} files)" if files else "download"


# --- check ---


def _check(
    manifest: Manifest,
    read: Callable[[Path], object],
    data_root: Path | None,
    strict: bool,
    quiet: bool,
) -> None:
    console = results_console()
    if manifest.is_drawn:
        console.print(f"{manifest.name}: drawn by the program; there is nothing to check.")
        return
    folder = find_folder(manifest, data_root)
    if folder is None:
        raise DataError(_absent(manifest, data_root))
    with terminal(not quiet) as progress:
        parts = check_folder(manifest, folder, read, progress)
    console.print(_parts_table(manifest, parts))
    _raise_problems(manifest, folder, parts)
    console.print(_verdict(manifest, parts, strict), soft_wrap=True, markup=False)


def _absent(manifest: Manifest, data_root: Path | None) -> str:
    command = COMMANDS[manifest.kind]
    fetching = f" (or run: {command} data fetch {manifest.name})" if manifest.download else ""
    return missing_data(manifest, data_root) + fetching


def _parts_table(manifest: Manifest, parts: Sequence[PartCheck]) -> Table:
    table = Table(title=manifest.name)
    table.add_column("part", overflow="fold")
    for column in ("present", "readable", "checksum"):
        table.add_column(column, justify="right")
    for part in parts:
        table.add_row(
            Text(part.name),
            f"{part.present:,} of {part.expected:,}",
            f"{part.present - len(part.broken):,}",
            _checksums(part),
        )
    return table


def _checksums(part: PartCheck) -> str:
    if not part.known:
        return "none published"
    return f"{part.differing:,} differ" if part.differing else "as published"


def _raise_problems(manifest: Manifest, folder: Path, parts: Sequence[PartCheck]) -> None:
    entry = manifest.evaluation
    absent = [path for part in parts for path in part.missing]
    if entry and absent == [entry.table]:
        raise DataError(missing_table(entry, folder))
    if absent:
        expected = sum(part.expected for part in parts)
        raise DataError(
            f"{folder}: {len(absent):,} of {expected:,} files are missing, the first: "
            + ", ".join(absent[:3])
        )
    for part in parts:
        if part.present != part.expected:
            raise DataError(
                f"{folder}: {part.name} has {part.present:,} files where {part.expected:,} belong"
            )
    if broken := [line for part in parts for line in part.broken]:
        raise DataError(
            f"{folder}: {len(broken):,} of {sum(part.present for part in parts):,} files are "
            f"broken, the first: {broken[0]}"
        )


def _verdict(manifest: Manifest, parts: Sequence[PartCheck], strict: bool) -> str:
    present, known, differing = (
        sum(getattr(part, what) for part in parts) for what in ("present", "known", "differing")
    )
    whole = f"{manifest.name}: {present:,} of {present:,} files present and readable"
    if differing:
        odd = f"{differing:,} of {known:,} checksums differ from the original's (a resized copy?)"
        if strict:
            raise DataError(f"{whole}, but {odd}")
        return f"{whole}; {odd}"
    if known:
        return f"{whole}; {known:,} checksums as published"
    return f"{whole}; no checksums are published to hold them against"


# --- fetch ---


def _fetch(manifest: Manifest, to: Path | None, quiet: bool) -> None:
    console = results_console()
    folder = _fetched(manifest, to, quiet, console)
    entry = manifest.evaluation
    if folder and entry and entry.table and not (folder / entry.table).is_file():
        console.print(missing_table(entry, folder), soft_wrap=True, markup=False)
    if folder and manifest.download and manifest.download.unchecked and is_whole(folder):
        found = read_json(folder / STAMP).get("sha256")
        console.print(
            f"Not held against a checksum: {manifest.download.unchecked}. The archive's SHA-256 is "
            f"{found}.",
            soft_wrap=True,
            markup=False,
        )


def _fetched(manifest: Manifest, to: Path | None, quiet: bool, console: Console) -> Path | None:
    if manifest.is_drawn or manifest.bundled:
        how = "drawn by" if manifest.is_drawn else "comes with"
        console.print(f"{manifest.name}: {how} the program; there is nothing to download.")
        return None
    download = manifest.download
    here = find_folder(manifest) if to is None else None
    if here is not None and not (download and is_outdated(here, download)):
        console.print(f"{manifest.name} is here already: {here}", soft_wrap=True, markup=False)
        return here
    with terminal(not quiet) as progress:
        folder = download_data(manifest, to, progress, into=to)
    console.print(f"{manifest.name} is complete: {folder}", soft_wrap=True, markup=False)
    return folder
