"""What single units answer to the localizer's texts: the language part of a unit's page."""

from __future__ import annotations

from common.base.progress import Progress, silent
from common.measure.masks import Mask
from common.measure.scores import SelectivityMap
from common.study.single_unit import Answers, answers_of
from llm_loc.experiment import Settings, localizer_of
from llm_loc.localize import read, tokenized
from llm_loc.match import matched
from llm_loc.models import LanguageModel
from llm_loc.stimuli import Text


def answers(
    model: LanguageModel,
    settings: Settings,
    found: SelectivityMap,
    mask: Mask,
    progress: Progress = silent,
) -> Answers[Text]:
    """Read the texts of a run's localizer once more, by its protocol; see :func:`answers_of`.

    Raises
    ------
    DataError
        If the texts are not there any more.
    RunError
        If the answers are not those that the map was made of.
    """
    stimuli, _ = matched(model, localizer_of(settings), settings.match)
    ids = tokenized(model, stimuli, settings.protocol)
    batches = read(model, ids, settings.protocol, settings.batch_size)
    sides = (stimuli.target, stimuli.control)
    return answers_of(
        model.module, found, mask, *sides, batches, through=model.through, progress=progress
    )
