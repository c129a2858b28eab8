"""Which model names there are, and where each one's weights lie."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common.models.catalogue import WEIGHTS, Entry, Where, hub_repositories, in_hub_cache, listed
from vision_loc import phantom
from vision_loc.packages import PACKAGES


def catalogue(models_root: Path | None = None) -> list[Entry]:
    """All model names that can be listed; see :func:`common.models.catalogue.listed`."""
    return listed(
        phantom.NAMES,
        models_root,
        _about,
        "no image classifier",
        of_hub=_transformers,
        zoos=[*PACKAGES.entries(), *_torchvision(), *_timm()],
    )


def _about(config: dict[str, Any]) -> str | None:
    if "architecture" in config:
        return f"timm, {config['architecture']}"
    return _transformers(config)


def _transformers(config: dict[str, Any]) -> str | None:
    # Slow to import; see vision_loc.models.
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES as CLASSIFIERS,
    )

    kind = config.get("model_type")
    return f"transformers, {kind}" if kind in CLASSIFIERS else None


# --- what the zoos have, and what of it was downloaded ---


def downloaded() -> list[Entry]:
    """The models of the zoos whose weights lie in a cache of this machine.

    Found by what lies there: the page of the app must not wait for libraries that are slow to
    import where nothing of theirs was downloaded.
    """
    here = [name for name in hub_repositories() if in_hub_cache(name, WEIGHTS)]
    found = PACKAGES.here()
    found += [Entry(name, "cache", "timm") for name in here if name.startswith("timm/")]
    if any(_torch_cache().glob("*.pth")):
        found += [entry for entry in _torchvision() if entry.where == "cache"]
    return found


def _torchvision() -> Iterator[Entry]:
    import torchvision

    for arch in torchvision.models.list_models(module=torchvision.models):
        for weights in torchvision.models.get_model_weights(arch):
            where: Where = "cache" if _in_torch_cache(weights.url) else "download"
            yield Entry(f"torchvision/{arch}.{weights.name}", where, "torchvision")


def _timm() -> Iterator[Entry]:
    import timm

    for name in timm.list_pretrained():
        yield Entry(f"timm/{name}", _where_timm(timm.get_pretrained_cfg(name)), "timm")


def _where_timm(config: Any) -> Where:
    if config.hf_hub_id:
        repository, _, revision = config.hf_hub_id.partition("@")
        own = config.hf_hub_filename
        files = (own, str(Path(own).with_suffix(".safetensors"))) if own else WEIGHTS
        cached = in_hub_cache(repository, files, revision or None)
    else:
        cached = bool(config.url) and _in_torch_cache(config.url)
    return "cache" if cached else "download"


def _in_torch_cache(url: str) -> bool:
    return (_torch_cache() / Path(url).name).is_file()


def _torch_cache() -> Path:
    """Where ``torch.hub`` keeps weights, by what it documents: its import takes a second."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", f"{cache}/torch")
    return Path(home).expanduser() / "hub" / "checkpoints"
