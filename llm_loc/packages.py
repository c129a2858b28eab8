"""Language models that come as Python packages: from a GGUF file to a transformers folder."""

from __future__ import annotations

from pathlib import Path

from common.base.heavy import torch
from common.models.packages import PREFIX, Package, Packages
from llm_loc.gguf import check_gguf
from llm_loc.reading import read_model


def convert(package: Package, weights: Path, folder: Path) -> None:
    """Unpack a GGUF file and keep it as a transformers folder in float32, once for all."""
    where, how = {"gguf_file": weights.name}, {"dtype": torch.float32, "device_map": None}
    model = read_model(f"{PREFIX}{package.name}", str(weights.parent), False, where, how)
    save = model.module.save_pretrained
    save(folder)  # type: ignore[operator]
    model.tokenizer.save_pretrained(folder)


PACKAGES = Packages("gguf", convert, needs=check_gguf)
