"""What single units answer to the localizer's texts: the language part of a unit's page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from common.base.progress import Progress, silent
from common.measure.masks import Mask
from common.measure.respond import respond_each
from common.measure.scores import SelectivityMap
from common.study.single_unit import Answers, checked_answers
from llm_loc.experiment import Settings, localizer_of
from llm_loc.localize import passes_over, tokenized
from llm_loc.models import Ids, LanguageModel
from llm_loc.stimuli import Text


def answers(
    model: LanguageModel,
    settings: Settings,
    found: SelectivityMap,
    mask: Mask,
    progress: Progress = silent,
) -> Answers[Text]:
    """Read the localizer's texts once more, as localizing did, and keep what a few units answer.

    Parameters
    ----------
    model : LanguageModel
        Held by the caller.
    settings : Settings
        Those of the run: say which texts, by which protocol.
    found : SelectivityMap
        The run's map: says how tokens are pooled.
    mask : Mask
        The units.
    progress : Progress
        Told of every batch; may raise to stop.

    Raises
    ------
    DataError
        If the texts are not there any more.
    RunError
        If the answers are not those that the map was made of.
    """
    stimuli = localizer_of(settings)
    ids = tokenized(model, stimuli, settings.protocol)
    passes = passes_over(ids, settings.protocol, settings.batch_size)
    responses = _responses(model, ids, passes, found, mask, progress)
    return checked_answers(found, mask, stimuli.target, stimuli.control, responses)


def _responses(
    model: LanguageModel,
    ids: Sequence[Ids],
    passes: Sequence[np.ndarray],
    found: SelectivityMap,
    mask: Mask,
    progress: Progress,
) -> np.ndarray:
    responses = np.empty((len(ids), len(mask)), dtype=np.float32)
    done = 0
    with (
        torch.inference_mode(),
        respond_each(model.module, mask, found, model.through) as answered,
    ):
        for where in passes:
            batch = model.batch([ids[i] for i in where])
            model.base(**batch, **model.quiet)
            responses[where] = answered.pop()
            done += len(where)
            progress("respond", done, len(ids))
    return responses
