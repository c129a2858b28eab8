"""Which model names there are, and where each one's weights lie."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import timm
import torch
import torchvision
from huggingface_hub import constants, try_to_load_from_cache
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES as CLASSIFIERS,
)

from common.errors import DataError
from vision_loc import phantom

Where = Literal["bundled", "local", "cache", "download"]

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


def catalogue(models_root: Path | None = None) -> list[Entry]:
    """All model names that can be listed: what works offline first.

    Parameters
    ----------
    models_root : Path, optional
        ``--models-root``; left out, ``FUNCLOC_MODELS``, else ``./models``.

    Raises
    ------
    DataError
        If a folder was named and is not there.
    """
    known = [
        *_bundled(),
        *local_folders(models_root),
        *_hub_classifiers(),
        *_torchvision(),
        *_timm(),
    ]
    order = ("bundled", "local", "cache", "download")
    return sorted(known, key=lambda entry: order.index(entry.where))


def _bundled() -> Iterator[Entry]:
    for name in phantom.NAMES:
        yield Entry(f"phantom/{name}", "bundled", "calibration model")


# --- local folders ---


def local_folders(models_root: Path | None = None) -> list[Entry]:
    """The folders with a ``config.json`` in the models' root, or one level further down.

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
    return [Entry(f"local/{path.parent}", "local", _what(path)) for path in found]


def _what(path: Path) -> str:
    """What a folder with that ``config.json`` holds."""
    config = _config(path)
    if "architecture" in config:
        about = f"timm, {config['architecture']}"
    elif config.get("model_type") in CLASSIFIERS:
        about = f"transformers, {config['model_type']}"
    else:
        return f"no image classifier ({config.get('model_type', 'unknown')})"
    whole = any(file.suffix in SUFFIXES for file in path.parent.iterdir())
    return about if whole else f"{about}; without weights"


def _config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


# --- what the zoos have, and what of it was downloaded ---


def _hub_classifiers() -> Iterator[Entry]:
    """The hub's classifiers that lie in the cache; all others can be had too, by their names."""
    for folder in sorted(Path(constants.HF_HUB_CACHE).glob("models--*--*")):
        repository = folder.name.removeprefix("models--").replace("--", "/")
        config = try_to_load_from_cache(repository, "config.json")
        if isinstance(config, str) and _config(Path(config)).get("model_type") in CLASSIFIERS:
            where: Where = "cache" if _in_hub_cache(repository, WEIGHTS) else "download"
            yield Entry(f"hf/{repository}", where, "transformers, from the Hugging Face hub")


def _torchvision() -> Iterator[Entry]:
    for arch in torchvision.models.list_models(module=torchvision.models):
        for weights in torchvision.models.get_model_weights(arch):
            where: Where = "cache" if _in_torch_cache(weights.url) else "download"
            yield Entry(f"torchvision/{arch}.{weights.name}", where, "torchvision")


def _timm() -> Iterator[Entry]:
    for name in timm.list_pretrained():
        yield Entry(f"timm/{name}", _where_timm(timm.get_pretrained_cfg(name)), "timm")


def _where_timm(config: Any) -> Where:
    if config.hf_hub_id:
        repository, _, revision = config.hf_hub_id.partition("@")
        own = config.hf_hub_filename
        files = (own, str(Path(own).with_suffix(".safetensors"))) if own else WEIGHTS
        cached = _in_hub_cache(repository, files, revision or None)
    else:
        cached = bool(config.url) and _in_torch_cache(config.url)
    return "cache" if cached else "download"


def _in_hub_cache(repository: str, files: tuple[str, ...], revision: str | None = None) -> bool:
    return any(
        isinstance(try_to_load_from_cache(repository, file, revision=revision), str)
        for file in files
    )


def _in_torch_cache(url: str) -> bool:
    return (Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name).is_file()
