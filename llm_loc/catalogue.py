"""Which model names there are, and where each one's weights lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from common.models.catalogue import Entry, listed, local_files
from llm_loc import phantom
from llm_loc.gguf import SUFFIX
from llm_loc.packages import PACKAGES


def catalogue(models_root: Path | None = None) -> list[Entry]:
    """All models that are here, or that pip can get; see :func:`common.models.catalogue.listed`."""
    files = local_files(SUFFIX, "GGUF, unpacked when it is loaded", models_root)
    zoos = [*files, *PACKAGES.entries()]
    return listed(phantom.NAMES, models_root, _about, "no language model", zoos=zoos)


def _about(config: dict[str, Any]) -> str | None:
    # Slow to import; see llm_loc.load.
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL,
    )
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_MASKED_LM_MAPPING_NAMES as ENCODERS,
    )

    kind = config.get("model_type")
    if kind in ENCODERS and not config.get("is_decoder"):
        return f"transformers, {kind} (an encoder: localize only)"
    return f"transformers, {kind}" if kind in CAUSAL else None
