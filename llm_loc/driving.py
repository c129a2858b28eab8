"""Which of the localizer's texts drive the top units of a map, for its report."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from common.base.files import save_json
from common.base.progress import Progress, silent
from common.measure.masks import Mask
from common.measure.respond import relative
from common.measure.scores import SelectivityMap
from common.study.driving import most_together, one_by_one
from common.study.single_unit import Answers, answers_of
from llm_loc.localize import read, tokenized
from llm_loc.models import LanguageModel
from llm_loc.stimuli import Localizer, Text

TOGETHER, FEW = 8, 4  # texts that drive all units, texts of a unit that is shown by itself
LONGEST = 240  # letters of a text


def answers(
    model: LanguageModel,
    stimuli: Localizer,
    found: SelectivityMap,
    mask: Mask,
    protocol: str = "full",
    batch_size: int = 64,
    progress: Progress = silent,
) -> Answers[Text]:
    """Read the texts of a localizer once more, by its protocol; see :func:`answers_of`.

    Raises
    ------
    RunError
        If the answers are not those that the map was made of.
    """
    ids = tokenized(model, stimuli, protocol)
    batches = read(model, ids, protocol, batch_size)
    sides = (stimuli.target, stimuli.control)
    return answers_of(
        model.module, found, mask, *sides, batches, through=model.through, progress=progress
    )


def driving_of(
    model: LanguageModel, stimuli: Localizer, protocol: str, batch_size: int
) -> Callable[..., None]:
    """:func:`keep_driving` of a model and its localizer's texts."""
    return partial(
        keep_driving, model=model, stimuli=stimuli, protocol=protocol, batch_size=batch_size
    )


def keep_driving(
    folder: Path,
    found: SelectivityMap,
    top: Mask,
    progress: Progress = silent,
    *,
    model: LanguageModel,
    stimuli: Localizer,
    protocol: str = "full",
    batch_size: int = 64,
) -> None:
    """Keep the texts that drive a mask's units, together and the first of them one by one.

    ``gallery/driving.json`` is a list of tables, each with ``heading``, ``caption`` and ``texts``,
    the rows of ``text``, ``condition`` and ``answer``.

    Parameters
    ----------
    folder : Path
        Of the map.
    found, top
        The map and the mask.
    progress : Progress
        Told of every batch; may raise to stop.
    model, stimuli, protocol, batch_size
        What is read by what, and how.

    Raises
    ------
    RunError
        If the answers are not those that the map was made of.
    """
    known = answers(model, stimuli, found, top, protocol, batch_size, progress)
    driven = relative(known.responses.astype(float), top, found)
    order = np.argsort(-driven, kind="stable")
    tables = [
        _table(known, driven, order[:TOGETHER], *most_together("texts", len(top))),
        _table(known, driven, order[: -TOGETHER - 1 : -1],
               "Texts of the localizer that drive the top units least", ""),
    ]  # fmt: skip
    for one in one_by_one(known, found, top, FEW):
        tables.append(_table(known, one.answers, one.numbers, one.heading, one.caption))
    save_json(folder / "gallery" / "driving.json", tables)


def _table(
    known: Answers[Text], driven: np.ndarray, numbers: np.ndarray, heading: str, caption: str
) -> dict[str, Any]:
    texts = [
        {
            "text": short(known.stimuli[number].text),
            "condition": known.stimuli[number].condition,
            "answer": f"{driven[number]:.3g}",
        }
        for number in numbers.tolist()
    ]
    return {"heading": heading, "caption": caption, "texts": texts}


def short(text: str) -> str:
    """A text in one line, cut where it is very long."""
    words = " ".join(text.split())
    return words if len(words) <= LONGEST else f"{words[:LONGEST]} …"
