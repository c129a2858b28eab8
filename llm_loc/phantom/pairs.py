"""Minimal pairs: two texts of which the phantom should find the first the likelier.

Five phenomena of language and three kinds of sequences. The wrong sentence of a pair holds the same
words as the right one but for one that is in the wrong form, or two that have changed places.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import lexicon as lx
from . import sequences
from .grammar import Clause, NounPhrase, Words, modified, noun_phrase, predicate, to_self
from .splits import pick, split_of

LANGUAGE, SEQUENCE = "language", "sequence"


@dataclass(frozen=True)
class Pair:
    """One item of the evaluation.

    Attributes
    ----------
    field : {"language", "sequence"}
        The group that it belongs to.
    phenomenon : str
        Which of `PHENOMENA` it tests.
    good, bad : str
        The text as it should be, and as it should not.
    """

    field: str
    phenomenon: str
    good: str
    bad: str


_Texts = tuple[str, str]


def _agreement(rng: np.random.Generator) -> _Texts:
    """The verb agrees with a subject that stands right before it."""
    return _verb_pair(predicate(rng, noun_phrase(rng)))


def _attractor(rng: np.random.Generator) -> _Texts:
    """The verb agrees with its subject across a noun of the other number."""
    subject = noun_phrase(rng)
    return _verb_pair(predicate(rng, modified(rng, subject, not subject.plural)))


def _verb_pair(clause: Clause) -> _Texts:
    return clause.text, " ".join(clause.with_verb(not clause.subject.plural))


def _determiner(rng: np.random.Generator) -> _Texts:
    """The determiner of the subject agrees with its noun."""
    one, many = pick(rng, tuple(lx.COUNTERPARTS.items()))
    subject = noun_phrase(rng)
    right, wrong = (many, one) if subject.plural else (one, many)
    subject = NounPhrase(right, subject.noun, subject.plural, subject.adjective)
    good = predicate(rng, subject).words
    return " ".join(good), " ".join((wrong, *good[1:]))


def _reflexive(rng: np.random.Generator) -> _Texts:
    """The reflexive has the number and gender of its subject, also across another noun."""
    subject = noun_phrase(rng, lx.PEOPLE)
    if rng.random() < 0.5:
        subject = modified(rng, subject)
    good = to_self(rng, subject).words
    right = lx.reflexive(subject.noun, subject.plural)
    wrong = pick(rng, tuple(word for word in lx.REFLEXIVES if word != right))
    return " ".join(good), " ".join(wrong if word == right else word for word in good)


def _word_order(rng: np.random.Generator) -> _Texts:
    """Determiner and adjective stand before their noun, and in this order."""
    good = predicate(rng, noun_phrase(rng)).words
    before_noun = {*lx.SINGULAR, *lx.PLURAL, *lx.ADJECTIVES}
    places = tuple(i for i, word in enumerate(good) if word in before_noun)
    return " ".join(good), " ".join(_swapped(good, pick(rng, places)))


def _swapped(words: Words, place: int) -> Words:
    return (*words[:place], words[place + 1], words[place], *words[place + 2 :])


_LANGUAGE: dict[str, Callable[[np.random.Generator], _Texts]] = {
    "agreement": _agreement,
    "attractor": _attractor,
    "determiner": _determiner,
    "reflexive": _reflexive,
    "word_order": _word_order,
}
PHENOMENA = {
    **dict.fromkeys(_LANGUAGE, LANGUAGE),
    **dict.fromkeys(sequences.KINDS, SEQUENCE),
}


def pair(rng: np.random.Generator, phenomenon: str, split: str) -> Pair:
    """A pair of a phenomenon whose right text belongs to the split.

    Raises
    ------
    KeyError
        If there is no such phenomenon.
    """
    field = PHENOMENA[phenomenon]
    if field == SEQUENCE:
        found = sequences.sequence(rng, phenomenon, split)
        return Pair(field, phenomenon, found.text, found.wrong_text)
    while True:
        good, bad = _LANGUAGE[phenomenon](rng)
        # A text is likelier than what goes on from it, so a pair must part before one of it ends.
        goes_on = good.startswith(bad) or bad.startswith(good)
        if split_of(good) == split and not goes_on:
            return Pair(field, phenomenon, good, bad)
