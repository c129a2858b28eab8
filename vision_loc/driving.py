"""Which of the localizer's pictures drive the top units of a map, for its report."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from common.base.files import save_bytes, save_json
from common.base.progress import Progress, silent
from common.measure.masks import Mask
from common.measure.respond import relative
from common.measure.scores import SelectivityMap
from common.study.driving import most_together, one_by_one
from common.study.single_unit import Answers, answers_of
from vision_loc.gallery import SHOWN, jpeg
from vision_loc.localize import shown
from vision_loc.models import VisionModel
from vision_loc.stimuli import Localizer, Picture, pixel_batches

FEW = 6  # pictures of a unit that is shown by itself


def answers(
    model: VisionModel,
    stimuli: Localizer,
    found: SelectivityMap,
    mask: Mask,
    batch_size: int = 64,
    progress: Progress = silent,
) -> Answers[Picture]:
    """Show the pictures of a localizer once more; see :func:`answers_of`.

    Raises
    ------
    RunError
        If the answers are not those that the map was made of.
    """
    batches = shown(model, [*stimuli.target, *stimuli.control], batch_size)
    sides = (stimuli.target, stimuli.control)
    return answers_of(model.module, found, mask, *sides, batches, progress=progress)


def driving_of(model: VisionModel, stimuli: Localizer, batch_size: int) -> Callable[..., None]:
    """:func:`keep_driving` of a model and its localizer's pictures."""
    return partial(keep_driving, model=model, stimuli=stimuli, batch_size=batch_size)


def keep_driving(
    folder: Path,
    found: SelectivityMap,
    top: Mask,
    progress: Progress = silent,
    *,
    model: VisionModel,
    stimuli: Localizer,
    batch_size: int = 64,
) -> None:
    """Keep the pictures that drive a mask's units, together and the first of them one by one.

    ``gallery/driving.json`` is as the ``gallery.json`` of a run.

    Parameters
    ----------
    folder : Path
        Of the map.
    found, top
        The map and the mask.
    progress : Progress
        Told of every batch; may raise to stop.
    model, stimuli, batch_size
        What is shown to what.

    Raises
    ------
    RunError
        If the answers are not those that the map was made of.
    """
    known = answers(model, stimuli, found, top, batch_size, progress)
    driven = relative(known.responses.astype(float), top, found)
    galleries = [
        _gallery(known, driven, np.argsort(-driven, kind="stable")[:SHOWN], "most",
                 *most_together("pictures", len(top))),
        _gallery(known, driven, np.argsort(driven, kind="stable")[:SHOWN], "least",
                 "Pictures of the localizer that drive the top units least", ""),
    ]  # fmt: skip
    for one in one_by_one(known, found, top, FEW):
        told = f"unit-{one.rank}", one.heading, one.caption
        galleries.append(_gallery(known, one.answers, one.numbers, *told))
    for gallery in galleries:
        for entry in gallery["pictures"]:
            picture = known.stimuli[entry.pop("number")]
            _, pixels = next(pixel_batches([picture], model.preprocess, 1))
            save_bytes(folder / "gallery" / entry["file"], jpeg(pixels[0]))
    save_json(folder / "gallery" / "driving.json", galleries)


def _gallery(
    known: Answers[Picture],
    driven: np.ndarray,
    numbers: np.ndarray,
    place: str,
    heading: str,
    caption: str,
) -> dict[str, Any]:
    pictures = [
        {
            "number": int(number),
            "file": f"{place}-{rank}.jpg",
            "alt": known.stimuli[number].name,
            "caption": f"{known.stimuli[number].condition}, answer {driven[number]:.3g}",
        }
        for rank, number in enumerate(numbers.tolist(), 1)
    ]
    return {"heading": heading, "caption": caption, "pictures": pictures}
