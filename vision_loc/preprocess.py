"""A model's own preprocessing, cut in two: what is done once a picture, and once a batch."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from common.base.device import sent
from common.base.errors import ModelError
from common.base.heavy import torch

if TYPE_CHECKING:
    from torch import Tensor

Geometry = Callable[[Image.Image], np.ndarray]


@dataclass(frozen=True)
class Preprocess:
    """A model's own preprocessing, cut in two.

    Attributes
    ----------
    geometry : callable
        From an RGB picture to the resized and cropped pixels, uint8 of shape (H, W, 3). Done once
        a picture.
    mean, std : tuple of float
        Subtracted from, and divided out of, the pixels over `scale`. Done once a batch.
    scale : float
        What a pixel is divided by first.
    description : str
        Goes into the fingerprint.
    """

    geometry: Geometry
    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: float = 255.0
    description: str = ""

    def normalize(self, pixels: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """From uint8 pixels of shape (B, 3, H, W) to what the model takes; float32 left out."""
        values = pixels.to(torch.float32).div_(self.scale)
        mean, std = sent(torch.tensor([self.mean, self.std]), pixels.device)[..., None, None]
        return values.sub_(mean).div_(std).to(dtype or torch.float32)


def noise(width: int, height: int) -> Image.Image:
    """A picture of noise, always the same."""
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def processing(name: str, processor: Any) -> Preprocess:
    """An image processor cut in two, and held against the whole.

    Raises
    ------
    ModelError
        If it does more than resize, crop, scale and normalize.
    """
    once_more = getattr(processor, "include_top", False)  # EfficientNet's: divide by std twice
    only = {"do_rescale": False, "do_normalize": False}
    if once_more:
        only["include_top"] = False

    def geometry(picture: Image.Image) -> np.ndarray:
        out = processor(picture, **only, return_tensors="pt")
        return np.asarray(out["pixel_values"][0]).astype(np.uint8).transpose(1, 2, 0)

    scale = 1 / processor.rescale_factor if getattr(processor, "do_rescale", False) else 1.0
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    description = plain(processor.to_dict())
    if getattr(processor, "do_normalize", False):
        mean, std = processor.image_mean, processor.image_std
        if once_more:
            std = tuple(value * value for value in std)
        # As the library does it: pixels are not scaled, but mean and deviation are.
        mean, std = (tuple((torch.tensor(part) * scale).tolist()) for part in (mean, std))
        scale = 1.0
    found = Preprocess(geometry, mean, std, scale, description)

    def whole(picture: Image.Image) -> Any:
        return processor(picture, return_tensors="pt")["pixel_values"][0]

    return held_against(name, found, whole, type(processor).__name__)


def held_against(
    name: str, found: Preprocess, whole: Callable[[Image.Image], Any], called: str = "transform"
) -> Preprocess:
    """A preprocessing that was cut in two, if it does to a picture what the whole does.

    Parameters
    ----------
    name : str
        The model's.
    found : Preprocess
        Cut in two.
    whole : callable
        From a picture to a tensor of shape (3, H, W).
    called : str
        What that is.

    Raises
    ------
    ModelError
        If it does not: the whole does more than resize, crop, scale and normalize.
    """
    picture = noise(120, 80)
    theirs = torch.as_tensor(whole(picture))
    pixels = torch.tensor(found.geometry(picture))
    same = pixels.ndim == 3 and pixels.shape[-1] == 3
    if same:
        ours = found.normalize(pixels.permute(2, 0, 1)[None])[0]
        same = theirs.shape == ours.shape and torch.allclose(theirs, ours, atol=1e-4)
    if not same:
        raise ModelError(
            f"`model` {name}: its {called} does more than resize, crop and normalize; that is not "
            "supported"
        )
    return found


def plain(config: dict[str, Any]) -> str:
    """A configuration as one line of text."""
    return json.dumps(config, sort_keys=True, default=str)
