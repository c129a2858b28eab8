"""What single units answer to the localizer's pictures: the vision part of a unit's page."""

from __future__ import annotations

from common.base.progress import Progress, silent
from common.measure.masks import Mask
from common.measure.scores import SelectivityMap
from common.study.single_unit import Answers
from vision_loc import driving
from vision_loc.experiment import Settings, localizer_of
from vision_loc.models import VisionModel
from vision_loc.stimuli import Picture


def answers(
    model: VisionModel,
    settings: Settings,
    found: SelectivityMap,
    mask: Mask,
    progress: Progress = silent,
) -> Answers[Picture]:
    """Show the pictures of a run's localizer once more; see :func:`vision_loc.driving.answers`.

    Raises
    ------
    DataError
        If the pictures are not there any more.
    RunError
        If the answers are not those that the map was made of.
    """
    stimuli = localizer_of(settings, model.preprocess)
    return driving.answers(model, stimuli, found, mask, settings.batch_size, progress)
