"""Language models in a notebook: whole experiments, or a model and its texts step by step.

::

    from llm_loc.notebook import experiment, language_model

    told, found, folder = experiment("phantom/lm").localize()
    mine = experiment(lambda: language_model(GPT(), tokenizer))
    results, folder, _ = mine.run(localizer="langloc", evaluation="pairs.csv", out="runs/mine")

The steps are those of ``common``; a model is called by its ``logits``::

    from llm_loc.notebook import batches, load_model

    model = load_model("phantom/lm")
    with record(model.module, sites(model.module, example=model.example()), pooling="last") as seen:
        for batch in batches(model, ["the old girls sing", "a tree grows"]):
            model.logits(batch)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch import Tensor

from common.effects.described import DescribedModel
from common.models.own import Own, own_of
from common.study.notebook import Experiment, load_at_hand
from llm_loc.experiment import FRONT, LanguageFront
from llm_loc.load import load_model as load_model
from llm_loc.models import LanguageModel
from llm_loc.own import language_model as language_model
from llm_loc.own import load_own
from llm_loc.settings import Settings
from llm_loc.stimuli import Text
from llm_loc.stimuli import benchmark as benchmark
from llm_loc.stimuli import localizer as localizer


class _Front(LanguageFront):
    """The front end, with one model."""

    def __init__(self, own: Own) -> None:
        self.own = own

    def load(self, settings: Settings) -> tuple[LanguageModel, DescribedModel]:
        """This model, or one with random weights."""
        return load_at_hand(self.own, settings, load_own)


def experiment(
    made: str | LanguageModel | Callable[..., Any], name: str | None = None
) -> Experiment[Settings, LanguageModel]:
    """The verbs of the command line, on a model by its name or on one of one's own.

    Parameters
    ----------
    made : str, LanguageModel or callable
        A name, as the command line takes it; a module with its tokenizer
        (:func:`language_model`); or, so that networks with random weights can be made as this one
        was, the function that makes both. A function that loads weights takes a parameter
        ``untrained``.
    name : str, optional
        What it is called in tables.

    Returns
    -------
    Experiment
        With ``run``, ``localize``, ``evaluate`` and ``repeat``.

    Examples
    --------
    >>> experiment("phantom/lm").name
    'phantom/lm'
    """
    if isinstance(made, str):
        return Experiment(FRONT, made)
    own = own_of(made, name)
    return Experiment(_Front(own), own.name)


def batches(
    model: LanguageModel, texts: Sequence[str | Text], batch_size: int = 64
) -> Iterator[dict[str, Tensor]]:
    """Texts as the model's ``logits`` take them, filled up on the right.

    Parameters
    ----------
    model : LanguageModel
        Has the tokenizer.
    texts : sequence of str or Text
        Your own, or a side of :func:`localizer`.
    batch_size : int, default=64
        How many at once.

    Yields
    ------
    dict of str to tensor
        ``input_ids`` and ``attention_mask`` of shape (B, tokens).

    Raises
    ------
    DataError
        If a text is longer than the model reads.

    Examples
    --------
    >>> model = load_model("phantom/lm")
    >>> [batch["input_ids"].shape[0] for batch in batches(model, ["the old girls sing"] * 3, 2)]
    [2, 1]
    """
    words = [text.text if isinstance(text, Text) else text for text in texts]
    ids = model.tokens(words)
    for start in range(0, len(ids), batch_size):
        yield model.batch(ids[start : start + batch_size])
