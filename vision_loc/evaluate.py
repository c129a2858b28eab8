"""Evaluate: which pictures the model still gets right, intact or under a mask."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from common.base.heavy import torch
from common.base.progress import Progress, silent
from common.effects.items import Outcome
from common.measure.ablate import Ablation
from common.measure.donors import Donors, offered, read_donors
from common.measure.masks import Mask
from common.measure.passes import Passes
from common.measure.scores import SelectivityMap
from common.study.batches import Batches, under_masks
from common.study.journal import Arrays
from vision_loc.models import VisionModel
from vision_loc.stimuli import Picture, Pixels, pixel_batches

if TYPE_CHECKING:
    from torch import Tensor


def evaluate(
    model: VisionModel,
    pixels: np.ndarray | Pixels,
    labels: np.ndarray | None,
    mask: Mask | None = None,
    **how: Any,
) -> Outcome:
    """What the model makes of every picture, intact or with one mask's units replaced.

    Parameters
    ----------
    model, pixels, labels, mask, **how
        See :func:`evaluate_masks`.
    """
    return evaluate_masks(model, pixels, labels, [mask], **how)[0]


def evaluate_masks(
    model: VisionModel,
    pixels: np.ndarray | Pixels,
    labels: np.ndarray | None,
    masks: Sequence[Mask | None],
    *,
    by: Ablation = "zero",
    found: SelectivityMap | None = None,
    choose_from: Sequence[int] = (),
    batch_size: int = 64,
    names: Sequence[str] | None = None,
    donors: Donors | None = None,
    progress: Progress = silent,
) -> list[Outcome]:
    """What the model makes of every picture, intact and with each mask's units replaced.

    Batches outside, masks inside: what comes before the units of a mask is computed once a batch.

    Parameters
    ----------
    model : VisionModel
        The model.
    pixels : Pixels or array of uint8 of shape (n_pictures, 3, H, W)
        Decoded and resized, as from :func:`vision_loc.stimuli.pixel_store`.
    labels : array of int of shape (n_pictures,) or None
        The right classes; ``None`` takes for them what the intact model gives (agreement).
    masks : sequence of Mask or None
        ``None`` is the intact model.
    by : {"zero", "mean", "resample"} or float, default="zero"
        The replacement; for ``mean`` the map gives each unit's mean over the control condition.
    found : SelectivityMap, optional
        The map, for ``by="mean"``.
    choose_from : sequence of int, optional
        The only classes that count as answers; left out, all.
    batch_size : int, default=64
        Pictures a pass.
    names : sequence of str, optional
        Of the pictures: who gets which donor; left out, their numbers.
    donors : Donors, optional
        For ``by="resample"``.
    progress : Progress
        Told of every batch under every mask, as a part of the step under way; may raise to stop.

    Returns
    -------
    list of Outcome
        In the order of the masks.
    """
    shown = PictureBatches(model, pixels, labels, choose_from, batch_size, names)
    if labels is None:
        (intact,) = under_masks(shown, Passes(model.module, [None]))
        shown.labels = intact.prediction
    return under_masks(shown, Passes(model.module, masks, by, found, donors=donors), progress)


class PictureBatches(Batches[slice]):
    """Pictures in batches, and what a model makes of each.

    Parameters
    ----------
    model, pixels, labels, choose_from, batch_size, names
        See :func:`evaluate_masks`. Without labels only the intact model can be shown anything.
    """

    def __init__(
        self,
        model: VisionModel,
        pixels: np.ndarray | Pixels,
        labels: np.ndarray | None,
        choose_from: Sequence[int] = (),
        batch_size: int = 64,
        names: Sequence[str] | None = None,
    ) -> None:
        self.model, self.module = model, model.module
        self.pixels, self.labels, self.choose_from = pixels, labels, choose_from
        self.names = [*map(str, range(len(pixels)))] if names is None else [*names]
        starts = range(0, len(pixels), batch_size)
        self.parts = [slice(start, min(start + batch_size, len(pixels))) for start in starts]
        self.sizes = [part.stop - part.start for part in self.parts]

    def read(self, part: slice, passes: Passes) -> Iterator[Arrays]:
        """Prediction and margin of every picture of a part, under each mask."""
        batch = torch.from_numpy(self.pixels[part].copy())
        right = None if self.labels is None else torch.from_numpy(self.labels[part])
        if right is None and any(mask is not None for mask in passes.masks):
            raise ValueError("without labels the intact predictions must be known first")
        compute = partial(self.model.logits, batch)
        for logits in passes(compute, batch.shape, self.names[part]):
            among = _among(logits.cpu(), self.choose_from)
            prediction = among.argmax(dim=1)
            margin = margins_of(among, prediction if right is None else right)
            yield {"prediction": prediction.numpy(), "margin": margin.numpy()}

    def halves(self, part: slice) -> tuple[slice, slice] | None:
        """The pictures before the middle one, and the others."""
        middle = (part.start + part.stop) // 2
        if middle == part.start:
            return None
        return slice(part.start, middle), slice(middle, part.stop)

    def known(self, parts: Sequence[Arrays]) -> tuple[np.ndarray, np.ndarray]:
        """The pictures of the first batches; without labels all of them count as right."""
        prediction = np.concatenate([arrays["prediction"] for arrays in parts])
        right = prediction if self.labels is None else self.labels[: len(prediction)]
        return np.arange(len(prediction)), prediction == right

    def outcome(self, parts: Sequence[Arrays]) -> Outcome:
        """The batches one after another."""
        prediction, margin = (
            np.concatenate([arrays[name] for arrays in parts]) for name in ("prediction", "margin")
        )
        right = prediction if self.labels is None else self.labels
        return Outcome(prediction, prediction == right, margin)


def _among(logits: Tensor, classes: Sequence[int]) -> Tensor:
    """Logits that leave no choice but these classes."""
    if not classes:
        return logits
    kept = torch.tensor(classes)
    return torch.full_like(logits, -torch.inf).index_copy(1, kept, logits[:, kept])


def margins_of(logits: Tensor, labels: Tensor) -> Tensor:
    """Logit of the right class minus the highest logit of a wrong one, shape (B,)."""
    right = logits.gather(1, labels[:, None])
    wrong = logits.scatter(1, labels[:, None], -torch.inf)
    return (right - wrong.amax(dim=1, keepdim=True)).squeeze(1)


def picture_donors(
    model: VisionModel,
    control: Sequence[Picture],
    digests: Sequence[str],
    evaluated: Collection[str],
    found: SelectivityMap,
    seed: int = 0,
) -> Donors:
    """The pictures whose values a masked unit takes under ``resample``.

    Parameters
    ----------
    model : VisionModel
        The model, intact.
    control : sequence of Picture
        The localizer's control condition.
    digests : sequence of str
        A fingerprint of each.
    evaluated : collection of str
        Fingerprints of pictures that are evaluated on, of which none is a donor.
    found : SelectivityMap
        The map: its sites are read.
    seed : int, default=0
        Of the choice.

    Raises
    ------
    RunError
        If the control condition is not that of the map.
    SettingError
        If none is left.
    """

    def shown(picture: Picture) -> Tensor:
        ((_, pixels),) = pixel_batches([picture], model.preprocess, 1)
        return model.logits(torch.from_numpy(pixels))

    chosen = offered(digests, evaluated, found, seed)
    stimuli = ((control[at].name, partial(shown, control[at])) for at in chosen)
    return read_donors(model.module, found.sites, stimuli, texts=False, seed=seed)
