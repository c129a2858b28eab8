"""Running text in windows of tokens."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from common.base.errors import DataError
from llm_loc.models import LanguageModel
from llm_loc.stimuli import RunningText
from llm_loc.stimuli.benchmarks import FEWEST_WINDOWS


def windows(model: LanguageModel, text: RunningText) -> np.ndarray:
    """A text's tokens, without special ones, in the windows of it that are read.

    The last incomplete window is dropped.

    Returns
    -------
    array of int of shape (n_windows, window)

    Raises
    ------
    DataError
        If there are not two whole windows, or the window is longer than the model can read.
    """
    if model.context is not None and text.window > model.context:
        raise DataError(
            f"{text.name}: windows of {text.window} tokens, but {model.name} reads "
            f"{model.context} at most"
        )
    whole = _whole(model, text)["input_ids"]
    model.check_known(text.text, whole)
    n = len(whole) // text.window
    if n < 2:
        raise DataError(
            f"{text.name}: {len(whole)} tokens; two windows of {text.window} are needed"
        )
    return np.array(whole[: n * text.window]).reshape(n, text.window)[_read(text, n)]


def window_bytes(model: LanguageModel, text: RunningText) -> np.ndarray:
    """How many bytes of the text the predicted tokens of each window stand for.

    Models whose tokenizers differ can be compared by nats a byte, and not by nats a token.

    Returns
    -------
    array of int of shape (n_windows,)
    """
    if not model.tokenizer.is_fast:  # without offsets: what the tokens read like
        said = [model.tokenizer.decode(row[1:]) for row in windows(model, text).tolist()]
        return np.array([len(each.encode()) for each in said])
    spans = _whole(model, text, return_offsets_mapping=True)["offset_mapping"]
    # A window's text goes to where the next token begins, spaces included.
    begins = np.array([begin for begin, _ in spans] + [len(text.text)])
    sizes = np.cumsum([0, *(len(letter.encode()) for letter in text.text)])
    first = _read(text, len(spans) // text.window) * text.window
    return np.asarray(sizes[begins[first + text.window]] - sizes[begins[first + 1]])


def _read(text: RunningText, n: int) -> np.ndarray:
    """Which of a text's n windows are read, evenly spread."""
    kept = min(n, max(math.ceil(text.share * n), FEWEST_WINDOWS))
    return np.arange(kept) * n // kept


def _whole(model: LanguageModel, text: RunningText, **more: bool) -> Any:
    return model.tokenizer(text.text, add_special_tokens=False, verbose=False, **more)
