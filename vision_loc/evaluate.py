"""Evaluate: which pictures the model still gets right, intact or under a mask."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from common.base.errors import DataError
from common.base.progress import PART, Progress, silent
from common.effects.items import Outcome
from common.measure.ablate import Ablation, under
from common.measure.masks import Mask
from common.measure.scores import SelectivityMap
from vision_loc.models import VisionModel
from vision_loc.stimuli import Benchmark


def check_labels(model: VisionModel, items: Benchmark) -> np.ndarray:
    """The items' class indices.

    Raises
    ------
    DataError
        If one is no class of the model, or stands for another class there.
    """
    labels = np.array([picture.label for picture in items.pictures])
    wrong = np.flatnonzero((labels < 0) | (labels >= model.n_classes))
    if len(wrong):
        picture = items.pictures[wrong[0]]
        raise DataError(
            f"{items.name}: {picture.name} has class index {picture.label}, but {model.name} has "
            f"{model.n_classes} classes ({len(wrong)} such pictures)"
        )
    for index, wnid in items.wnids.items():
        if model.wnids and model.wnids[index] != wnid:
            raise DataError(
                f"{items.name}: class index {index} is {wnid}, but {model.wnids[index]} in "
                f"{model.name}; they number their classes differently"
            )
    return labels


def evaluate(
    model: VisionModel,
    pixels: np.ndarray,
    labels: np.ndarray,
    mask: Mask | None = None,
    *,
    by: Ablation = "zero",
    found: SelectivityMap | None = None,
    batch_size: int = 64,
    progress: Progress = silent,
) -> Outcome:
    """What the model makes of every picture, intact or with a mask's units replaced.

    Parameters
    ----------
    model : VisionModel
        The model.
    pixels : array of uint8 of shape (n_pictures, 3, H, W)
        Decoded and resized, as from :func:`vision_loc.stimuli.pixel_store`.
    labels : array of int of shape (n_pictures,)
        The right classes.
    mask : Mask, optional
        Left out, the model is intact.
    by : {"zero", "mean"} or float, default="zero"
        The replacement; for ``mean`` the map gives each unit's mean over the control condition.
    found : SelectivityMap, optional
        The map, for ``by="mean"``.
    progress : Progress
        Told of every batch, as a part of the step under way; may raise to stop.
    """
    predictions, margins = [], []
    with torch.inference_mode(), under(model.module, mask, by, found):
        for start in range(0, len(labels), batch_size):
            where = slice(start, start + batch_size)
            logits = model.logits(torch.from_numpy(pixels[where].copy())).cpu()
            predictions.append(logits.argmax(dim=1).numpy())
            margins.append(_margin(logits, torch.from_numpy(labels[where])).numpy())
            progress(PART, min(where.stop, len(labels)), len(labels))
    prediction = np.concatenate(predictions)
    return Outcome(prediction, prediction == labels, np.concatenate(margins))


def _margin(logits: Tensor, labels: Tensor) -> Tensor:
    """Logit of the right class minus the highest logit of a wrong one, shape (B,)."""
    right = logits.gather(1, labels[:, None])
    wrong = logits.scatter(1, labels[:, None], -torch.inf)
    return (right - wrong.amax(dim=1, keepdim=True)).squeeze(1)
