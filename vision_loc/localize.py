"""Localize: show the model the localizer's pictures and map the selectivity of its units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from common.base.errors import SettingError
from common.base.progress import Progress, silent
from common.measure.contrast import Batch, Loss, contrast
from common.measure.moments import Statistic
from common.measure.scores import DEFAULT_SCORE, SelectivityMap
from common.measure.sites import Kind, Pooling, Site, Unit
from common.measure.survey import Survey
from vision_loc.models import VisionModel
from vision_loc.stimuli import Localizer, Picture, Pixels, pixel_batches

CLASS_TOKENS = ("cls_token", "class_token")


def find_sites(model: VisionModel, kind: Kind = "block", pattern: str | None = None) -> list[Site]:
    """The model's sites of a kind, or those that a pattern names."""
    survey = Survey(model.module, model.example())
    return survey.matching(pattern) if pattern else survey.of_kind(kind)


def localize(
    model: VisionModel,
    stimuli: Localizer,
    sites: Sequence[Site],
    *,
    unit: Unit = "channel",
    pooling: Pooling | None = None,
    statistic: Statistic = "magnitude",
    score: str = DEFAULT_SCORE,
    exclude_massive: float | None = None,
    percents: Sequence[float] = (1.0,),
    seed: int = 0,
    effort: int | None = None,
    batch_size: int = 64,
    pixels: Pixels | None = None,
    progress: Progress = silent,
) -> SelectivityMap:
    """Contrast the localizer's two sides over all units of `sites`, in one pass over the pictures.

    Parameters
    ----------
    model, stimuli, sites
        What is shown to what, and where it is read.
    unit, pooling, statistic
        See :func:`common.measure.record.record`.
    score : str, default="welch"
        The rule that scores units; see :data:`common.measure.scores.SCORE_RULES`.
    exclude_massive : float, optional
        See :func:`common.measure.contrast.contrast`.
    percents : sequence of float, default=(1.0,)
        Mask sizes whose split-half overlap is kept with the map.
    seed : int, default=0
        Seed of the split into halves.
    effort : int, optional
        See :func:`common.measure.contrast.contrast`.
    batch_size : int, default=64
        Pictures a pass; the score does not depend on it beyond rounding.
    pixels : Pixels, optional
        Those of the target's pictures and then the control's, as from
        :func:`vision_loc.stimuli.pixel_store`; left out, they are decoded on the way.

    Raises
    ------
    SettingError
        If ``cls`` is asked of a model without a class token.
    """
    if pooling == "cls" and not _has_class_token(model):
        raise SettingError(f"`pooling` cls: {model.name} has no class token; use mean or max")

    def batches(groups: np.ndarray) -> Iterator[Batch]:
        # In the order of their groups, a batch is nearly always of one group and reduced in one go.
        return shown(model, stimuli, batch_size, np.argsort(groups, kind="stable"), pixels)

    return contrast(
        model.module, sites, stimuli.target, stimuli.control, batches, score=score, unit=unit,
        pooling=pooling, statistic=statistic, exclude_massive=exclude_massive, percents=percents,
        seed=seed, effort=effort, progress=progress,
    )  # fmt: skip


def shown(
    model: VisionModel,
    stimuli: Localizer,
    batch_size: int,
    order: np.ndarray | None = None,
    pixels: Pixels | None = None,
) -> Iterator[Batch]:
    """The localizer's pictures in batches, the target's first or in an order of one's own."""
    pictures = [*stimuli.target, *stimuli.control]
    places = np.arange(len(pictures)) if order is None else order
    for where, batch in _batches([pictures[i] for i in places], places, model, batch_size, pixels):
        yield _batch(model, places[where], batch)


def _batch(model: VisionModel, places: np.ndarray, pixels: np.ndarray) -> Batch:
    shown = torch.from_numpy(pixels)
    return Batch(
        places,
        partial(model.logits, shown),
        part=lambda which: _batch(model, places[which], pixels[which]),
        loss=partial(own_loss, model, shown),
    )


def own_loss(model: VisionModel, pixels: Tensor, right: Tensor | None = None) -> Loss:
    """Cross entropy of the intact model's own prediction, in nats.

    In float64 where there is one: of a model that is sure, single floats leave no gradient.

    Parameters
    ----------
    model : VisionModel
        The model.
    pixels : tensor of shape (n_stimuli, 3, H, W)
        The pictures.
    right : tensor of int of shape (n_stimuli,), optional
        The intact predictions; left out, the model is intact now.
    """
    logits = model.logits(pixels)
    logits = logits if logits.device.type == "mps" else logits.double()
    right = logits.detach().argmax(dim=1) if right is None else right
    return Loss(cross_entropy(logits, right, reduction="none"), right)


def _batches(
    pictures: Sequence[Picture],
    places: np.ndarray,
    model: VisionModel,
    batch_size: int,
    pixels: Pixels | None,
) -> Iterator[tuple[slice, np.ndarray]]:
    if pixels is None:
        yield from pixel_batches(pictures, model.preprocess, batch_size)
        return
    for start in range(0, len(places), batch_size):
        where = slice(start, start + batch_size)
        yield where, pixels[places[where]]


def _has_class_token(model: VisionModel) -> bool:
    names = (name.rpartition(".")[2] for name, _ in model.module.named_parameters())
    return any(name in CLASS_TOKENS for name in names)
