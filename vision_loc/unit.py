"""What single units answer to the localizer's pictures: the vision part of a unit's page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from common.hooks import respond_each
from common.masks import Mask
from common.one_unit import check_same
from common.progress import Progress, silent
from common.selectivity import SelectivityMap
from vision_loc.experiment import Settings, localizer_of
from vision_loc.models import VisionModel
from vision_loc.stimuli import Picture, pixel_batches


@dataclass(frozen=True, eq=False)
class Answers:
    """What the units of a mask answered to every picture of the localizer.

    Attributes
    ----------
    mask : Mask
        The units.
    pictures : tuple of Picture
        Target's first.
    target : array of bool of shape (n_pictures,)
        Which are the target's.
    responses : array of float32 of shape (n_pictures, n_units)
        In the units of the map's means, units in the order of the mask.
    """

    mask: Mask
    pictures: tuple[Picture, ...]
    target: np.ndarray
    responses: np.ndarray

    def of(self, unit: int) -> np.ndarray:
        """One unit's responses, shape (n_pictures,)."""
        column: np.ndarray = self.responses[:, int(np.flatnonzero(self.mask.units == unit)[0])]
        return column

    def extremes(self, unit: int, n: int) -> tuple[list[int], list[int]]:
        """Numbers of the pictures that drive a unit most, and least, the extreme ones first."""
        answers = self.of(unit)
        most, least = (np.argsort(sign * answers, kind="stable")[:n] for sign in (-1, 1))
        return most.tolist(), least.tolist()

    @property
    def conditions(self) -> list[str]:
        """The condition of every picture."""
        return [picture.condition for picture in self.pictures]


def answers(
    model: VisionModel,
    settings: Settings,
    found: SelectivityMap,
    mask: Mask,
    progress: Progress = silent,
) -> Answers:
    """Show the localizer's pictures once more, and keep what a few units answer.

    Parameters
    ----------
    model : VisionModel
        Held by the caller.
    settings : Settings
        Those of the run: say which pictures.
    found : SelectivityMap
        The run's map.
    mask : Mask
        The units.

    Raises
    ------
    DataError
        If the pictures are not there any more.
    RunError
        If the answers are not those that the map was made of.
    """
    stimuli = localizer_of(settings, model.preprocess)
    pictures = (*stimuli.target, *stimuli.control)
    target = np.arange(len(pictures)) < len(stimuli.target)
    responses = _responses(model, pictures, found, mask, settings.batch_size, progress)
    check_same(found, mask, responses, target)
    return Answers(mask, pictures, target, responses)


def _responses(
    model: VisionModel,
    pictures: Sequence[Picture],
    found: SelectivityMap,
    mask: Mask,
    batch_size: int,
    progress: Progress,
) -> np.ndarray:
    with torch.inference_mode(), respond_each(model.module, mask, found) as passes:
        for where, pixels in pixel_batches(pictures, model.preprocess, batch_size):
            model.logits(torch.from_numpy(pixels))
            passes[-1] = passes[-1].astype(np.float32)
            progress("respond", where.stop, len(pictures))
    return np.concatenate(passes)
