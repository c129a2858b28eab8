"""The phantom's texts: sentences, strings of non-words, sequences, and pairs of them.

Every list of texts is a pure function of what is drawn, how many, the split and the seed. Which
split a text belongs to is told by the text (`splits`), so none is in two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import count

import numpy as np

from .grammar import sentence
from .nonwords import nonword_string
from .pairs import LANGUAGE, PHENOMENA, SEQUENCE, Pair, pair
from .sequences import KINDS, sequence
from .splits import pick, stream

N_WORDS = 12  # of the localizer's texts, as in Fedorenko et al. (2010)


def _sentence(rng: np.random.Generator, split: str, n_words: int | None) -> str:
    return sentence(rng, split, n_words)


def _nonwords(rng: np.random.Generator, split: str, n_words: int | None) -> str:
    return nonword_string(rng, tuple(sentence(rng, split, n_words).split()), split)


def _sequence(rng: np.random.Generator, split: str, _n_words: int | None) -> str:
    return sequence(rng, pick(rng, tuple(KINDS)), split).text


TEXTS: dict[str, Callable[[np.random.Generator, str, int | None], str]] = {
    "sentence": _sentence,
    "nonword": _nonwords,
    "sequence": _sequence,
}


def draw(
    kind: str, n: int, split: str, seed: int = 0, *, n_words: int | None = N_WORDS
) -> list[str]:
    """Draw texts of a kind, no text twice.

    Parameters
    ----------
    kind : {"sentence", "nonword", "sequence"}
        Sentences of the grammar, the same with each word replaced by a non-word of its length, or
        numbers and symbols in a row.
    n : int
        How many.
    split : {"train", "validation", "localizer", "eval"}
        What they are for.
    seed : int, default=0
        Seed of the draw.
    n_words : int, optional
        Words a text, 12 unless given; None draws from 3 to 14. It says nothing of sequences.

    Returns
    -------
    list of str
        The same arguments always give the same texts.

    Raises
    ------
    ValueError
        If there is no such kind or split.
    """
    return list(_drawn(kind, n, split, seed, n_words))


@cache
def _drawn(kind: str, n: int, split: str, seed: int, n_words: int | None) -> tuple[str, ...]:
    """The texts of `draw`; a run asks for the same ones several times, a server for months."""
    found: dict[str, None] = {}
    for text in endless(kind, split, seed, n_words=n_words):
        found.setdefault(text)
        if len(found) == n:
            break
    return tuple(found)


def endless(
    kind: str, split: str, seed: int = 0, *, n_words: int | None = N_WORDS
) -> Iterator[str]:
    """The stream that `draw` takes its texts from, which may bring a text again.

    Raises
    ------
    ValueError
        If there is no such kind or split.
    """
    if kind not in TEXTS:
        raise ValueError(f"kind {kind!r} is not one of {', '.join(TEXTS)}")
    rng = stream(kind, split, seed)
    return (TEXTS[kind](rng, split, n_words) for _ in count())


def draw_pairs(n: int, split: str, seed: int = 0) -> list[Pair]:
    """Draw minimal pairs, half of language and half of sequences, no right text twice.

    Parameters
    ----------
    n : int
        How many; each phenomenon of a field gets the same number, or one less.
    split : {"train", "validation", "localizer", "eval"}
        What they are for; every right text is in this split.
    seed : int, default=0
        Seed of the draw.

    Raises
    ------
    ValueError
        If there is no such split.
    """
    return list(_drawn_pairs(n, split, seed))


@cache
def _drawn_pairs(n: int, split: str, seed: int) -> tuple[Pair, ...]:
    rng = stream("pairs", split, seed)
    found: dict[str, Pair] = {}
    for phenomenon, size in _shares(n).items():
        full = len(found) + size
        while len(found) < full:
            made = pair(rng, phenomenon, split)
            found.setdefault(made.good, made)
    return tuple(found.values())


def _shares(n: int) -> dict[str, int]:
    """How many of `n` pairs each phenomenon gets."""
    shares: dict[str, int] = {}
    for field, total in ((LANGUAGE, (n + 1) // 2), (SEQUENCE, n // 2)):
        names = [name for name, its in PHENOMENA.items() if its == field]
        shares |= {name: (total + i) // len(names) for i, name in enumerate(names)}
    return shares
