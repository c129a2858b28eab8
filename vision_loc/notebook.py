"""A whole experiment on a vision model of one's own, from a notebook.

::

    from vision_loc.notebook import experiment, vision_model

    mine = experiment(lambda: vision_model(Net(), size=32, mean=0.5, std=0.5))
    results, folder, _ = mine.run(
        target="faces/", control="things/", evaluation="pictures/", out="runs/mine"
    )
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from common.effects.described import DescribedModel
from common.models.own import Own, own_of
from common.study.notebook import Experiment, load_at_hand
from vision_loc.experiment import VisionFront
from vision_loc.models import VisionModel
from vision_loc.own import load_own
from vision_loc.own import vision_model as vision_model
from vision_loc.settings import Settings


class _Front(VisionFront):
    """The front end, with one model."""

    def __init__(self, own: Own) -> None:
        self.own = own

    def load(self, settings: Settings) -> tuple[VisionModel, DescribedModel]:
        """This model, or one with random weights."""
        return load_at_hand(self.own, settings, load_own)


def experiment(
    made: nn.Module | VisionModel | Callable[..., Any], name: str | None = None
) -> Experiment[Settings, VisionModel]:
    """The verbs of the command line, on a model of one's own.

    Parameters
    ----------
    made : nn.Module, VisionModel or callable
        A module; one with its preprocessing (:func:`vision_model`); or, so that networks with
        random weights can be made as this one was, the function that makes either. A function that
        loads weights takes a parameter ``untrained``.
    name : str, optional
        What it is called in tables.

    Returns
    -------
    Experiment
        With ``run``, ``localize`` and ``evaluate``.
    """
    own = own_of(made, name)
    return Experiment(_Front(own), own.name)
