"""What single units answer to the localizer's pictures: the vision part of a unit's page."""

from __future__ import annotations

from common.base.progress import Progress, silent
from common.measure.masks import Mask
from common.measure.scores import SelectivityMap
from common.study.single_unit import Answers, answers_of
from vision_loc.experiment import Settings, localizer_of
from vision_loc.localize import shown
from vision_loc.models import VisionModel
from vision_loc.stimuli import Picture


def answers(
    model: VisionModel,
    settings: Settings,
    found: SelectivityMap,
    mask: Mask,
    progress: Progress = silent,
) -> Answers[Picture]:
    """Show the pictures of a run's localizer once more; see :func:`answers_of`.

    Raises
    ------
    DataError
        If the pictures are not there any more.
    RunError
        If the answers are not those that the map was made of.
    """
    stimuli = localizer_of(settings, model.preprocess)
    batches = shown(model, [*stimuli.target, *stimuli.control], settings.batch_size)
    sides = (stimuli.target, stimuli.control)
    return answers_of(model.module, found, mask, *sides, batches, progress=progress)
