"""The words of the phantom's English, and how they are inflected."""

from __future__ import annotations

MEN = ("boy", "man", "king", "father", "brother", "uncle", "prince")
WOMEN = ("girl", "woman", "queen", "mother", "sister", "aunt", "daughter")
ANIMALS = ("dog", "cat", "horse", "bird", "cow", "fox", "goat")
THINGS = ("tree", "house", "river", "garden", "door", "table", "boat", "wall")
PEOPLE = MEN + WOMEN
LIVING = PEOPLE + ANIMALS
NOUNS = LIVING + THINGS

ADJECTIVES_OF_THINGS = ("old", "small", "big", "tall")
ADJECTIVES = (*ADJECTIVES_OF_THINGS, "young", "quiet", "tired", "happy")
ADVERBS = ("here", "today", "slowly", "quietly", "again", "now", "often", "well")
PREPOSITIONS = ("near", "behind", "beside")
JOINERS = ("and", "but", "because", "while", "when")
THAT = "that"

# Each determiner of one number has a counterpart of the other; the rest go with both.
COUNTERPARTS = {"one": "two", "this": "these", "every": "many"}
SINGULAR = ("the", "the", *COUNTERPARTS)
PLURAL = ("the", "the", *COUNTERPARTS.values())

ANYBODY_DOES = ("sleep", "run", "wait", "swim", "rest", "jump", "play")
PEOPLE_DO = (*ANYBODY_DOES, "sing", "laugh", "smile", "dance")
DO_TO_THINGS = ("see", "watch", "like", "find", "remember")
DO_TO = (*DO_TO_THINGS, "hear", "help", "follow")
DO_TO_SELF = ("see", "hear", "help", "watch", "like", "wash", "hurt", "dress")
HOLD_TRUE = ("think", "say", "believe", "hope")
VERBS = tuple(dict.fromkeys((*PEOPLE_DO, *DO_TO, *DO_TO_SELF, *HOLD_TRUE)))

REFLEXIVES = ("himself", "herself", "themselves")

_PLURALS = {"man": "men", "woman": "women"}
_HISSING = ("s", "sh", "ch", "x", "z")


def inflect(noun: str, plural: bool) -> str:
    """The noun in its number."""
    return _PLURALS.get(noun, _with_s(noun)) if plural else noun


def conjugate(verb: str, plural: bool) -> str:
    """The verb in the present, third person."""
    return verb if plural else _with_s(verb)


def _with_s(word: str) -> str:
    return word + ("es" if word.endswith(_HISSING) else "s")


def reflexive(noun: str, plural: bool) -> str:
    """The reflexive that goes with a noun that means people."""
    return "themselves" if plural else "himself" if noun in MEN else "herself"


WORDS = frozenset(
    (
        *(inflect(noun, plural) for noun in NOUNS for plural in (False, True)),
        *(conjugate(verb, plural) for verb in VERBS for plural in (False, True)),
        *(*ADJECTIVES, *ADVERBS, *PREPOSITIONS, *JOINERS, THAT),
        *(*SINGULAR, *PLURAL, *REFLEXIVES),
    )
)
