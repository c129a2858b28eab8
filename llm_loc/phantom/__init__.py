"""The phantom: a small bundled language model and the texts that it knows.

A scanner is calibrated with a phantom, an object whose inside is known. This one lets the language
experiment run offline in seconds, on texts of which every one is known: what the model was trained
on, what the localizer shows it and what it is asked have no text in common (`splits`).

What it is
    Texts (`draw`, `draw_pairs`): sentences of a grammar of English with some 150 words, strings of
    non-words, and sequences of numbers and symbols; minimal pairs of language (agreement, also
    across an attractor, determiners, reflexives, word order) and of sequences (counting,
    alternating, copying). A small Llama with a byte-level BPE tokenizer of its own, a folder in
    transformers' layout (`WEIGHTS`), trained plainly on these texts (`train`).

What it says
    That the instrument works, from texts to report, on a model that knows its language and its
    sequences and may lose either; what is lost is held against the controls.

What it does not say
    Anything about brains, about English, or about language models at large. No language area was
    built in, and whether one came about is not known beforehand: it shows whatever it shows.
"""

from .draw import N_WORDS, TEXTS, draw, draw_pairs
from .nets import NAMES, WEIGHTS
from .pairs import LANGUAGE, PHENOMENA, SEQUENCE, Pair
from .splits import SPLITS, split_of

__all__ = [
    "LANGUAGE",
    "NAMES",
    "N_WORDS",
    "PHENOMENA",
    "SEQUENCE",
    "SPLITS",
    "TEXTS",
    "WEIGHTS",
    "Pair",
    "draw",
    "draw_pairs",
    "split_of",
]
