"""A vision model of one's own: any module that turns pictures into logits, and what it is shown.

A function of somebody's own (:mod:`common.models.own`) returns one of these::

    module                                     # nothing said: 224 x 224 pixels, as ImageNet's
    module, dict(size=32, mean=0.5, std=0.5)   # what vision_model takes
    module, transform, classes                 # as torchvision's; classes may be left out
    vision_model(module, size=32, …)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn

from common.base.errors import ModelError
from common.base.files import digest_of, digest_of_bytes
from common.models.own import Own, module_in, told_of_code
from common.models.structure import without_address
from vision_loc.models import VisionModel
from vision_loc.preprocess import Geometry, Preprocess, held_against, noise

SIZE = 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
UNSAID = (
    "Nobody said how the model wants its pictures, so {} were taken; if that is not so, its "
    "numbers are wrong without a sign of it."
)
LATER = ("ToTensor", "ToImage", "PILToTensor", "ConvertImageDtype", "ToDtype", "Normalize")
TRIED = ((120, 80), (300, 400), (400, 300))  # pictures that a transform is told by
TIMES = 12  # that the first is tried: a flip by chance is missed once in 2,000
Numbers = float | Sequence[float]


def vision_model(
    module: nn.Module,
    *,
    size: int | tuple[int, int] | None = None,
    mean: Numbers | None = None,
    std: Numbers | None = None,
    transform: Callable[[Image.Image], Tensor] | None = None,
    classes: Sequence[str] | None = None,
    name: str = "own",
) -> VisionModel:
    """A vision model made from a module.

    Parameters
    ----------
    module : nn.Module
        From pictures of shape (B, 3, H, W) to logits of shape (B, n_classes). It is put into
        evaluation mode, and computes no gradients from then on.
    size : int or (int, int), optional
        Width and height in pixels that a picture is scaled to, after it was cut to that shape in
        the middle; 224 if nothing is said.
    mean, std : float or sequence of float, optional
        Subtracted from, and divided out of, pixels between 0 and 1; ImageNet's if nothing is said.
    transform : callable, optional
        Instead of all these, what the model was trained with: torchvision's ``Compose`` of what
        resizes and crops, then ``ToTensor`` (or ``ToImage`` and ``ToDtype``), then ``Normalize``.
    classes : sequence of str, optional
        What the logits stand for: names or WordNet ids.
    name : str, default="own"
        What it is called.

    Raises
    ------
    ModelError
        If it cannot look at such a picture, gives no logits, or has another number of classes.

    Examples
    --------
    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> vision_model(net, size=32, mean=0.5, std=0.5, classes=["cat", "cup", "car", "cow"]).name
    'own'
    """
    if transform is not None and any(each is not None for each in (size, mean, std)):
        raise ModelError(f"`model` {name}: give either a transform, or size, mean and std")
    if transform is not None:
        preprocess, unsaid = _split(name, transform), ""
    else:
        preprocess, unsaid = _plain(size, mean, std)
    module.eval().requires_grad_(False)
    found = VisionModel(name, module, preprocess, n_classes=0, unsaid=unsaid)
    n_classes = _count(found)
    if classes is not None and len(classes) != n_classes:
        raise ModelError(
            f"`model` {name}: {len(classes)} names of classes were given, and it has {n_classes}"
        )
    labels = None if classes is None else tuple(map(str, classes))
    return replace(found, n_classes=n_classes, labels=labels)


def load_own(own: Own, untrained: bool) -> VisionModel:
    """What a function of somebody's own stands for.

    Raises
    ------
    ModelError
        If it returns something else.
    """
    made = own.call(untrained)
    found = made
    if not isinstance(made, VisionModel):
        module = module_in(own.name, made)
        found = vision_model(module, **_said(own.name, made), name=own.name)
    return replace(found, name=own.name, code=own.made_of(found.module))


def _said(name: str, made: Any) -> dict[str, Any]:
    """What a function says beside its module, as :func:`vision_model` takes it."""
    if isinstance(made, nn.Module):
        return {}
    if isinstance(made, Mapping):
        return _known(name, {key: value for key, value in made.items() if key != "module"})
    _, *besides = made
    if len(besides) > 2:
        raise ModelError(
            f"`model` {name}: its function returns {len(made)} things; it may return a module, "
            "then how pictures are prepared, then the names of classes"
        )
    said: dict[str, Any] = {}
    for each in besides:
        if isinstance(each, Mapping):
            said |= _known(name, each)
        elif callable(each):
            said["transform"] = each
        elif isinstance(each, int):
            said["size"] = each
        elif each is not None:
            said["classes"] = each
    return said


def _known(name: str, said: Mapping[str, Any]) -> dict[str, Any]:
    known = ("size", "mean", "std", "transform", "classes")
    if odd := [key for key in said if key not in known]:
        raise ModelError(f"`model` {name}: says {odd[0]!r}; it may say {', '.join(known)}")
    return dict(said)


def _plain(
    size: int | tuple[int, int] | None, mean: Numbers | None, std: Numbers | None
) -> tuple[Preprocess, str]:
    """Pictures cut to a shape and scaled; and what was supposed, in words."""
    supposed = [f"{SIZE} x {SIZE} pixels"] if size is None else []
    supposed += ["ImageNet's mean and deviation"] if mean is None and std is None else []
    if isinstance(size, int) or size is None:
        size = (size or SIZE, size or SIZE)
    width, height = size

    def geometry(picture: Image.Image) -> np.ndarray:
        shape = (width, height)
        return np.asarray(picture if picture.size == shape else ImageOps.fit(picture, shape))

    means = MEAN if mean is None else _three(mean)
    stds = STD if std is None else _three(std)
    if std is None and mean is not None:
        stds = (1.0, 1.0, 1.0)
    if mean is None and std is not None:
        means = (0.0, 0.0, 0.0)
    told = f"own: {width} x {height}, mean {means}, std {stds}"
    unsaid = UNSAID.format(" and ".join(supposed)) if supposed else ""
    return Preprocess(geometry, means, stds, description=told), unsaid


def _three(value: Numbers) -> tuple[float, ...]:
    numbers = (value,) if isinstance(value, int | float) else tuple(value)
    return tuple(map(float, numbers * 3 if len(numbers) == 1 else numbers))


def _split(name: str, transform: Any) -> Preprocess:
    """A transform as torchvision composes them, cut in two and held against the whole."""
    stages = list(getattr(transform, "transforms", [transform]))
    geometric = [stage for stage in stages if type(stage).__name__ not in LATER]
    last = next((stage for stage in stages if type(stage).__name__ == "Normalize"), None)
    mean, std = _three(getattr(last, "mean", 0.0)), _three(getattr(last, "std", 1.0))

    def geometry(picture: Image.Image) -> np.ndarray:
        for stage in geometric:
            picture = stage(picture)
        return np.asarray(picture)

    if len({_tried(geometry, noise(*TRIED[0])) for _ in range(TIMES)}) > 1:
        raise ModelError(
            f"`model` {name}: its transform is drawn by chance, as for training; give the one that "
            "it is tested with"
        )
    with told_of_code(name):
        cut = held_against(name, Preprocess(geometry, mean, std), transform)
    return replace(cut, description=_described(transform, geometry))


def _described(transform: Any, geometry: Geometry) -> str:
    """A transform in words, with a fingerprint of what it makes of a few pictures.

    Somebody's own function or class need not say what it does (``Lambda()``), and pixels are kept
    by this description.
    """
    pixels = [_tried(geometry, noise(*size)) for size in TRIED]
    words = " ".join(without_address(repr(transform)).split())
    return f"{words} ({digest_of(pixels)[:8]})"


def _tried(geometry: Geometry, picture: Image.Image) -> str:
    try:
        pixels = geometry(picture)
    except Exception as error:  # of somebody's own code, which may want other pictures
        return type(error).__name__
    return f"{pixels.shape} {digest_of_bytes(np.ascontiguousarray(pixels).tobytes())}"


def _count(model: VisionModel) -> int:
    """How many classes a model has, from what it makes of a picture."""
    with told_of_code(model.name), torch.no_grad():
        shown = model.example()
        shape = " x ".join(map(str, shown.shape[1:]))
        try:
            out = model.module(shown)
        except (RuntimeError, ValueError, IndexError) as error:
            why = " ".join(str(error).split())[:160]
            raise ModelError(
                f"`model` {model.name}: cannot look at a picture of {shape} ({why}); say the size "
                "that it takes; one of grey pictures has to take the mean of three colours"
            ) from error
    logits = out if isinstance(out, Tensor) else getattr(out, "logits", None)
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != 1:
        given = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(out).__name__
        raise ModelError(
            f"`model` {model.name}: of one picture it gives {given}; logits of shape "
            "(1, n_classes) are needed"
        )
    return int(logits.shape[1])
