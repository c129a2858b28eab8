"""Which models lie where: what both front ends list under ``models``."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from huggingface_hub import constants, try_to_load_from_cache

from common.base.errors import DataError
from common.models.places import MODELS_VARIABLE, models_roots

Where = Literal["bundled", "local", "cache", "download"]

ORDER: tuple[Where, ...] = ("bundled", "local", "cache", "download")
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
SUFFIXES = {".safetensors", ".bin", ".pth", ".pt"}

About = Callable[[dict[str, Any]], str | None]
"""What a model with that configuration is; nothing if the front end cannot load it."""


@dataclass(frozen=True)
class Entry:
    """A model name.

    Attributes
    ----------
    name : str
        As ``--model`` takes it.
    where : {"bundled", "local", "cache", "download"}
        Where its weights lie; ``download``: not on this machine yet.
    about : str
        What it is.
    whole : bool, default=True
        Whether the front end can load what lies there.
    """

    name: str
    where: Where
    about: str
    whole: bool = True

    @property
    def label(self) -> str:
        """What a page calls it: of a folder its own name, of others also where they come from."""
        if self.where == "local":
            return Path(self.name).name
        return {"cache": f"{self.name} (downloaded)", "download": f"{self.name} (download)"}.get(
            self.where, self.name
        )


def listed(
    phantoms: Collection[str],
    models_root: Path | None,
    about: About,
    none: str,
    *,
    of_hub: About | None = None,
    zoos: Iterable[Entry] = (),
) -> list[Entry]:
    """All models that a front end can name: what works offline first.

    Parameters
    ----------
    phantoms : collection of str
        Its calibration models.
    models_root, about, none
        Of folders; see :func:`local_folders`.
    of_hub : callable, optional
        The same as `about` for what the hub's cache holds; left out, `about`.
    zoos : iterable of Entry
        What it gets elsewhere.

    Raises
    ------
    DataError
        If a folder was named and is not there.
    """
    known = [
        *bundled(phantoms),
        *local_folders(models_root, about, none),
        *hub_models(of_hub or about),
        *zoos,
    ]
    return sorted(known, key=lambda entry: ORDER.index(entry.where))


def bundled(names: Collection[str]) -> list[Entry]:
    """The phantoms of those names."""
    return [Entry(f"phantom/{name}", "bundled", "calibration model") for name in names]


def local_folders(models_root: Path | None, about: About, none: str) -> list[Entry]:
    """The folders with a ``config.json`` in the models' root, or one level further down.

    Parameters
    ----------
    models_root : Path, optional
        ``--models-root``; left out, ``FUNCLOC_MODELS``, which names one folder or several as
        ``PATH`` does, else ``./models``.
    about : callable
        See :data:`About`.
    none : str
        What to call such a one.

    Raises
    ------
    DataError
        If a root was named and is not there.
    """
    return [_folder(path, about, none) for path in _lying(models_root, "config.json")]


def local_files(suffix: str, about: str, models_root: Path | None = None) -> list[Entry]:
    """The files of models that are one file, in the models' root, or one level further down.

    Parameters
    ----------
    suffix : str
        How their names end.
    about : str
        What they are.
    models_root : Path, optional
        See :func:`local_folders`.
    """
    return [Entry(f"local/{path}", "local", about) for path in _lying(models_root, f"*{suffix}")]


def _lying(models_root: Path | None, pattern: str) -> list[Path]:
    """What lies in the models' root, or at most two folders deep in it."""
    roots = [models_root] if models_root else models_roots()
    for root in roots:
        if not root.is_dir() and root != Path("models"):
            raise DataError(f"{root}: no such folder (`models_root` or {MODELS_VARIABLE})")
    return [
        path
        for root in roots
        for depth in ("", "*/", "*/*/")
        for path in sorted(root.glob(f"{depth}{pattern}"))
    ]


def _folder(path: Path, about: About, none: str) -> Entry:
    """The folder with that ``config.json``."""
    name, config = f"local/{path.parent}", config_in(path)
    if (found := about(config)) is None:
        return Entry(name, "local", f"{none} ({config.get('model_type', 'unknown')})", False)
    if any(file.suffix in SUFFIXES for file in path.parent.iterdir()):
        return Entry(name, "local", found)
    return Entry(name, "local", f"{found}; without weights", False)


def config_in(path: Path) -> dict[str, Any]:
    """A ``config.json``; empty if it is none."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}


def hub_models(about: About) -> Iterator[Entry]:
    """The hub's models that lie in the cache; all others can be had by their names.

    Parameters
    ----------
    about : callable
        See :data:`About`.
    """
    for repository in hub_repositories():
        config = try_to_load_from_cache(repository, "config.json")
        if isinstance(config, str) and about(config_in(Path(config))) is not None:
            where: Where = "cache" if in_hub_cache(repository, WEIGHTS) else "download"
            yield Entry(f"hf/{repository}", where, "transformers, from the Hugging Face hub")


def hub_repositories() -> Iterator[str]:
    """The models of which the hub's cache holds anything."""
    for folder in sorted(Path(constants.HF_HUB_CACHE).glob("models--*--*")):
        yield folder.name.removeprefix("models--").replace("--", "/")


def on_this_machine(about: About) -> list[Entry]:
    """What a front end can load without a download, besides its phantoms and a zoo's own models.

    Parameters
    ----------
    about : callable
        See :data:`About`.

    Raises
    ------
    DataError
        If ``FUNCLOC_MODELS`` names a folder that is not there.
    """
    found = (*local_folders(None, about, ""), *hub_models(about))
    return [entry for entry in found if entry.whole and entry.where != "download"]


def in_hub_cache(repository: str, files: tuple[str, ...], revision: str | None = None) -> bool:
    """Whether one of these files of a repository was downloaded."""
    return any(
        isinstance(try_to_load_from_cache(repository, file, revision=revision), str)
        for file in files
    )
