"""The phantoms: two small bundled language models and the texts that they know.

A scanner is calibrated with a phantom, an object whose inside is known. These let the language
experiment run offline in seconds, on texts of which every one is known: what a model was trained
on, what the localizer shows it and what it is asked have no text in common (`splits`).

What they are
    Texts (`draw`, `draw_pairs`): sentences of a grammar of English with some 150 words, strings of
    non-words, and sequences of numbers and symbols; minimal pairs of language (agreement, also
    across an attractor, determiners, reflexives, word order) and of sequences (counting,
    alternating, copying). Two small Llamas with a byte-level BPE tokenizer of their own, folders in
    transformers' layout (`WEIGHTS`), trained on these texts (`train`): `lm` has a language area by
    construction (`AREA`), channels that training gave to the sentences alone (`area`); `lm-plain`
    was trained plainly and has none built in.

What they say
    That the instrument works, from texts to report: on `lm` its mask can be compared with the area,
    and ablating the area must cost language and spare sequences; on `lm-plain` the answer is not
    known beforehand.

What they do not say
    Anything about brains, about English, or about language models at large. The area of `lm` is
    there because it was built in, and it is easy to find because training made every unit of it
    answer to every sentence and to nothing else; finding it is no discovery.
"""

from .draw import N_WORDS, TEXTS, draw, draw_pairs
from .nets import AREA, NAMES, WEIGHTS
from .pairs import LANGUAGE, PHENOMENA, SEQUENCE, Pair
from .splits import SPLITS, split_of

__all__ = [
    "AREA",
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
