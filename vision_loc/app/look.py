"""One picture, as a model sees it intact and without the units of a mask: the core of Try it.

The intact model sees the picture first. That gives the probability of every class and the response
of every unit, so what a mask's units answer is known without another pass, and all that comes
before the first ablated site. What comes after it is computed once a mask, and its outcome kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from common.base.heavy import torch
from common.measure.ablate import Ablation
from common.measure.masks import Mask, top_percent
from common.measure.prefix import Prefix
from common.measure.respond import relative, respond_each
from common.measure.scores import SelectivityMap
from common.study.single_unit import UnitRow, describe_unit
from vision_loc.models import VisionModel

if TYPE_CHECKING:
    from torch import Tensor

BEST = 5


@dataclass(frozen=True, eq=False)
class Look:
    """A picture and a model, and what is known of the two.

    Attributes
    ----------
    pixels : array of uint8 of shape (1, 3, H, W)
        After the model's own resizing.
    intact : array of shape (n_classes,)
        Probability of every class.
    responses : array of shape (n_units,)
        Of every unit of the map, in the map's order and in the units of its means.
    prefix : Prefix of tensor of shape (1, n_classes)
        The intact pass, and what it hands on to the passes of masks.
    """

    pixels: np.ndarray
    intact: np.ndarray
    responses: np.ndarray
    prefix: Prefix[Tensor]
    _seen: dict[tuple[Ablation, bytes], np.ndarray] = field(default_factory=dict, repr=False)

    def known(self, mask: Mask, by: Ablation) -> np.ndarray | None:
        """The probabilities under a mask that was looked through before."""
        return self._seen.get((by, mask.units.tobytes()))

    def without(self, mask: Mask, by: Ablation, found: SelectivityMap) -> np.ndarray:
        """Probability of every class with a mask's units replaced, shape (n_classes,).

        Parameters
        ----------
        mask, by, found
            As in :func:`common.measure.ablate.under`, of the model that the look was taken with,
            which the caller holds.
        """
        shares = self.known(mask, by)
        if shares is None:
            with torch.inference_mode():
                shares = _shares(self.prefix.under(mask, by, found))
            self._seen[by, mask.units.tobytes()] = shares
        return shares

    def strength(self, mask: Mask, found: SelectivityMap) -> float:
        """How strongly the mask's units answer; 1 is average over the localizer's pictures."""
        return float(relative(self.responses[mask.units][None], mask, found)[0])

    def most_driven(self, mask: Mask, found: SelectivityMap, n: int) -> list[tuple[UnitRow, float]]:
        """The units of a mask that the picture drives most, and their responses.

        Responses are compared over the unit's mean magnitude in the localizer, as in
        :meth:`strength`; silent units of the localizer come last.
        """
        loudness = found.magnitude[mask.units]
        answers = self.responses[mask.units]
        times = np.divide(answers, loudness, out=np.zeros_like(answers), where=loudness > 0)
        first = np.argsort(-times, kind="stable")[:n]
        return [(describe_unit(found, int(mask.units[i])), float(times[i])) for i in first]


def look(model: VisionModel, picture: Image.Image, found: SelectivityMap) -> Look:
    """Show the intact model a picture, once.

    Parameters
    ----------
    model : VisionModel
        Held by the caller.
    picture : PIL.Image.Image
        RGB, of any size.
    found : SelectivityMap
        A map of this model: says which units there are.
    """
    pixels = model.preprocess.geometry(picture).transpose(2, 0, 1)[None].copy()
    every = top_percent(found, 100)

    def logits() -> Tensor:
        return model.logits(torch.from_numpy(pixels))

    with torch.inference_mode(), respond_each(model.module, every, found) as passes:
        prefix = Prefix(model.module, logits, found.sites)
    responses = np.empty(found.n_units)
    responses[every.units] = passes[0][0]
    return Look(pixels, _shares(prefix.intact), responses, prefix)


def _shares(logits: Tensor) -> np.ndarray:
    shares: np.ndarray = logits.softmax(dim=1)[0].cpu().numpy()
    return shares


def top_five(shares: np.ndarray, classes: Mapping[int, str]) -> dict[str, float]:
    """The five likeliest classes.

    Parameters
    ----------
    shares : array of shape (n_classes,)
        Probabilities.
    classes : mapping of int to str
        What the classes are called; those of one name, or of none, keep their number.

    Returns
    -------
    dict of str to float
        Name and probability, likeliest first.
    """
    first = np.argsort(-shares, kind="stable")[:BEST].tolist()
    names = [classes.get(index, "class") for index in first]
    return {
        name if names.count(name) == 1 else f"{name} {index}": float(shares[index])
        for name, index in zip(names, first, strict=True)
    }
