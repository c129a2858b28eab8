"""Manifests: which stimuli exist, where they come from, and which contrasts they offer.

A manifest is a YAML file ``NAME.yaml`` in ``data_manifests/`` (or anywhere, given by its path). It
holds facts, never data. Its stimuli are looked for in ``--data-root`` or ``FUNCLOC_DATA`` as
``NAME/…``, then in the cache, and then downloaded into it if the manifest says from where.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import pandas as pd
import pooch
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from common.base.errors import DataError, ManifestError
from common.base.progress import Progress, silent, terminal
from common.data.download import Download, fetch, is_outdated, sha256_of

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Kind = Literal["pictures", "texts"]

DATA_VARIABLE = "FUNCLOC_DATA"  # the environment's word for --data-root
COMMANDS: dict[Kind, str] = {"pictures": "vision-loc", "texts": "llm-loc"}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Strict):
    """Where the stimuli come from."""

    url: str
    revision: str | None = None
    licence: str | None = None
    citation: str | None = None


class Story(_Strict):
    """What is asked about each story of a condition, and answered.

    Attributes
    ----------
    question : str
        Glob of the files with the questions; its ``*`` stands for the same as in the stories' one.
    answers : tuple of str
        The possible answers. Each comes equally often, and the condition's seed draws which story
        gets which, so that the answer tells nothing of the condition.
    template : str
        The whole text, with ``{story}``, ``{question}`` and ``{answer}``.
    """

    question: str
    answers: tuple[str, ...] = Field(default=("True", "False"), min_length=1)
    template: str = "Story: {story}\nQuestion: {question}\nAnswer: {answer}"


class Condition(_Strict):
    """The stimuli of one condition: files by a glob, rows of tables, or drawn by the program.

    Attributes
    ----------
    words : tuple of str
        Columns of a CSV table whose cells, with spaces between them, are one text a row.
    where : dict of str to str
        Only the rows that have these values.
    lower : bool
        Whether the text is lower-cased.
    story : Story, optional
        Each file is a story, read with a question and an answer.
    n : int, optional
        How many stimuli there are: files, or rows, or how many are drawn.
    seed : int
        Seed of what is drawn.
    """

    files: str | None = None
    draw: str | None = None
    n: int | None = Field(default=None, ge=1)
    words: tuple[str, ...] = ()
    where: dict[str, str] = {}
    lower: bool = False
    story: Story | None = None
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _one_of(self) -> Condition:
        if (self.files is None) == (self.draw is None):
            raise ValueError("a condition has either files or draw")
        if (self.where or self.lower) and not self.words:
            raise ValueError("where and lower are for the rows of tables: name the words columns")
        if self.words and self.files is None:
            raise ValueError("words are columns of files")
        if self.story and any((glob or "").count("*") != 1 for glob in self.globs):
            raise ValueError("a story has files and a question, each a glob with one *")
        return self

    @property
    def globs(self) -> list[str]:
        """What the names of its files are like; a story's questions come last."""
        asked = [self.story.question] if self.story else []
        return [*([self.files] if self.files is not None else []), *asked]

    @property
    def is_text(self) -> bool:
        """Whether its files are of text."""
        return bool(self.words) or self.story is not None


class Contrast(_Strict):
    """Target conditions against control conditions."""

    target: tuple[Name, ...] = Field(min_length=1)
    control: tuple[Name, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _apart(self) -> Contrast:
        if shared := set(self.target) & set(self.control):
            raise ValueError(f"{', '.join(sorted(shared))} is both target and control")
        return self


class Evaluation(_Strict):
    """A benchmark: a table of items with label and group, or items drawn by the program."""

    table: str | None = None
    table_from: str | None = None  # how to make the table, where no download brings it
    draw: bool = False
    n: int | None = Field(default=None, ge=1)
    file: str = "file"
    label: str = "class_index"
    wnid: str | None = None
    class_name: str | None = None
    group: str = "group"
    target: str
    other: str

    @model_validator(mode="after")
    def _one_of(self) -> Evaluation:
        if (self.table is None) != self.draw:
            raise ValueError("an evaluation has either a table or draw")
        if self.target == self.other:
            raise ValueError("target and other are the same group")
        return self


class Pairs(_Strict):
    """A benchmark of minimal pairs, in JSON lines or drawn: of two texts the model prefers one.

    Attributes
    ----------
    files : str, optional
        Glob.
    draw : str, optional
        What is drawn by the program, where there are no files.
    n, seed : int
        How many are drawn, and the seed of the draw.
    good, bad : str
        Keys of the two texts.
    levels : dict of str to str
        Ways to sort the pairs, coarse ones first, and the key of each.
    rename : dict of str to str
        Other spellings of the same part.
    target, other : str
        The parts that are contrasted by default; ``rest`` is all that is not the target.
    """

    files: str | None = None
    draw: str | None = None
    n: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0)
    good: str = "good"
    bad: str = "bad"
    levels: dict[Name, str] = Field(min_length=1)
    rename: dict[str, str] = {}
    target: str
    other: str = "rest"

    @model_validator(mode="after")
    def _one_of(self) -> Pairs:
        if (self.files is None) == (self.draw is None) or (self.n is None) != (self.draw is None):
            raise ValueError("pairs have either files, or draw and n")
        return self

    @model_validator(mode="after")
    def _apart(self) -> Pairs:
        if self.target == self.other:
            raise ValueError("target and other are the same group")
        return self


class RunningText(_Strict):
    """A text whose perplexity is measured, in windows of so many tokens."""

    file: str
    window: int = Field(default=128, ge=2)


class Manifest(_Strict):
    """One stimulus set or benchmark."""

    name: Name
    about: str
    source: Source
    conditions: dict[Name, Condition] = {}
    contrasts: dict[Name, Contrast] = {}
    evaluation: Evaluation | None = None
    pairs: Pairs | None = None
    text: RunningText | None = None
    download: Download | None = None
    own_copy: str | None = None  # how to come by the files, where no download brings them
    bundled: bool = False  # whether its files lie beside the manifest
    warning: str | None = None

    @model_validator(mode="after")
    def _known(self) -> Manifest:
        for name, contrast in self.contrasts.items():
            for condition in (*contrast.target, *contrast.control):
                if condition not in self.conditions:
                    raise ValueError(f"contrast {name} names the unknown condition {condition}")
        return self

    def contrast(self, name: str | None) -> tuple[str, Contrast]:
        """The contrast of that name, or the only one there is.

        Raises
        ------
        ManifestError
            If there is no such contrast, or none was named and there are several.
        """
        offered = ", ".join(self.contrasts) or "none"
        if name is None and len(self.contrasts) == 1:
            name = next(iter(self.contrasts))
        if name is None or name not in self.contrasts:
            raise ManifestError(
                f"--localizer {self.name}:{name or ''}: name one of its contrasts ({offered})"
            )
        return name, self.contrasts[name]

    @property
    def kind(self) -> Kind:
        """What it holds: only pictures have a table of labels, or are files of themselves."""
        files = any(entry.files and not entry.is_text for entry in self.conditions.values())
        return "pictures" if files or self.evaluation is not None else "texts"

    @property
    def is_drawn(self) -> bool:
        """Whether the program draws all of it, so that it has no files."""
        files = any(condition.files is not None for condition in self.conditions.values())
        files |= self.text is not None or (self.pairs is not None and self.pairs.files is not None)
        return not files and (self.evaluation is None or self.evaluation.draw)


def known_manifests() -> list[str]:
    """Names of the manifests that come with the program."""
    folder = resources.files("data_manifests")
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
        if not path.is_file():
            raise ManifestError(f"{name}: no such manifest")
        text = _text(path)
        beside: Traversable = path.parent
    elif name in known_manifests():
        beside = resources.files("data_manifests")
        text = (beside / f"{name}.yaml").read_text(encoding="utf-8")
    else:
        raise ManifestError(
            f"no manifest is called {name!r}; known: {', '.join(known_manifests())}"
        )
    try:
        return Manifest.model_validate(yaml.safe_load(text), context={"beside": beside})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "top level"
        raise ManifestError(f"manifest {name}: {where}: {first['msg']}") from error
    except (yaml.YAMLError, ValueError) as error:  # a date that is none is a ValueError
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
    return [f"{each.name}:{name}" for each in manifests_here(kind) for name in each.contrasts]


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


def cache_folder() -> Path:
    """Where downloads are kept: ``FUNCLOC_CACHE``, or the system's place for caches."""
    return Path(os.environ.get("FUNCLOC_CACHE") or pooch.os_cache("funcloc"))


def places(manifest: Manifest, data_root: Path | None = None) -> list[Path]:
    """Where a manifest's folder may lie, in the order of looking."""
    named = data_root or (Path(p) if (p := os.environ.get(DATA_VARIABLE)) else None)
    found = [root / manifest.name for root in (named, cache_folder()) if root is not None]
    return [*found, bundled_folder()] if manifest.bundled else found


def bundled_folder() -> Path:
    """Where the files lie that come with the program."""
    return Path(str(resources.files("data_manifests")))


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
        f"FUNCLOC_DATA or --data-root to the folder that holds {manifest.name}/"
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


# --- checking what is here ---


@dataclass(frozen=True)
class PartCheck:
    """What was found of one part of a stimulus set: a condition, a subfolder, or its table.

    Attributes
    ----------
    name : str
        The part.
    expected, present : int
        How many files belong to it, and how many are there.
    missing : tuple of str
        Those that are not there, as far as their names are known.
    broken : tuple of str
        One line for each that cannot be read.
    known, differing : int
        How many of those present have a published checksum, and how many have another one.
    """

    name: str
    expected: int
    present: int
    missing: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    known: int = 0
    differing: int = 0


def check_folder(
    manifest: Manifest,
    folder: Path,
    read: Callable[[Path], object],
    progress: Progress = silent,
) -> list[PartCheck]:
    """Hold a folder against its manifest: is every file there, readable, and the published one?

    Parameters
    ----------
    folder : Path
        What ``find_folder`` found.
    read : callable
        Reads one file as what it is; raises DataError where it is broken.

    Returns
    -------
    list of PartCheck
        Conditions first, then other files with a published checksum, then the evaluation's.

    Raises
    ------
    DataError
        If the evaluation's table cannot be read.
    """
    parts = list(_parts(manifest, folder))
    total = sum(len(paths) for _, paths, _ in parts)
    checks: list[PartCheck] = []
    done = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, paths, expected in parts:
            look = partial(_look, folder, manifest.download, read)
            looks = []
            for found in pool.map(look, paths):
                looks.append(found)
                done += 1
                progress(f"check {manifest.name}", done, total)
            checks.append(_sum_up(name, expected, paths, looks))
    return checks


def _parts(manifest: Manifest, folder: Path) -> Iterator[tuple[str, list[str], int]]:
    """Name, files and number of each part; a file that two claim belongs to the first."""
    listed = set(manifest.download.files) if manifest.download else set()
    seen: set[str] = set()
    for name, condition in manifest.conditions.items():
        if globs := condition.globs:
            paths = {path for path in listed if any(PurePosixPath(path).match(g) for g in globs)}
            paths |= {p.relative_to(folder).as_posix() for g in globs for p in folder.glob(g)}
            # Of a table n counts the rows.
            expected = None if condition.words else (condition.n or 0) * len(globs)
            seen |= paths
            yield name, sorted(paths), expected or max(1, len(paths))
    for parent in sorted({PurePosixPath(path).parent for path in listed - seen}):
        paths = {path for path in listed - seen if PurePosixPath(path).parent == parent}
        yield "pictures" if str(parent) == "." else parent.name, sorted(paths), len(paths)
    if manifest.evaluation and manifest.evaluation.table:
        rows = set(_rows(manifest.evaluation, folder)) - seen - listed
        yield manifest.evaluation.table, [manifest.evaluation.table], 1
        if rows:
            yield f"files in {manifest.evaluation.table}", sorted(rows), len(rows)


def _rows(entry: Evaluation, folder: Path) -> list[str]:
    path = folder / (entry.table or "")
    if not path.is_file():
        return []
    try:
        table = pd.read_csv(path, usecols=[entry.file], dtype=str)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a table ({error})") from error
    return [str(file) for file in table[entry.file]]


@dataclass(frozen=True)
class _Look:
    """What one file is like."""

    present: bool = False
    broken: str | None = None
    same: bool | None = None


def _look(
    folder: Path, download: Download | None, read: Callable[[Path], object], path: str
) -> _Look:
    file = folder / path
    if not file.is_file():
        return _Look()
    try:
        read(file)
        expected = download.files.get(path) if download else None
        same = None if expected is None else sha256_of(file) == expected
    except (DataError, OSError) as error:
        return _Look(present=True, broken=str(error))
    return _Look(present=True, same=same)


def _sum_up(name: str, expected: int, paths: list[str], looks: list[_Look]) -> PartCheck:
    return PartCheck(
        name=name,
        expected=expected,
        present=sum(look.present for look in looks),
        missing=tuple(p for p, look in zip(paths, looks, strict=True) if not look.present),
        broken=tuple(look.broken for look in looks if look.broken is not None),
        known=sum(look.same is not None for look in looks),
        differing=sum(look.same is False for look in looks),
    )
