"""Manifests: which stimuli exist, where they come from, and which contrasts they offer.

A manifest is a YAML file ``NAME.yaml`` in ``data_manifests/`` (or anywhere, given by its path). It
holds facts, never data. Its stimuli are looked for in ``--data-root`` or ``FUNCLOC_DATA`` as
``NAME/…`` and then in the cache.
"""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path
from typing import Annotated

import pooch
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from common.errors import DataError, ManifestError

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Strict):
    """Where the stimuli come from."""

    url: str
    revision: str | None = None
    licence: str | None = None
    citation: str | None = None


class Condition(_Strict):
    """The stimuli of one condition: files by a glob, or drawn by the program."""

    files: str | None = None
    draw: str | None = None
    n: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _one_of(self) -> Condition:
        if (self.files is None) == (self.draw is None):
            raise ValueError("a condition has either files or draw")
        return self


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
    draw: bool = False
    n: int | None = Field(default=None, ge=1)
    file: str = "file"
    label: str = "class_index"
    wnid: str | None = None
    group: str = "group"
    target: str
    other: str

    @model_validator(mode="after")
    def _one_of(self) -> Evaluation:
        if (self.table is None) != self.draw:
            raise ValueError("an evaluation has either a table or draw")
        return self


class Manifest(_Strict):
    """One stimulus set or benchmark."""

    name: Name
    about: str
    source: Source
    conditions: dict[Name, Condition] = {}
    contrasts: dict[Name, Contrast] = {}
    evaluation: Evaluation | None = None
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
        text = path.read_text(encoding="utf-8")
    elif name in known_manifests():
        text = (resources.files("data_manifests") / f"{name}.yaml").read_text(encoding="utf-8")
    else:
        raise ManifestError(
            f"no manifest is called {name!r}; known: {', '.join(known_manifests())}"
        )
    try:
        return Manifest.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise ManifestError(f"{name}: no YAML ({' '.join(str(error).split())})") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "top level"
        raise ManifestError(f"manifest {name}: {where}: {first['msg']}") from error


def cache_folder() -> Path:
    """Where downloads are kept: ``FUNCLOC_CACHE``, or the system's place for caches."""
    return Path(os.environ.get("FUNCLOC_CACHE") or pooch.os_cache("funcloc"))


def data_folder(manifest: Manifest, data_root: Path | None = None) -> Path:
    """The folder that holds a manifest's files.

    Parameters
    ----------
    manifest : Manifest
        What is wanted.
    data_root : Path, optional
        ``--data-root``; left out, ``FUNCLOC_DATA``. The cache comes after it.

    Raises
    ------
    DataError
        If the files are nowhere; says what to put where.
    """
    named = data_root or (Path(p) if (p := os.environ.get("FUNCLOC_DATA")) else None)
    places = [root / manifest.name for root in (named, cache_folder()) if root is not None]
    for place in places:
        if place.is_dir():
            return place
    raise DataError(
        f"{manifest.name}: not found in {' or '.join(str(place) for place in places)}; "
        f"get it from {manifest.source.url} and set FUNCLOC_DATA or --data-root to the folder "
        f"that holds {manifest.name}/"
    )
