"""What single units answer to the localizer's texts: the language part of a unit's page."""

from __future__ import annotations

from common.base.progress import Progress, silent
from common.measure.masks import Mask
from common.measure.scores import SelectivityMap
from common.study.single_unit import Answers
from llm_loc import driving
from llm_loc.experiment import Settings
from llm_loc.models import LanguageModel
from llm_loc.stimuli import Text
from llm_loc.used import used_by


def answers(
    model: LanguageModel,
    settings: Settings,
    found: SelectivityMap,
    mask: Mask,
    progress: Progress = silent,
) -> Answers[Text]:
    """Read the texts of a run's localizer once more; see :func:`llm_loc.driving.answers`.

    Raises
    ------
    DataError
        If the texts are not there any more.
    RunError
        If the answers are not those that the map was made of.
    """
    stimuli, protocol, size = used_by(settings, model), settings.protocol, settings.batch_size
    return driving.answers(model, stimuli, found, mask, protocol, size, progress)
