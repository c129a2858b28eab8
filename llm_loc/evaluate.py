"""Evaluate: which of several texts the model prefers, and how well it predicts running text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from common.base.errors import DataError
from common.base.heavy import functional
from common.base.progress import Progress, silent
from common.effects.items import Outcome
from common.measure.ablate import Ablation
from common.measure.donors import Donors
from common.measure.masks import Mask
from common.measure.passes import Passes
from common.measure.scores import SelectivityMap
from common.study.batches import Batches, under_masks
from common.study.journal import Arrays
from llm_loc.branches import RowPart, branches, parts_of_rows, pays, rows_of
from llm_loc.models import Ids, LanguageModel
from llm_loc.stimuli import Benchmark
from llm_loc.windows import window_bytes, windows

if TYPE_CHECKING:
    from torch import Tensor

ITEMS = ""  # what the items are called beside the running texts
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

    Attributes
    ----------
    owners : dict of str to list of str
        The item of each text, or the window: all texts of an item have one donor.
    in_rows : bool or None
        Whether items are read in rows (:mod:`llm_loc.branches`), once that was tried.
    """

    def __init__(self, model: LanguageModel, items: Benchmark) -> None:
        model.check_causal()
        texts = [text for choices in items.choices for text in choices]
        self.sentences = model.tokens(texts)
        for text, ids in zip(texts, self.sentences, strict=True):
            if len(ids) < 2:
                raise DataError(f"{text!r}: one token, so there is nothing to predict")
        self.sizes = [len(choices) for choices in items.choices]
        self.owners = {ITEMS: np.repeat(np.array(items.names, dtype=object), self.sizes).tolist()}
        ends = zip(np.cumsum(self.sizes), self.sizes, strict=True)
        apart = [_parting(self.sentences[end - n : end]) for end, n in ends]
        self.starts = np.repeat(apart, self.sizes)
        self.in_rows: bool | None = None  # not yet tried
        self.texts = {text.name: windows(model, text) for text in items.texts}
        for name, rows in self.texts.items():
            self.owners[name] = [f"{name}:{number}" for number in range(len(rows))]
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
    donors: Donors | None = None,
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
    by : {"zero", "mean", "resample"} or float, default="zero"
        The replacement; for ``mean`` the map gives each unit's mean over the control condition.
    found : SelectivityMap, optional
        The map, for ``by="mean"``.
    batch_size : int, default=64
        Sentences a pass at most.
    donors : Donors, optional
        For ``by="resample"``.
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
    shown = TextBatches(model, tokens, batch_size)
    return under_masks(shown, Passes(model.module, masks, by, found, donors=donors), progress)


@dataclass(frozen=True)
class TextPart:
    """Some texts that are read in one pass.

    Attributes
    ----------
    where : array of int of shape (n_part,)
        Their places among all texts.
    first : array of int of shape (n_part,)
        The first token of each that counts.
    longest : int
        Tokens of the longest.
    """

    where: np.ndarray
    first: np.ndarray
    longest: int

    @property
    def work(self) -> float:
        """Tokens of the pass, padding among them."""
        return float(len(self.where) * self.longest)

    @property
    def halves(self) -> tuple[TextPart, TextPart] | None:
        """The same in two passes; nothing, if it is one text."""
        middle = len(self.where) // 2
        if not middle:
            return None
        return self._some(slice(None, middle)), self._some(slice(middle, None))

    def _some(self, which: slice) -> TextPart:
        # Both may be as long as all are: that serves estimates alone.
        return TextPart(self.where[which], self.first[which], self.longest)

    def sums(
        self,
        model: LanguageModel,
        ids: Sequence[Ids],
        passes: Passes,
        owners: Sequence[str] | None = None,
    ) -> Iterator[np.ndarray]:
        """Under each mask, sums of the log-probabilities of each text's tokens from `first` on.

        `owners` says for each of the texts which item it belongs to.

        Raises
        ------
        DataError
            If one is not finite.
        """
        own = [ids[i] for i in self.where]
        begin = int(self.first.min())
        # The last token is predicted and predicts nothing, so the model need not read it.
        batch = model.batch([text[:-1] for text in own])
        following = model.batch(own)["input_ids"][:, begin:]

        def compute() -> Tensor:
            logits = model.logits(batch, begin - 1)
            return functional.cross_entropy(
                logits.flatten(0, 1), following.flatten(), reduction="none"
            )

        place = np.arange(begin, begin + following.shape[1])
        sizes = np.array([len(text) for text in own])
        counts = (place >= self.first[:, None]) & (place < sizes[:, None])
        items = [] if owners is None else [owners[i] for i in self.where]
        for nats in passes(compute, (begin, following.shape), items):
            rows = -nats.view(following.shape).cpu().double().numpy()
            sums = np.where(counts, rows, 0).sum(axis=1)
            if not np.isfinite(sums).all():
                raise DataError(f"{model.name}: log-probabilities are NaN or infinite")
            yield sums


Part = tuple[str, TextPart | RowPart]  # of the items or of a running text, by name


class TextBatches(Batches[Part]):
    """Items and running texts in batches, and what a model makes of each.

    Parameters
    ----------
    model, tokens, batch_size
        See :func:`evaluate_masks`.
    """

    def __init__(self, model: LanguageModel, tokens: Tokenized, batch_size: int = 64) -> None:
        self.model, self.module, self.tokens = model, model.module, tokens
        rows = {name: text.tolist() for name, text in tokens.texts.items()}
        self.ids = {ITEMS: tokens.sentences, **rows}
        self.parts: list[Part] = [
            (ITEMS, part) for part in _parts_of_items(model, tokens, batch_size)
        ]
        for name, ids in rows.items():
            self.parts += [(name, part) for part in parts_of(model, ids, batch_size)]
        self.sizes = [len(part.where) for _, part in self.parts]
        self._work = [part.work for _, part in self.parts]

    @property
    def work(self) -> Sequence[float]:
        """Tokens of each batch, padding among them."""
        return self._work

    def read(self, part: Part, passes: Passes) -> Iterator[Arrays]:
        """Log-probability of every text of a part, under each mask."""
        name, texts = part
        for sums in texts.sums(self.model, self.ids[name], passes, self.tokens.owners[name]):
            yield {"sums": sums}

    def halves(self, part: Part) -> tuple[Part, Part] | None:
        """The shorter texts and the longer ones; those of a row stay together."""
        name, texts = part
        halves = texts.halves
        return None if halves is None else ((name, halves[0]), (name, halves[1]))

    def known(self, parts: Sequence[Arrays]) -> tuple[np.ndarray, np.ndarray]:
        """The items of which the first batches have every text."""
        scores, there = (np.zeros(len(self.ids[ITEMS])) for _ in range(2))
        for (name, part), arrays in zip(self.parts, parts, strict=False):
            if name == ITEMS:
                scores[part.where], there[part.where] = arrays["sums"], 1
        places = np.flatnonzero((self.tokens.by_item(there) != 0).all(axis=1))
        return places, _outcome(self.tokens.by_item(scores)[places], {}).correct

    def outcome(self, parts: Sequence[Arrays]) -> Outcome:
        """The batches at their places: margins of the items, nats a token of the windows."""
        found = {name: np.zeros(len(ids)) for name, ids in self.ids.items()}
        for (name, part), arrays in zip(self.parts, parts, strict=True):
            found[name][part.where] = arrays["sums"]
        scores = found.pop(ITEMS)
        nats = {
            name: -sums / (self.tokens.texts[name].shape[1] - 1) for name, sums in found.items()
        }
        return _outcome(self.tokens.by_item(scores), nats)


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

    Returns
    -------
    array of float64 of shape (n_texts,)

    Raises
    ------
    DataError
        If one is not finite.
    """
    intact, found = Passes(model.module, [None]), np.zeros(len(ids))
    for part in parts_of(model, ids, batch_size, starts):
        found[part.where] = next(part.sums(model, ids, intact))
    return found


def _parts_of_items(
    model: LanguageModel, tokens: Tokenized, batch_size: int
) -> Sequence[TextPart | RowPart]:
    """Items in passes: what the texts of an item share is read once, where the model can do so."""
    model.projects_a_part  # noqa: B018  (tried on the intact model, not under a mask)
    rows = rows_of(tokens.sentences, tokens.sizes, tokens.starts)
    if tokens.in_rows is None:
        tokens.in_rows = bool(rows) and pays(rows) and branches(model, rows)
    if tokens.in_rows:
        return parts_of_rows(rows, batch_size, LOGITS_A_PASS // model.vocabulary)
    return parts_of(model, tokens.sentences, batch_size, tokens.starts)


def parts_of(
    model: LanguageModel,
    ids: Sequence[Ids],
    batch_size: int = 64,
    starts: Sequence[int] | np.ndarray | None = None,
) -> list[TextPart]:
    """Texts in passes, by length, each of as many logits as one pass may give.

    Parameters
    ----------
    model, ids, batch_size, starts
        As in :func:`log_probabilities`. A text that ends before its start needs no pass.
    """
    sizes = np.array([len(text) for text in ids])
    first = np.ones(len(ids), dtype=int) if starts is None else np.asarray(starts)
    order = np.lexsort((first, sizes))
    order = order[first[order] < sizes[order]]
    parts: list[TextPart] = []
    begin = 0
    while begin < len(order):
        where = order[begin : begin + batch_size]
        begins = int(first[where].min())
        whole = begins > 1 and not model.projects_a_part
        projected = int(sizes[where].max()) - (1 if whole else begins)
        where = where[: max(1, LOGITS_A_PASS // (projected * model.vocabulary))]
        parts.append(TextPart(where, first[where], int(sizes[where].max())))
        begin += len(where)
    return parts
