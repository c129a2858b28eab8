"""Language models by name, each with its own tokenizer.

================================  ==============================================================
``hf/ORG/NAME@REVISION``          a language model of the Hugging Face hub
``hf/ORG/NAME:FILE.gguf``         a GGUF file of such a repository, unpacked
``local/PATH``                    a folder in transformers' layout
``local/FILE.gguf``               a GGUF file, unpacked
``phantom/lm``                    a small one that comes with the program, with a language area
``phantom/lm-plain``              another, trained plainly
``python:FILE.py:FUNCTION``       a function of one's own, see :mod:`common.models.own`
================================  ==============================================================

Weights are safetensors, or torch files read with ``weights_only=True``; code that comes with a
model is never run, but for that of one's own. An encoder can be localized, but it does not predict
the next word, so it is refused where that is asked.

transformers is imported where a model is loaded: it takes longer than all the rest, and neither
``--help`` nor the page of the app needs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from common.base.errors import ModelError, SettingError
from common.base.heavy import torch
from common.models.load import Loader, load, local_config, on_the_hub
from common.models.own import FORM, OWN, own_model
from common.models.places import local_path
from llm_loc import phantom
from llm_loc.adapters import merged
from llm_loc.gguf import SUFFIX
from llm_loc.models import LanguageModel
from llm_loc.packages import PACKAGES
from llm_loc.reading import read_model

DEVICE_MAPS = ("auto", "balanced", "balanced_low_0", "sequential")


def load_model(
    name: str,
    *,
    untrained: bool = False,
    seed: int = 0,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    device_map: str | Mapping[str, str | int] | None = None,
    adapter: Path | None = None,
) -> LanguageModel:
    """Load a model by name.

    Parameters
    ----------
    name : str
        See the table above.
    untrained : bool, default=False
        Random weights of the same architecture instead.
    seed : int, default=0
        Seed of the random weights.
    device : torch.device or str, default="cpu"
        Where it shall lie.
    dtype : torch.dtype, optional
        In which floating-point type; left out, float32.
    device_map : {"auto", "balanced", "balanced_low_0", "sequential"} or mapping, optional
        Instead of `device`, for a model larger than one: spread over all devices by accelerate, or
        as the mapping from module path to device says.
    adapter : Path, optional
        A folder with a LoRA adapter, which is merged into the weights; an untrained model has none.

    Raises
    ------
    ModelError
        If there is no such model, its weights do not fit, or they cannot be had.
    SettingError
        If `device_map` does not go with the rest, or accelerate is not installed.
    """
    if device_map is not None:
        check_device_map(device_map, untrained)
    dtype = dtype or torch.float32
    how = {"dtype": dtype, "device_map": device_map}
    loaders: dict[str, Loader[LanguageModel]] = {
        "hf": partial(_hub, how),
        "local": partial(_local, how),
        "phantom": partial(_phantom, how),
        "pip": partial(_package, how),
        OWN: partial(_own, how),
    }
    if adapter is not None and not untrained:
        if device_map is not None:
            raise SettingError("`adapter`: is merged on one device; leave `device_map` out")
        loaders = {source: partial(_adapted, each, adapter) for source, each in loaders.items()}
    return load(
        name,
        loaders,
        forms=f"phantom/lm, hf/ORG/NAME, local/PATH, pip/NAME or {FORM}",
        untrained=untrained,
        seed=seed,
        device=device if device_map is None else None,
    )


def _adapted(
    loader: Loader[LanguageModel], adapter: Path, name: str, rest: str, untrained: bool
) -> LanguageModel:
    model = loader(name, rest, untrained)
    module, checksum = merged(model.module, adapter)
    return replace(model, module=module, adapter=checksum)


def check_device_map(device_map: str | Mapping[str, str | int], untrained: bool) -> None:
    """Refuse to spread a model where that cannot be.

    Raises
    ------
    SettingError
        If there is no such way of spreading, or accelerate, which does it, is not there.
    """
    if isinstance(device_map, str) and device_map not in DEVICE_MAPS:
        raise SettingError(f"`device_map` {device_map}: choose one of {', '.join(DEVICE_MAPS)}")
    if untrained:
        raise SettingError("`device_map`: spreads weights as it reads them; not with `untrained`")
    if find_spec("accelerate") is None:
        raise SettingError("`device_map`: needs accelerate; pip install 'funcloc[big]'")


def _hub(how: dict[str, Any], name: str, rest: str, untrained: bool) -> LanguageModel:
    repository, _, file = rest.partition(":")
    if file and not file.endswith(SUFFIX):
        raise ModelError(f"`model` {name}: {file} is no GGUF file; write hf/ORG/NAME:FILE{SUFFIX}")
    with on_the_hub(repository) as (place, where):
        return read_model(name, place, untrained, _with_file(where, file), how)


def _local(how: dict[str, Any], name: str, rest: str, untrained: bool) -> LanguageModel:
    if rest.endswith(SUFFIX):
        path = local_path(name, rest)
        return read_model(name, str(path.parent), untrained, _with_file({}, path.name), how)
    folder, _ = local_config(name, rest)
    return read_model(name, str(folder), untrained, {}, how)


def _with_file(where: Mapping[str, str], file: str) -> Mapping[str, str]:
    return {**where, "gguf_file": file} if file else where


def _phantom(how: dict[str, Any], name: str, rest: str, untrained: bool) -> LanguageModel:
    if rest not in phantom.NAMES:
        raise ModelError(f"`model` {name}: the phantoms are {', '.join(phantom.NAMES)}")
    model = read_model(name, str(phantom.WEIGHTS / rest), untrained, {}, how)
    area = phantom.AREA if rest == "lm" and not untrained else {}
    areas = {path: np.array(channels) for path, channels in area.items()}
    return replace(model, area=areas, config="")  # a part of this program


def _package(how: dict[str, Any], name: str, rest: str, untrained: bool) -> LanguageModel:
    # Its file has a checksum, and its folder was written by whatever version unpacked it.
    return replace(read_model(name, str(PACKAGES.folder(rest)), untrained, {}, how), config="")


def _own(how: dict[str, Any], name: str, _rest: str, untrained: bool) -> LanguageModel:
    if how["device_map"] is not None:
        raise SettingError("`device_map`: is for weights that are read; leave it out")
    from llm_loc.own import load_own  # which needs torch at once

    model = load_own(own_model(name), untrained)
    model.module.to(dtype=how["dtype"])
    return model
