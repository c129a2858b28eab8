"""The texts of an item in one row: what they share is read once, and then each goes its own way.

A row holds the tokens that all choices of an item begin with, and behind them the rest of each. A
mask of attention lets every choice see the beginning and itself alone, and positions count on from
the beginning for each, so a model that goes by both gives what it gives for the texts one by one.
Not all do (recurrent ones, those that count positions by themselves), so it is tried first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from common.base.device import all_sent
from common.base.errors import DataError
from common.base.heavy import torch
from common.measure.passes import Passes
from llm_loc.models import Ids, LanguageModel

if TYPE_CHECKING:
    from torch import Tensor

WORTH = 0.9  # of the tokens may be left: otherwise texts are read one by one
ROUNDING = 64  # times the resolution of the largest logit: what other kernels may differ by
PADDED = 64  # predictions of a pass are filled up to a multiple, so that passes are alike
REFUSALS = (AssertionError, IndexError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True)
class Row:
    """An item, ready to be read.

    Attributes
    ----------
    start : int
        The first token that is not the same in all choices.
    texts : tuple of int
        Places of the choices among all texts, but of those that end before it.
    choices : tuple of sequence of int
        Their tokens.
    """

    start: int
    texts: tuple[int, ...]
    choices: tuple[Ids, ...]

    @property
    def length(self) -> int:
        """Tokens that are read; the last one of a choice predicts nothing."""
        return self.start + sum(len(choice) - 1 - self.start for choice in self.choices)


@dataclass(frozen=True)
class RowPart:
    """Some items that are read in one pass.

    Attributes
    ----------
    rows : tuple of Row
        The items.
    """

    rows: tuple[Row, ...]

    @property
    def where(self) -> np.ndarray:
        """Places of their texts among all."""
        return np.array([text for row in self.rows for text in row.texts])

    @property
    def work(self) -> float:
        """Tokens of the pass, padding among them."""
        return float(len(self.rows) * self._width)

    @property
    def halves(self) -> tuple[RowPart, RowPart] | None:
        """The same in two passes; nothing, if it is one item."""
        middle = len(self.rows) // 2
        return (RowPart(self.rows[:middle]), RowPart(self.rows[middle:])) if middle else None

    @property
    def _width(self) -> int:
        return max(row.length for row in self.rows)

    def sums(
        self,
        model: LanguageModel,
        ids: Sequence[Ids],  # noqa: ARG002  (the rows hold them)
        passes: Passes,
        owners: Sequence[str] | None = None,
    ) -> Iterator[np.ndarray]:
        """Under each mask, sums of the log-probabilities of each text's tokens from its start on.

        `owners` says for each of all texts which item it belongs to.

        Raises
        ------
        DataError
            If one is not finite.
        """
        begin = min(row.start for row in self.rows)
        batch, told = _batch(model, self.rows, self._width), _predictions(self.rows)
        n, spare = len(told), -len(told) % PADDED
        at = [row * (self._width - begin + 1) + place - begin for row, place, _, _ in told]
        places = torch.tensor([*(place + 1 for place in at), *[0] * spare], device=model.device)
        tokens = torch.tensor([*(each[2] for each in told), *[0] * spare], device=model.device)
        own = np.array([each[3] for each in told])

        def compute() -> Tensor:
            # Not of the chosen logits alone: to copy these out takes longer.
            every = model.logits(batch, begin - 1).log_softmax(dim=-1)
            return every.flatten(0, 1)[places, tokens]

        items = [] if owners is None else [owners[row.texts[0]] for row in self.rows]
        for each in passes(compute, (begin, len(self.rows), self._width, n + spare), items):
            found = np.bincount(own, each.cpu().double().numpy()[:n], len(self.where))
            if not np.isfinite(found).all():
                raise DataError(f"{model.name}: log-probabilities are NaN or infinite")
            yield found


def _predictions(rows: Sequence[Row]) -> list[tuple[int, int, int, int]]:
    """Row and place of each token that predicts one, that one, and the number of its text."""
    told, text = [], 0
    for number, row in enumerate(rows):
        before = row.start  # of the choice's own tokens
        for choice in row.choices:
            rest = choice[row.start :]
            # The first is predicted by the last of the beginning, the others by their own.
            places = [row.start - 1, *range(before, before + len(rest) - 1)]
            told += [
                (number, place, token, text) for place, token in zip(places, rest, strict=True)
            ]
            before += len(rest) - 1
            text += 1
    return told


def _batch(model: LanguageModel, rows: Sequence[Row], width: int) -> dict[str, Tensor]:
    """Tokens, their positions, and who sees whom."""
    ids = np.full((len(rows), width), model.pad)
    positions = np.zeros_like(ids)
    owner = np.full_like(ids, -1)  # 0 for the beginning, a number for each choice, -1 for padding
    for number, row in enumerate(rows):
        begins = np.arange(row.start)
        ids[number, begins], positions[number, begins] = row.choices[0][: row.start], begins
        owner[number, begins], place = 0, row.start
        for choice_number, choice in enumerate(row.choices, 1):
            rest = choice[row.start : -1]
            where = slice(place, place + len(rest))
            ids[number, where], owner[number, where] = rest, choice_number
            positions[number, where] = row.start + np.arange(len(rest))
            place += len(rest)
    one, other = owner[:, :, None], owner[:, None, :]
    sees = ((one == other) | ((other == 0) & (one > 0))) & np.tri(width, dtype=bool)
    low = torch.finfo(model.dtype).min
    attends = torch.zeros(sees.shape, dtype=model.dtype).masked_fill_(torch.from_numpy(~sees), low)
    found = {
        "input_ids": torch.from_numpy(ids),
        "position_ids": torch.from_numpy(positions),
        "attention_mask": attends[:, None],
    }
    return all_sent(found, model.device)


def rows_of(ids: Sequence[Ids], sizes: Sequence[int], starts: np.ndarray) -> list[Row]:
    """The items of a benchmark as rows.

    Parameters
    ----------
    ids : sequence of sequence of int
        The texts, those of an item after one another.
    sizes : sequence of int
        How many each item has.
    starts : array of int of shape (n_texts,)
        The first token of each that counts, the same for all of an item.
    """
    rows, end = [], 0
    for size in sizes:
        begin, end = end, end + size
        start = int(starts[begin])
        texts = tuple(i for i in range(begin, end) if len(ids[i]) > start)
        if texts:
            rows.append(Row(start, texts, tuple(ids[i] for i in texts)))
    return rows


def parts_of_rows(rows: Sequence[Row], batch_size: int, most: int) -> list[RowPart]:
    """Rows in passes, by length.

    Parameters
    ----------
    rows : sequence of Row
        The items.
    batch_size : int
        Texts a pass at most, but for an item that has more.
    most : int
        Tokens a pass at most, but for an item that has more.
    """
    parts: list[RowPart] = []
    some: list[Row] = []
    for row in sorted(rows, key=lambda each: (each.length, each.start, each.texts)):
        texts = sum(len(each.texts) for each in some)
        begin = min((each.start for each in some), default=row.start)
        logits = (len(some) + 1) * (row.length + 1 - min(begin, row.start))
        if some and (texts + len(row.texts) > batch_size or logits > most):
            parts.append(RowPart(tuple(some)))
            some = []
        some.append(row)
    return [*parts, RowPart(tuple(some))] if some else parts


def pays(rows: Sequence[Row]) -> bool:
    """Whether enough is shared."""
    apart = sum(len(choice) - 1 for row in rows for choice in row.choices)
    return sum(row.length for row in rows) <= WORTH * apart


def branches(model: LanguageModel, rows: Sequence[Row]) -> bool:
    """Whether the model gives for a row what it gives for the texts; tried on the longest.

    To be tried on the intact model: it makes passes of its own.
    """
    longest = max(rows, key=lambda row: (len(row.choices) > 1, row.length))
    context = model.context
    # In halves a trial could not tell rounding from error.
    exact = model.dtype in (torch.float32, torch.float64)
    if not exact or (context is not None and longest.length > context):
        return False
    batch = _batch(model, [longest], longest.length)
    with torch.inference_mode():
        apart = [
            model.logits(model.batch([choice[:-1]]), longest.start - 1)[0]
            for choice in longest.choices
        ]
        try:
            row = model.logits(batch, longest.start - 1)[0]
        except REFUSALS:
            return False
    before, far = 1, 0.0
    for each in apart:
        own = torch.cat([row[:1], row[before : before + len(each) - 1]])
        before, far = before + len(each) - 1, max(far, float((own - each).abs().max()))
    largest = max(float(each.abs().max()) for each in apart)
    return far <= ROUNDING * torch.finfo(model.dtype).eps * largest
