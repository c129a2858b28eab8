"""What each part of a picture does to a model's answer: it is hidden behind a grey square.

The answer is the class that the intact model names for the whole picture, and what is told is its
margin: how far its logit is above the highest of the others. The same answer is asked of the
ablated model, so that the two can be held against each other square by square.

References
----------
Zeiler, M. D., & Fergus, R. (2014). Visualizing and understanding convolutional networks. ECCV,
818-833. (Occlusion.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from common.base.heavy import torch
from common.measure.ablate import Ablation
from common.measure.masks import Mask
from common.measure.moments import Array
from common.measure.passes import Passes
from common.measure.scores import SelectivityMap
from vision_loc.evaluate import margins_of
from vision_loc.models import VisionModel

if TYPE_CHECKING:
    from torch import Tensor

SQUARES = 8  # to a side
GREY = 128  # of 255
BATCH = 32  # pictures a pass


@dataclass(frozen=True, eq=False)
class Occlusion:
    """What the squares of a picture do to one answer.

    Attributes
    ----------
    answer : int
        The class.
    margins : array of shape (n_masks,)
        Its margin on the whole picture under each mask, in logits.
    changes : array of shape (n_masks, squares, squares)
        By how much it is smaller with each square hidden; below 0, it is larger.
    """

    answer: int
    margins: Array
    changes: Array


def hidden(pixels: np.ndarray, squares: int = SQUARES) -> np.ndarray:
    """The picture once a square, with that square grey.

    Parameters
    ----------
    pixels : array of uint8 of shape (1, 3, H, W)
        The picture.
    squares : int, default=8
        To a side; where the size is no multiple of it, some are a pixel larger.

    Returns
    -------
    array of uint8 of shape (squares ** 2, 3, H, W)
        By rows.
    """
    height, width = pixels.shape[2:]
    down, across = (np.arange(squares + 1) * size // squares for size in (height, width))
    covered = np.repeat(pixels, squares**2, axis=0)
    for row in range(squares):
        for column in range(squares):
            own = covered[row * squares + column]
            own[:, down[row] : down[row + 1], across[column] : across[column + 1]] = GREY
    return covered


def occlusion(
    model: VisionModel,
    pixels: np.ndarray,
    masks: Sequence[Mask | None],
    *,
    by: Ablation = "zero",
    found: SelectivityMap | None = None,
    squares: int = SQUARES,
) -> Occlusion:
    """Hide a picture square by square, intact and under masks.

    Parameters
    ----------
    model : VisionModel
        The model.
    pixels : array of uint8 of shape (1, 3, H, W)
        The picture after the model's own resizing.
    masks : sequence of Mask or None
        ``None`` is the intact model.
    by, found
        As in :func:`common.measure.ablate.under`.
    squares : int, default=8
        To a side.
    """
    shown = torch.from_numpy(np.concatenate([pixels, hidden(pixels, squares)]))
    passes = Passes(model.module, masks, by, found)
    logits: list[list[Tensor]] = [[] for _ in masks]
    with torch.inference_mode():
        whole = model.logits(shown[:1])[0]
        for part in shown.split(BATCH):
            given = passes(partial(model.logits, part), part.shape)
            for own, out in zip(logits, given, strict=True):
                own.append(out)
    answer = int(whole.argmax())
    margins = np.stack([margin(torch.cat(each), answer) for each in logits])
    changes = (margins[:, :1] - margins[:, 1:]).reshape(len(masks), squares, squares)
    return Occlusion(answer, margins[:, 0], changes)


def margin(logits: Tensor, answer: int) -> Array:
    """A class's logit minus the highest of the others, shape (n_pictures,)."""
    asked = torch.full((len(logits),), answer, device=logits.device)
    found: Array = margins_of(logits, asked).double().cpu().numpy()
    return found
