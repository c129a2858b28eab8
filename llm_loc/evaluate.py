"""Evaluate: which sentence of a pair the model prefers, and how well it predicts running text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from common.errors import DataError
from common.hooks import Ablation, under
from common.masks import Mask
from common.runs import Outcome
from common.selectivity import SelectivityMap
from llm_loc.models import Ids, LanguageModel
from llm_loc.stimuli import Benchmark, RunningText

LOGITS_A_PASS = 1 << 26  # as many numbers as one pass may give, whatever the vocabulary


class Tokenized:
    """A benchmark in tokens, once for all masks.

    Parameters
    ----------
    model : LanguageModel
        Gives the tokenizer.
    items : Benchmark
        The pairs and texts.

    Raises
    ------
    DataError
        If a sentence is too long or has nothing to predict, or a text is shorter than its window.
    ModelError
        If the model is an encoder.
    """

    def __init__(self, model: LanguageModel, items: Benchmark) -> None:
        model.check_causal()
        self.sentences = model.tokens([*items.good, *items.bad])
        for text, ids in zip([*items.good, *items.bad], self.sentences, strict=True):
            if len(ids) < 2:
                raise DataError(f"{text!r}: one token, so there is nothing to predict")
        self.texts = {text.name: windows(model, text) for text in items.texts}


def windows(model: LanguageModel, text: RunningText) -> np.ndarray:
    """A text's tokens, without special ones, in windows; the last incomplete one is dropped.

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
    whole = model.tokenizer(text.text, add_special_tokens=False, verbose=False)["input_ids"]
    n = len(whole) // text.window
    if n < 2:
        raise DataError(
            f"{text.name}: {len(whole)} tokens; two windows of {text.window} are needed"
        )
    return np.array(whole[: n * text.window]).reshape(n, text.window)


def evaluate(
    model: LanguageModel,
    tokens: Tokenized,
    mask: Mask | None = None,
    *,
    by: Ablation = "zero",
    found: SelectivityMap | None = None,
    batch_size: int = 64,
) -> Outcome:
    """What the model makes of every pair and text, intact or with a mask's units replaced.

    Parameters
    ----------
    model : LanguageModel
        The model.
    tokens : Tokenized
        The benchmark.
    mask : Mask, optional
        Left out, the model is intact.
    by : {"zero", "mean"} or float, default="zero"
        The replacement; for ``mean`` the map gives each unit's mean over the control condition.
    found : SelectivityMap, optional
        The map, for ``by="mean"``.
    batch_size : int, default=64
        Sentences a pass at most.

    Returns
    -------
    Outcome
        ``margin`` is the log-probability of the good sentence minus that of the bad one, in nats;
        a pair is right if it is above 0. ``prediction`` is 0 for the good one, else 1. ``beside``
        holds each text's nats a token, one number a window.
    """
    with torch.inference_mode(), under(model.module, mask, by, found):
        scores = log_probabilities(model, tokens.sentences, batch_size)
        beside = {
            name: -log_probabilities(model, rows.tolist(), batch_size) / (rows.shape[1] - 1)
            for name, rows in tokens.texts.items()
        }
    good, bad = np.split(scores, 2)
    margin = good - bad
    correct = margin > 0
    return Outcome((~correct).astype(np.int64), correct, margin.astype(np.float32), beside)


def log_probabilities(model: LanguageModel, ids: Sequence[Ids], batch_size: int = 64) -> np.ndarray:
    """Log-probability of each text in nats: the sum over all its tokens after the first.

    Returns
    -------
    array of float64 of shape (n_texts,)

    Raises
    ------
    DataError
        If one is not finite.
    """
    sizes = np.array([len(text) for text in ids])
    order = np.argsort(sizes, kind="stable")
    found = np.zeros(len(ids))
    start = 0
    while start < len(order):
        where = order[start : start + batch_size]
        fit = max(1, LOGITS_A_PASS // (int(sizes[where].max()) * model.vocabulary))
        where = where[:fit]
        found[where] = _sums(model, model.batch([ids[i] for i in where])).cpu().numpy()
        start += len(where)
    if not np.isfinite(found).all():
        raise DataError(f"{model.name}: log-probabilities are NaN or infinite")
    return found


def _sums(model: LanguageModel, batch: dict[str, Tensor]) -> Tensor:
    """Sums of the log-probabilities of each row's real tokens after the first, float64."""
    logits = model.logits(batch)[:, :-1]
    following = batch["input_ids"][:, 1:]
    real = batch["attention_mask"][:, 1:].bool()
    chosen = logits.gather(2, following[..., None]).squeeze(2)
    each = (chosen - logits.logsumexp(dim=2)).masked_fill(~real, 0)
    return (each.cpu() if each.device.type == "mps" else each).double().sum(dim=1)
