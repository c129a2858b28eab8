"""Non-words: the words of the lexicon with their parts exchanged, so that they mean nothing.

A word falls into runs of consonants and of vowels: *sl-ee-p-s* is *sl*, *ee*, *ps*. A non-word has
the pattern of a word, and in each place a run of the same length that some word has in such a
place: *fr-oo-st*. So it can be pronounced, and strings of non-words have the lengths, the letters
and the runs of the sentences that they are held against.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np

from . import lexicon as lx
from .splits import pick, split_of

AT_MOST = 40  # non-words of each length: few enough to be looked over

# English words that come of it by chance, found with a dictionary and by eye.
_REAL = """
ake ame ams art aws ban bay bed bet bom bos bow bus can cay cun dad day dex dis dod dom
don dor dry dup dux elf ems ent ets fas fay fet fig fir fis foy fug fur gee ges gid gis
gos goy gud had hay hip hog hud jee jos joy kam kes kid kim kop lam lay len lim lis log
mad mat max may mem mid mig mim mor moy mux nad nas nay nee ner net noy ode oke ops ore
ply pre pro rad rax ree ret ron rud rus rut sas seg sex son ted tee tim tip tow toy tug
tum tux uns ups urd uss wee who why wid wit wot wow wup wut boxy coxy curs dirl dray dump
fins fold gong gurt hart kins lino lood mend ment mild mind mums muss namo nied quay reng
sill slay tank tats tear thot wesh wips wuns wurs bolls gents gests jirds mirds romps
rulls
"""

_RUNS = re.compile("[aeiouy]+|(?:qu|[^aeiouy])+")
_Place = tuple[str, int]


def _runs(word: str) -> list[tuple[str, _Place]]:
    """The runs of a word, each with its place: first, middle or last, and how long it is."""
    runs = _RUNS.findall(word)
    where = ["first", *["middle"] * (len(runs) - 2), "last"] if len(runs) > 1 else ["only"]
    kinds = ["vowel" if run[0] in "aeiouy" else "consonant" for run in runs]
    return [
        (run, (f"{place} {kind}", len(run)))
        for run, place, kind in zip(runs, where, kinds, strict=True)
    ]


@cache
def _pools() -> dict[_Place, tuple[str, ...]]:
    """The runs that some word has in a place."""
    pools: dict[_Place, set[str]] = {}
    for word in lx.WORDS:
        for run, place in _runs(word):
            pools.setdefault(place, set()).add(run)
    return {place: tuple(sorted(runs)) for place, runs in pools.items()}


@cache
def nonwords(n_letters: int) -> tuple[str, ...]:
    """All non-words of so many letters, at most `AT_MOST`, in the order of the alphabet.

    Parameters
    ----------
    n_letters : int
        A length that some word of the lexicon has.
    """
    rng = np.random.default_rng(n_letters)
    patterns = tuple(_runs(word) for word in sorted(lx.WORDS) if len(word) == n_letters)
    known = {*lx.WORDS, *_REAL.split()}
    found: set[str] = set()
    for _ in range(20 * AT_MOST):
        made = "".join(pick(rng, _pools()[place]) for _, place in pick(rng, patterns))
        if made not in known:
            found.add(made)
        if len(found) == AT_MOST:
            break
    return tuple(sorted(found))


def nonword_string(rng: np.random.Generator, words: tuple[str, ...], split: str) -> str:
    """A string of non-words of a split, each as long as the word in its place."""
    return " ".join(pick(rng, _of_split(len(word), split)) for word in words)


@cache
def _of_split(n_letters: int, split: str) -> tuple[str, ...]:
    return tuple(word for word in nonwords(n_letters) if split_of(word) == split)
