"""Localize: show the model the localizer's pictures and map the selectivity of its units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from common.base.errors import SettingError
from common.base.heavy import functional, torch
from common.base.progress import Progress, silent
from common.measure.batch import Batch, Loss
from common.measure.contrasts import Place, Sides, contrasts, shared_places
from common.measure.moments import Statistic
from common.measure.scores import DEFAULT_SCORE, SelectivityMap
from common.measure.sites import Kind, Pooling, Site, Unit
from common.measure.survey import Survey
from common.measure.weights import PARAMETER, Level, weight_sites
from vision_loc.models import VisionModel
from vision_loc.stimuli import Localizer, Picture, Pixels, pixel_batches

if TYPE_CHECKING:
    from torch import Tensor

CLASS_TOKENS = ("cls_token", "class_token")


def find_sites(
    model: VisionModel,
    kind: Kind = "block",
    pattern: str | None = None,
    level: Level = "unit",
    each_step: bool = False,
) -> list[Site]:
    """The model's sites of a kind, or those that a pattern names; or its tensors of weights."""
    if level == PARAMETER:
        return weight_sites(model.module, pattern)
    survey = survey_of(model, each_step)
    return survey.matching(pattern) if pattern else survey.of_kind(kind)


def survey_of(model: VisionModel, each_step: bool = False) -> Survey:
    """Every place of the model."""
    return Survey(model.module, model.example(), each_step=each_step)


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
    (found,) = localize_all(
        model, [stimuli], sites, batch_size=batch_size, pixels=pixels, unit=unit, pooling=pooling,
        statistic=statistic, score=score, exclude_massive=exclude_massive, percents=percents,
        seed=seed, effort=effort, progress=progress,
    )  # fmt: skip
    return found


def localize_all(
    model: VisionModel,
    localizers: Sequence[Localizer],
    sites: Sequence[Site],
    *,
    digests: Sequence[Sequence[str]] | None = None,
    own: Sequence[Place] | None = None,
    batch_size: int = 64,
    pixels: Pixels | None = None,
    **how: Any,
) -> list[SelectivityMap]:
    """The maps of several localizers, in one pass over the pictures of all.

    Parameters
    ----------
    model, sites, batch_size, **how
        As in :func:`localize`.
    localizers : sequence of Localizer
        Any number.
    digests : sequence of sequence of str, optional
        By localizer a fingerprint of each picture, for those that several share; left out for a
        single one.
    own : sequence of Place, optional
        By localizer its own sites and mask sizes, in the place of those of all.
    pixels : Pixels, optional
        As in :func:`localize`, of :func:`pictures_of`.
    """
    pictures, every = pictures_of(localizers, digests)
    if own is not None:
        every = [replace(each, own=place) for each, place in zip(every, own, strict=True)]
    if how.get("pooling") == "cls" and not _has_class_token(model):
        raise SettingError(f"`pooling` cls: {model.name} has no class token; use mean or max")

    def batches(places: np.ndarray, groups: np.ndarray) -> Iterator[Batch]:
        # In the order of their groups, a batch is nearly always of one group and reduced in one go.
        order = np.argsort(groups, kind="stable")
        return shown(model, pictures, batch_size, places[order], pixels, order)

    return contrasts(model.module, sites, every, batches, **how)


def pictures_of(
    localizers: Sequence[Localizer], digests: Sequence[Sequence[str]] | None = None
) -> tuple[list[Picture], list[Sides]]:
    """The pictures of several localizers, each once, and where those of each are among them.

    Parameters
    ----------
    localizers, digests
        As in :func:`localize_all`.
    """
    own = [[*each.target, *each.control] for each in localizers]
    keys = [[*map(str, range(len(each)))] for each in own] if digests is None else digests
    first, places = shared_places(keys)
    sides = zip(localizers, places, strict=True)
    every = [Sides(each.target, each.control, where) for each, where in sides]
    return [own[number][place] for number, place in first], every


def shown(
    model: VisionModel,
    pictures: Sequence[Picture],
    batch_size: int,
    order: np.ndarray | None = None,
    pixels: Pixels | None = None,
    called: np.ndarray | None = None,
) -> Iterator[Batch]:
    """Pictures in batches.

    Parameters
    ----------
    order : array of int, optional
        Which of them, and in which order; left out, all as they come.
    pixels : Pixels, optional
        Those of all of them; left out, they are decoded on the way.
    called : array of int, optional
        What a batch says of where those of `order` are; left out, `order` itself.
    """
    places = np.arange(len(pictures)) if order is None else order
    where_said = places if called is None else called
    some = [pictures[i] for i in places.tolist()]
    for where, batch in _batches(some, places, model, batch_size, pixels):
        yield _batch(model, where_said[where], batch)


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
    return Loss(functional.cross_entropy(logits, right, reduction="none"), right)


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
