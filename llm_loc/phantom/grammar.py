"""The phantom's grammar: sentences of English that a person understands.

A sentence is one or more clauses, such as *the dogs near the girl sleep*, *every old king sees
himself* or *two boys that the queen follows laugh*, joined or put under *the aunt thinks that*. The
clause is what splits are told by: no clause of the localizer or the evaluation is one of a training
sentence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import lexicon as lx
from .splits import pick, split_of

Words = tuple[str, ...]

LONGEST = 14


@dataclass(frozen=True)
class NounPhrase:
    """A noun with its determiner, and what stands before and after it.

    Attributes
    ----------
    determiner : str
        One that goes with the number.
    adjective : str, optional
        Between determiner and noun.
    noun : str
        In the singular.
    plural : bool
        Its number.
    modifier : tuple of str
        A prepositional phrase or a relative clause.
    """

    determiner: str
    noun: str
    plural: bool
    adjective: str | None = None
    modifier: Words = ()

    @property
    def words(self) -> Words:
        """All of it as it is written."""
        adjective = (self.adjective,) if self.adjective else ()
        noun = lx.inflect(self.noun, self.plural)
        return (self.determiner, *adjective, noun, *self.modifier)


@dataclass(frozen=True)
class Clause:
    """A subject, a verb and what follows it.

    Attributes
    ----------
    verb : str
        Without an ending.
    tail : tuple of str
        The object, a place, an adverb.
    """

    subject: NounPhrase
    verb: str
    tail: Words = ()

    @property
    def words(self) -> Words:
        """The clause as it is written."""
        return self.with_verb(self.subject.plural)

    def with_verb(self, plural: bool) -> Words:
        """The clause with its verb in a number, right or wrong."""
        return (*self.subject.words, lx.conjugate(self.verb, plural), *self.tail)

    @property
    def text(self) -> str:
        """The clause in one string."""
        return " ".join(self.words)


def noun_phrase(
    rng: np.random.Generator, nouns: Words = lx.LIVING, plural: bool | None = None
) -> NounPhrase:
    """A noun phrase without a modifier, of either number unless one is given."""
    if plural is None:
        plural = rng.random() < 0.5
    determiner = pick(rng, lx.PLURAL if plural else lx.SINGULAR)
    noun = pick(rng, nouns)
    fitting = lx.ADJECTIVES_OF_THINGS if noun in lx.THINGS else lx.ADJECTIVES
    adjective = pick(rng, fitting) if rng.random() < 0.3 else None
    return NounPhrase(determiner, noun, plural, adjective)


def modified(
    rng: np.random.Generator, phrase: NounPhrase, other_plural: bool | None = None
) -> NounPhrase:
    """The phrase with a modifier whose own noun has the number given, or any."""
    kind = rng.random()
    if kind < 0.5:
        words = place(rng, other_plural)
    else:
        other = noun_phrase(rng, plural=other_plural)
        verb = pick(rng, lx.DO_TO)
        if kind < 0.75:
            words = (lx.THAT, lx.conjugate(verb, phrase.plural), *other.words)
        else:
            words = (lx.THAT, *other.words, lx.conjugate(verb, other.plural))
    return NounPhrase(phrase.determiner, phrase.noun, phrase.plural, phrase.adjective, words)


def place(rng: np.random.Generator, plural: bool | None = None) -> Words:
    """A prepositional phrase, such as *behind the old house*."""
    return (pick(rng, lx.PREPOSITIONS), *noun_phrase(rng, lx.NOUNS, plural).words)


def predicate(rng: np.random.Generator, subject: NounPhrase) -> Clause:
    """A clause about the subject: what it does, to whom, or to itself."""
    is_person = subject.noun in lx.PEOPLE
    kind = rng.random()
    if kind < 0.35:
        verb = pick(rng, lx.PEOPLE_DO if is_person else lx.ANYBODY_DOES)
        return Clause(subject, verb, _ending(rng))
    if kind < 0.65 or not is_person:
        seen = noun_phrase(rng, lx.NOUNS)
        verb = pick(rng, lx.DO_TO_THINGS if seen.noun in lx.THINGS else lx.DO_TO)
        return Clause(subject, verb, (*seen.words, *_ending(rng)))
    return to_self(rng, subject)


def to_self(rng: np.random.Generator, subject: NounPhrase) -> Clause:
    """A clause of people who do something to themselves."""
    reflexive = lx.reflexive(subject.noun, subject.plural)
    return Clause(subject, pick(rng, lx.DO_TO_SELF), (reflexive, *_ending(rng)))


def _ending(rng: np.random.Generator) -> Words:
    kind = rng.random()
    if kind < 0.4:
        return ()
    return (pick(rng, lx.ADVERBS),) if kind < 0.75 else place(rng)


def clause(rng: np.random.Generator, split: str) -> Clause:
    """Any clause of a split."""
    while True:
        subject = noun_phrase(rng)
        if rng.random() < 0.4:
            subject = modified(rng, subject)
        found = predicate(rng, subject)
        if split_of(found.text) == split:
            return found


def sentence(rng: np.random.Generator, split: str, n_words: int | None = None) -> str:
    """A sentence of so many words, or of any number up to 14, all its clauses of one split."""
    while True:
        words = _sentence(rng, split)
        if len(words) == n_words or (n_words is None and len(words) <= LONGEST):
            return " ".join(words)


def _sentence(rng: np.random.Generator, split: str) -> Words:
    words = clause(rng, split).words
    kind = rng.random()
    if kind < 0.4:
        return words
    if kind < 0.7:
        return (*words, pick(rng, lx.JOINERS), *clause(rng, split).words)
    who = noun_phrase(rng, lx.PEOPLE)
    return (*who.words, lx.conjugate(pick(rng, lx.HOLD_TRUE), who.plural), lx.THAT, *words)
