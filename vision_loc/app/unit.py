"""What single units answer to the localizer's pictures: the vision part of a unit's page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from common.base.progress import Progress, silent
from common.measure.masks import Mask
from common.measure.respond import respond_each
from common.measure.scores import SelectivityMap
from common.study.single_unit import Answers, checked_answers
from vision_loc.experiment import Settings, localizer_of
from vision_loc.models import VisionModel
from vision_loc.stimuli import Picture, pixel_batches


def answers(
    model: VisionModel,
    settings: Settings,
    found: SelectivityMap,
    mask: Mask,
    progress: Progress = silent,
) -> Answers[Picture]:
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
    progress : Progress
        Told of every batch; may raise to stop.

    Raises
    ------
    DataError
        If the pictures are not there any more.
    RunError
        If the answers are not those that the map was made of.
    """
    stimuli = localizer_of(settings, model.preprocess)
    pictures = (*stimuli.target, *stimuli.control)
    responses = _responses(model, pictures, found, mask, settings.batch_size, progress)
    return checked_answers(found, mask, stimuli.target, stimuli.control, responses)


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
