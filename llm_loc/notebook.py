"""A whole experiment on a language model of one's own, from a notebook.

::

    from llm_loc.notebook import experiment, language_model

    mine = experiment(lambda: language_model(GPT(), tokenizer))
    results, folder, _ = mine.run(localizer="langloc", evaluation="pairs.csv", out="runs/mine")
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from common.effects.described import DescribedModel
from common.models.own import Own, own_of
from common.study.notebook import Experiment, load_at_hand
from llm_loc.experiment import LanguageFront
from llm_loc.models import LanguageModel
from llm_loc.own import language_model as language_model
from llm_loc.own import load_own
from llm_loc.settings import Settings


class _Front(LanguageFront):
    """The front end, with one model."""

    def __init__(self, own: Own) -> None:
        self.own = own

    def load(self, settings: Settings) -> tuple[LanguageModel, DescribedModel]:
        """This model, or one with random weights."""
        return load_at_hand(self.own, settings, load_own)


def experiment(
    made: LanguageModel | Callable[..., Any], name: str | None = None
) -> Experiment[Settings, LanguageModel]:
    """The verbs of the command line, on a model of one's own.

    Parameters
    ----------
    made : LanguageModel or callable
        A module with its tokenizer (:func:`language_model`); or, so that networks with random
        weights can be made as this one was, the function that makes both. A function that loads
        weights takes a parameter ``untrained``.
    name : str, optional
        What it is called in tables.

    Returns
    -------
    Experiment
        With ``run``, ``localize`` and ``evaluate``.
    """
    own = own_of(made, name)
    return Experiment(_Front(own), own.name)
