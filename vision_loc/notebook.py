"""Vision models in a notebook: whole experiments, or a model and its pictures step by step.

::

    from vision_loc.notebook import experiment, vision_model

    told, found, folder = experiment("phantom/cnn").localize()
    mine = experiment(lambda: vision_model(Net(), size=32, mean=0.5, std=0.5))
    results, folder, _ = mine.run(
        target="faces/", control="things/", evaluation="pictures/", out="runs/mine"
    )

The steps are those of ``common``; a model is called by its ``logits``::

    from vision_loc.notebook import batches, load_model, pictures

    model = load_model("phantom/cnn")
    with record(model.module, sites(model.module, example=model.example())) as seen:
        for batch in batches(model, pictures("faces/")):
            model.logits(batch)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from common.effects.described import DescribedModel
from common.models.own import Own, own_of
from common.study.notebook import Experiment, load_at_hand
from vision_loc.experiment import FRONT, VisionFront
from vision_loc.models import VisionModel
from vision_loc.models import load_model as load_model
from vision_loc.own import load_own
from vision_loc.own import vision_model as vision_model
from vision_loc.settings import Settings
from vision_loc.stimuli import Picture, open_picture, pixel_batches
from vision_loc.stimuli import benchmark as benchmark
from vision_loc.stimuli import localizer as localizer
from vision_loc.stimuli.files import files_in


class _Front(VisionFront):
    """The front end, with one model."""

    def __init__(self, own: Own) -> None:
        self.own = own

    def load(self, settings: Settings) -> tuple[VisionModel, DescribedModel]:
        """This model, or one with random weights."""
        return load_at_hand(self.own, settings, load_own)


def experiment(
    made: str | nn.Module | VisionModel | Callable[..., Any], name: str | None = None
) -> Experiment[Settings, VisionModel]:
    """The verbs of the command line, on a model by its name or on one of one's own.

    Parameters
    ----------
    made : str, nn.Module, VisionModel or callable
        A name, as the command line takes it; a module; one with its preprocessing
        (:func:`vision_model`); or, so that networks with random weights can be made as this one
        was, the function that makes either. A function that loads weights takes a parameter
        ``untrained``.
    name : str, optional
        What it is called in tables.

    Returns
    -------
    Experiment
        With ``run``, ``localize``, ``evaluate`` and ``repeat``.

    Examples
    --------
    >>> experiment("phantom/planted").name
    'phantom/planted'
    """
    if isinstance(made, str):
        return Experiment(FRONT, made)
    own = own_of(made, name)
    return Experiment(_Front(own), own.name)


def pictures(folder: Path | str) -> list[Picture]:
    """The pictures of a folder and of those in it, in the order of their names.

    Raises
    ------
    DataError
        If there is no such folder, or none in it.

    Examples
    --------
    >>> "grey.png" in [Path(each.name).name for each in pictures(folder)]
    True
    """
    place = Path(folder)
    return [
        Picture(str(path), place.name, partial(open_picture, path), path)
        for path in files_in(place)
    ]


def batches(model: VisionModel, shown: Sequence[Picture], batch_size: int = 64) -> Iterator[Tensor]:
    """Pictures as the model's ``logits`` take them.

    Parameters
    ----------
    model : VisionModel
        Says how they are prepared.
    shown : sequence of Picture
        Of :func:`pictures`, or a side of :func:`localizer`, or of :func:`benchmark`.
    batch_size : int, default=64
        How many at once.

    Yields
    ------
    tensor of uint8 of shape (B, 3, H, W)

    Raises
    ------
    DataError
        If one cannot be read.

    Examples
    --------
    >>> model = load_model("phantom/planted")
    >>> shown = localizer("phantom-planted:pattern").target[:5]
    >>> [model.logits(batch).shape[0] for batch in batches(model, shown, batch_size=3)]
    [3, 2]
    """
    for _, pixels in pixel_batches(shown, model.preprocess, batch_size):
        yield torch.from_numpy(pixels)
