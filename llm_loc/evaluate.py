"""Evaluate: which of several texts the model prefers, and how well it predicts running text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from common.base.errors import DataError
from common.base.progress import PART, Progress, silent
from common.effects.items import Outcome
from common.measure.ablate import Ablation
from common.measure.masks import Mask
from common.measure.prefix import Passes
from common.measure.scores import SelectivityMap
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
        The items and texts.

    Raises
    ------
    DataError
        If a text of an item is too long or has nothing to predict, or a running text is shorter
        than its window.
    ModelError
        If the model is an encoder.
    """

    def __init__(self, model: LanguageModel, items: Benchmark) -> None:
        model.check_causal()
        texts = [text for choices in items.choices for text in choices]
        self.sentences = model.tokens(texts)
        for text, ids in zip(texts, self.sentences, strict=True):
            if len(ids) < 2:
                raise DataError(f"{text!r}: one token, so there is nothing to predict")
        self.sizes = [len(choices) for choices in items.choices]
        ends = zip(np.cumsum(self.sizes), self.sizes, strict=True)
        apart = [_parting(self.sentences[end - n : end]) for end, n in ends]
        self.starts = np.repeat(apart, self.sizes)
        self.texts = {text.name: windows(model, text) for text in items.texts}
        self.bytes = {text.name: window_bytes(model, text) for text in items.texts}

    def by_item(self, scores: np.ndarray) -> np.ndarray:
        """Scores of all sentences, one row an item; minus infinity where it has fewer choices.

        Returns
        -------
        array of shape (n_items, n_choices)
            The right choice comes first.
        """
        table = np.full((len(self.sizes), max(self.sizes)), -np.inf)
        table[np.arange(table.shape[1]) < np.array(self.sizes)[:, None]] = scores
        return table


def _parting(choices: Sequence[Ids]) -> int:
    """The first token, after the very first, that is not the same in all choices of an item.

    What comes before is equally likely in all of them and cancels in the margin.
    """
    together = zip(*choices, strict=False)
    same = next((i for i, tokens in enumerate(together) if len(set(tokens)) > 1), None)
    return max(1, min(map(len, choices)) if same is None else same)


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
    whole = _whole(model, text)["input_ids"]
    n = len(whole) // text.window
    if n < 2:
        raise DataError(
            f"{text.name}: {len(whole)} tokens; two windows of {text.window} are needed"
        )
    return np.array(whole[: n * text.window]).reshape(n, text.window)


def window_bytes(model: LanguageModel, text: RunningText) -> np.ndarray:
    """How many bytes of the text the predicted tokens of each window stand for.

    Models whose tokenizers differ can be compared by nats a byte, and not by nats a token.

    Returns
    -------
    array of int of shape (n_windows,)
    """
    rows = windows(model, text)
    if not model.tokenizer.is_fast:  # without offsets: what the tokens read like
        said = [model.tokenizer.decode(row[1:]) for row in rows.tolist()]
        return np.array([len(each.encode()) for each in said])
    spans = _whole(model, text, return_offsets_mapping=True)["offset_mapping"]
    # A window's text goes to where the next token begins, spaces included.
    begins = np.array([begin for begin, _ in spans] + [len(text.text)])
    sizes = np.cumsum([0, *(len(letter.encode()) for letter in text.text)])
    first = np.arange(len(rows)) * text.window
    return np.asarray(sizes[begins[first + text.window]] - sizes[begins[first + 1]])


def _whole(model: LanguageModel, text: RunningText, **more: bool) -> Any:
    return model.tokenizer(text.text, add_special_tokens=False, verbose=False, **more)


def evaluate(
    model: LanguageModel, tokens: Tokenized, mask: Mask | None = None, **how: Any
) -> Outcome:
    """What the model makes of every item and text, intact or with one mask's units replaced.

    Parameters
    ----------
    model, tokens, mask, **how
        See :func:`evaluate_masks`.
    """
    return evaluate_masks(model, tokens, [mask], **how)[0]


def evaluate_masks(
    model: LanguageModel,
    tokens: Tokenized,
    masks: Sequence[Mask | None],
    *,
    by: Ablation = "zero",
    found: SelectivityMap | None = None,
    batch_size: int = 64,
    progress: Progress = silent,
) -> list[Outcome]:
    """What the model makes of every item and text, intact and with each mask's units replaced.

    Batches outside, masks inside: what comes before the units of a mask is computed once a batch.

    Parameters
    ----------
    model : LanguageModel
        The model.
    tokens : Tokenized
        The benchmark.
    masks : sequence of Mask or None
        ``None`` is the intact model.
    by : {"zero", "mean"} or float, default="zero"
        The replacement; for ``mean`` the map gives each unit's mean over the control condition.
    found : SelectivityMap, optional
        The map, for ``by="mean"``.
    batch_size : int, default=64
        Sentences a pass at most.
    progress : Progress
        Told of every batch under every mask, as a part of the step under way: how many of all
        sentences and windows are read. May raise to stop.

    Returns
    -------
    list of Outcome
        In the order of the masks. ``margin`` is the log-probability of the right text minus the
        highest of a wrong one, in nats; an item is right if it is above 0. ``prediction`` is 0 for
        the right text, else the place of the likeliest wrong one. ``beside`` holds each text's nats
        a token, one number a window.
    """
    total = len(tokens.sentences) + sum(map(len, tokens.texts.values()))
    passes, before = Passes(model.module, masks, by, found), 0

    def tell(read: int) -> None:
        progress(PART, before + read, total * len(masks))

    def scored(ids: Sequence[Ids], starts: np.ndarray | None = None) -> np.ndarray:
        return log_probabilities_under(passes, model, ids, batch_size, starts, tell)

    with torch.inference_mode():
        scores = scored(tokens.sentences, tokens.starts)
        before += len(tokens.sentences) * len(masks)
        nats = {}
        for name, rows in tokens.texts.items():
            nats[name] = -scored(rows.tolist()) / (rows.shape[1] - 1)
            before += len(rows) * len(masks)
    return [
        _outcome(
            tokens.by_item(scores[number]), {name: each[number] for name, each in nats.items()}
        )
        for number in range(len(masks))
    ]


def _outcome(table: np.ndarray, nats: dict[str, np.ndarray]) -> Outcome:
    """From the scores of all choices of all items, the right one first."""
    margin = table[:, 0] - table[:, 1:].max(axis=1)
    correct = margin > 0
    prediction = np.where(correct, 0, 1 + table[:, 1:].argmax(axis=1))
    return Outcome(prediction, correct, margin.astype(np.float32), nats)


def log_probabilities(
    model: LanguageModel,
    ids: Sequence[Ids],
    batch_size: int = 64,
    starts: Sequence[int] | np.ndarray | None = None,
    tell: Callable[[int], None] = lambda _read: None,
) -> np.ndarray:
    """Log-probability of each text in nats: the sum over its tokens from its start on.

    Parameters
    ----------
    model : LanguageModel
        The model.
    ids : sequence of sequence of int
        The tokens of each text.
    batch_size : int, default=64
        Texts a pass at most.
    starts : sequence of int, optional
        The first token of each text that counts, given all before it; 1 at least, and the default,
        for nothing predicts the first token. A text that ends before its start has the sum 0.
    tell : callable, optional
        Told after every pass how many of the texts are done.

    Returns
    -------
    array of float64 of shape (n_texts,)

    Raises
    ------
    DataError
        If one is not finite.
    """
    intact = Passes(model.module, [None])
    found: np.ndarray = log_probabilities_under(intact, model, ids, batch_size, starts, tell)[0]
    return found


def log_probabilities_under(
    passes: Passes,
    model: LanguageModel,
    ids: Sequence[Ids],
    batch_size: int = 64,
    starts: Sequence[int] | np.ndarray | None = None,
    tell: Callable[[int], None] = lambda _read: None,
) -> np.ndarray:
    """The same under each of many masks.

    Parameters
    ----------
    passes : Passes
        The masks.
    model, ids, batch_size, starts, tell
        As in :func:`log_probabilities`; `tell` counts each text once for each mask.

    Returns
    -------
    array of float64 of shape (n_masks, n_texts)
    """
    model.projects_a_part  # noqa: B018  (tried on the intact model, not under a mask)
    sizes = np.array([len(text) for text in ids])
    first = np.ones(len(ids), dtype=int) if starts is None else np.asarray(starts)
    order = np.lexsort((first, sizes))
    order = order[first[order] < sizes[order]]
    n_masks = len(passes.masks)
    found = np.zeros((n_masks, len(ids)))
    begin, done = 0, n_masks * (len(ids) - len(order))  # what ends before its start needs no pass
    while begin < len(order):
        where = order[begin : begin + batch_size]
        begins = int(first[where].min())
        whole = begins > 1 and not model.projects_a_part
        projected = int(sizes[where].max()) - (1 if whole else begins)
        where = where[: max(1, LOGITS_A_PASS // (projected * model.vocabulary))]
        for number, sums in enumerate(_sums(model, [ids[i] for i in where], first[where], passes)):
            found[number, where] = sums
            done += len(where)
            tell(done)
        begin += len(where)
    if not np.isfinite(found).all():
        raise DataError(f"{model.name}: log-probabilities are NaN or infinite")
    return found


def _sums(
    model: LanguageModel, ids: Sequence[Ids], first: np.ndarray, passes: Passes
) -> Iterator[np.ndarray]:
    """Under each mask, sums of the log-probabilities of each text's tokens from `first` on."""
    begin = int(first.min())
    # The last token is predicted and predicts nothing, so the model need not read it.
    batch = model.batch([text[:-1] for text in ids])
    following = model.batch(ids)["input_ids"][:, begin:]

    def compute() -> Tensor:
        logits = model.logits(batch, begin - 1)
        return cross_entropy(logits.flatten(0, 1), following.flatten(), reduction="none")

    place = np.arange(begin, begin + following.shape[1])
    counts = (place >= first[:, None]) & (place < np.array([len(text) for text in ids])[:, None])
    for nats in passes(compute, (begin, following.shape)):
        rows = -nats.view(following.shape).cpu().double().numpy()
        yield np.where(counts, rows, 0).sum(axis=1)
