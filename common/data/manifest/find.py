"""Finding a manifest, and the folder that holds its stimuli."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import yaml
from pydantic import ValidationError

import data_manifests
from common.base.cache import cache_folder
from common.base.errors import DataError, ManifestError
from common.base.progress import Progress, terminal
from common.base.yamls import read_yaml
from common.data.download import fetch, is_outdated
from common.data.manifest.schema import Evaluation, Kind, Manifest

DATA_VARIABLE = "FUNCLOC_DATA"  # the environment's word for `data_root`
COMMANDS: dict[Kind, str] = {"pictures": "vision-loc", "texts": "llm-loc"}


def matching(folder: Path, glob: str) -> list[Path]:
    """The files of a set that a glob of its manifest means, sorted; nothing that is hidden."""
    found = (path for path in folder.glob(glob) if not path.is_dir())
    return sorted(
        path
        for path in found
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def known_manifests() -> list[str]:
    """Names of the manifests that come with the program."""
    folder = resources.files(data_manifests)
    return sorted(file.name[:-5] for file in folder.iterdir() if file.name.endswith(".yaml"))


def load_manifest(name: str) -> Manifest:
    """Read a manifest by its name, or by the path of a YAML file.

    Raises
    ------
    ManifestError
        If there is none, or it holds an unknown key, a wrong type, or a contradiction.
    """
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
        if not os.path.isfile(name):  # noqa: PTH113 (a name that is too long is no error)
            raise ManifestError(f"{name}: no such manifest")
        return _validated(name, _text(path), path.parent)
    if name in known_manifests():
        return _known(name)
    raise ManifestError(f"no manifest is called {name!r}; known: {', '.join(known_manifests())}")


@cache
def _known(name: str) -> Manifest:
    """One that comes with the program, read once: lists of what is here read them all."""
    folder = resources.files(data_manifests)
    return _validated(name, (folder / f"{name}.yaml").read_text(encoding="utf-8"), folder)


def _validated(name: str, text: str, beside: Traversable) -> Manifest:
    try:
        return Manifest.model_validate(read_yaml(text), context={"beside": beside})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "top level"
        raise ManifestError(f"manifest {name}: {where}: {first['msg']}") from error
    except (
        yaml.YAMLError,
        ValueError,
        RecursionError,
    ) as error:
        raise ManifestError(f"{name}: no YAML ({' '.join(str(error).split())})") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: cannot be read ({error})") from error


def manifests_here(kind: Kind) -> list[Manifest]:
    """The manifests of pictures, or of texts, whose files are on this machine."""
    known = [load_manifest(name) for name in known_manifests()]
    fit = [each for each in known if each.kind == kind]
    return [each for each in fit if each.is_drawn or find_folder(each) is not None]


def contrasts_here(kind: Kind) -> list[str]:
    """Their contrasts, as ``--localizer`` takes them."""
    return [f"{each.name}:{name}" for each in manifests_here(kind) for name in each.localizers]


def check_kind(manifest: Manifest, given: str, wanted: Kind) -> None:
    """Refuse a set of pictures where texts are wanted, and the other way round.

    Parameters
    ----------
    given : str
        What the user wrote.

    Raises
    ------
    ManifestError
        If so; says which command reads it.
    """
    if manifest.kind != wanted:
        raise ManifestError(
            f"{given}: {manifest.name} is a set of {manifest.kind}; {COMMANDS[manifest.kind]} "
            "reads it"
        )


def places(manifest: Manifest, data_root: Path | None = None) -> list[Path]:
    """Where a manifest's folder may lie, in the order of looking."""
    named = data_root or (Path(p) if (p := os.environ.get(DATA_VARIABLE)) else None)
    found = [root / manifest.name for root in (named, cache_folder()) if root is not None]
    return [*found, bundled_folder()] if manifest.bundled else found


def bundled_folder() -> Path:
    """Where the files lie that come with the program."""
    return Path(str(resources.files(data_manifests)))


def find_folder(manifest: Manifest, data_root: Path | None = None) -> Path | None:
    """The folder that holds a manifest's files, if it is here already."""
    return next((place for place in places(manifest, data_root) if place.is_dir()), None)


def data_folder(
    manifest: Manifest, data_root: Path | None = None, progress: Progress | None = None
) -> Path:
    """The folder that holds a manifest's files, downloaded if need be.

    Parameters
    ----------
    manifest : Manifest
        What is wanted.
    data_root : Path, optional
        ``--data-root``; left out, ``FUNCLOC_DATA``. The cache comes after it, then the download.
    progress : Progress, optional
        Shows the download; left out, a bar if standard error is a terminal.

    Raises
    ------
    DataError
        If the files are nowhere and cannot be downloaded, or their table is yet to be made; says
        what to put where.
    """
    folder = find_folder(manifest, data_root)
    if folder is None:
        folder = download_data(manifest, data_root, progress)
    elif manifest.download and is_outdated(folder, manifest.download):
        raise DataError(f"{folder}: was downloaded for another revision; move it away")
    entry = manifest.evaluation
    if entry and entry.table and not manifest.conditions and not (folder / entry.table).is_file():
        raise DataError(missing_table(entry, folder))
    return folder


def missing_table(entry: Evaluation, folder: Path) -> str:
    """What to say of a folder that holds the stimuli but no table of them."""
    return f"{folder}: holds no {entry.table}; {entry.table_from or 'is the folder complete?'}"


def missing_data(manifest: Manifest, data_root: Path | None = None, why: str | None = None) -> str:
    """What to say of a manifest whose files are not here: what to get, and where to put it."""
    tried = " or ".join(str(place) for place in places(manifest, data_root))
    if why is None and manifest.download is None:
        why = "there is no download for it"
    return (
        f"{manifest.name}: not found in {tried}{f', and {why}' if why else ''}; "
        f"{manifest.own_copy or f'get it from {manifest.source.url}'} and put it there, or set "
        f"FUNCLOC_DATA or `data_root` to the folder that holds {manifest.name}/"
    )


def download_data(
    manifest: Manifest,
    data_root: Path | None = None,
    progress: Progress | None = None,
    into: Path | None = None,
) -> Path:
    """Download a manifest's files into a folder of that name, unless it is complete already.

    Parameters
    ----------
    data_root : Path, optional
        Where else they might have been, for the message.
    into : Path, optional
        What the folder shall lie in; left out, the cache.
    progress : Progress, optional
        Left out, a bar if standard error is a terminal.

    Raises
    ------
    DataError
        If there is no download, or it fails; says why, and what to put where by hand.
    """
    if manifest.download is None:
        raise DataError(missing_data(manifest, data_root))
    try:
        with nullcontext(progress) if progress else terminal(sys.stderr.isatty()) as shown:
            return fetch(manifest.name, manifest.download, into or cache_folder(), shown)
    except DataError as error:
        why = f"the download failed ({error})"
        raise DataError(missing_data(manifest, data_root, why)) from error
