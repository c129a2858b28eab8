"""Models that are on this machine already: folders somebody keeps, and the hub's cache."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from huggingface_hub import constants, try_to_load_from_cache

from common.errors import RunError
from common.files import read_json

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")


def model_folders() -> list[Path]:
    """The folders with a ``config.json`` in the places that ``FUNCLOC_MODELS`` names.

    It names one folder, or several as ``PATH`` does.
    """
    places = filter(None, os.environ.get("FUNCLOC_MODELS", "").split(os.pathsep))
    return [path.parent for place in places for path in sorted(Path(place).glob("*/config.json"))]


def cached_models() -> list[tuple[str, Path]]:
    """Repository and folder of each model with weights in the hub's cache."""
    found = []
    for folder in sorted(Path(constants.HF_HUB_CACHE).glob("models--*--*")):
        repository = folder.name.removeprefix("models--").replace("--", "/")
        config = try_to_load_from_cache(repository, "config.json")
        weights = [try_to_load_from_cache(repository, name) for name in WEIGHTS]
        if isinstance(config, str) and any(isinstance(file, str) for file in weights):
            found.append((repository, Path(config).parent))
    return found


def config_of(folder: Path) -> dict[str, Any]:
    """A model folder's configuration; empty where it cannot be read."""
    try:
        config = read_json(folder / "config.json")
    except RunError:
        return {}
    return config if isinstance(config, dict) else {}
