"""Which models lie where: what both front ends list under ``models``."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from huggingface_hub import constants, try_to_load_from_cache
from rich.markup import escape
from rich.table import Table

from common.errors import DataError

Where = Literal["bundled", "local", "cache", "download"]

ORDER: tuple[Where, ...] = ("bundled", "local", "cache", "download")
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
SUFFIXES = {".safetensors", ".bin", ".pth", ".pt"}


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
    """

    name: str
    where: Where
    about: str


def local_folders(
    models_root: Path | None, about: Callable[[dict[str, Any]], str | None], none: str
) -> list[Entry]:
    """The folders with a ``config.json`` in the models' root, or one level further down.

    Parameters
    ----------
    models_root : Path, optional
        ``--models-root``; left out, ``FUNCLOC_MODELS``, else ``./models``.
    about : callable
        What a model with that configuration is; nothing if the front end cannot load it.
    none : str
        What to call such a one.

    Raises
    ------
    DataError
        If a root was named and is not there.
    """
    named = models_root or (Path(p) if (p := os.environ.get("FUNCLOC_MODELS")) else None)
    root = named or Path("models")
    if not root.is_dir():
        if named is not None:
            raise DataError(f"{root}: no such folder (--models-root or FUNCLOC_MODELS)")
        return []
    found = [
        path for depth in ("", "*/", "*/*/") for path in sorted(root.glob(f"{depth}config.json"))
    ]
    return [Entry(f"local/{path.parent}", "local", _what(path, about, none)) for path in found]


def _what(path: Path, about: Callable[[dict[str, Any]], str | None], none: str) -> str:
    """What a folder with that ``config.json`` holds."""
    config = config_in(path)
    if (found := about(config)) is None:
        return f"{none} ({config.get('model_type', 'unknown')})"
    whole = any(file.suffix in SUFFIXES for file in path.parent.iterdir())
    return found if whole else f"{found}; without weights"


def config_in(path: Path) -> dict[str, Any]:
    """A ``config.json``; empty if it is none."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def hub_models(kinds: Collection[str]) -> Iterator[Entry]:
    """The hub's models of some types that lie in the cache; all others can be had by their names.

    Parameters
    ----------
    kinds : collection of str
        What ``model_type`` may be.
    """
    for folder in sorted(Path(constants.HF_HUB_CACHE).glob("models--*--*")):
        repository = folder.name.removeprefix("models--").replace("--", "/")
        config = try_to_load_from_cache(repository, "config.json")
        if isinstance(config, str) and config_in(Path(config)).get("model_type") in kinds:
            where: Where = "cache" if in_hub_cache(repository, WEIGHTS) else "download"
            yield Entry(f"hf/{repository}", where, "transformers, from the Hugging Face hub")


def in_hub_cache(repository: str, files: tuple[str, ...], revision: str | None = None) -> bool:
    """Whether one of these files of a repository was downloaded."""
    return any(
        isinstance(try_to_load_from_cache(repository, file, revision=revision), str)
        for file in files
    )


def models_table(entries: Collection[Entry]) -> Table:
    """The table of the command ``models``."""
    table = Table(title="models")
    for column in ("name", "weights", "what it is"):
        table.add_column(column, overflow="fold")
    for entry in entries:
        table.add_row(escape(entry.name), entry.where, escape(entry.about))
    return table
