"""LoRA adapters, as PEFT saves them: merged into the model, which keeps its modules and sites."""

from __future__ import annotations

import json
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import safe_open

from common.base.errors import ModelError
from common.base.files import digest_of, digest_of_file

if TYPE_CHECKING:
    from torch import nn

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
INSIDE = "base_model.model."  # before the paths of a model's modules in an adapter's file


def merged(module: nn.Module, folder: Path) -> tuple[nn.Module, str]:
    """A model with an adapter's weights added to its own.

    Parameters
    ----------
    module : nn.Module
        The model that the adapter was trained on; it is changed.
    folder : Path
        As PEFT saves one: ``adapter_config.json`` and ``adapter_model.safetensors``.

    Returns
    -------
    (nn.Module, str)
        The same model, and the checksum of the adapter.

    Raises
    ------
    ModelError
        If PEFT is not installed, there is no LoRA adapter, or it is another model's.
    """
    if find_spec("peft") is None:
        raise ModelError(
            f"`adapter` {folder}: needs the package peft; pip install 'funcloc[adapters]'"
        )
    checksum = _checked(module, folder)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        from peft import PeftModel

        try:
            adapted: Any = PeftModel.from_pretrained(module, str(folder))
        except Exception as error:  # a library may fail in any way over a file
            reason = " ".join(str(error).split())
            raise ModelError(f"`adapter` {folder}: does not fit this model ({reason})") from error
    if lacking := [each for each in said if "missing adapter keys" in str(each.message)]:
        raise ModelError(f"`adapter` {folder}: {' '.join(str(lacking[0].message).split())[:200]}")
    return adapted.merge_and_unload(), checksum


def _checked(module: nn.Module, folder: Path) -> str:
    """The checksum of an adapter whose files are whole and name modules of the model."""
    for file in (CONFIG, WEIGHTS):
        if not (folder / file).is_file():
            raise ModelError(
                f"`adapter` {folder}: holds no {file}; give a folder that PEFT has saved, with "
                "weights as safetensors"
            )
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        kind = config["peft_type"]
        with safe_open(folder / WEIGHTS, "pt") as file:
            keys = [*file.keys()]
    except Exception as error:  # whatever is wrong with files of somebody else's making
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ModelError(f"`adapter` {folder}: cannot be read ({reason})") from error
    if kind != "LORA":
        raise ModelError(f"`adapter` {folder}: is of the kind {kind}; only LORA can be merged")
    known = {path for path, _ in module.named_modules()}
    paths = {key.removeprefix(INSIDE).split(".lora_")[0] for key in keys if ".lora_" in key}
    if lost := sorted(paths - known):
        raise ModelError(
            f"`adapter` {folder}: has weights for {lost[0]}, which this model lacks; it is of "
            "another model"
        )
    return digest_of([config, digest_of_file(folder / WEIGHTS)])
