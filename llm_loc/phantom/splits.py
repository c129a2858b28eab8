"""Which texts are for training, for the localizer or for the evaluation: told by their hash.

A text's split is a property of the text, so no text can be in two of them, whoever draws it, from
whatever seed.
"""

from __future__ import annotations

import hashlib
from typing import Literal, TypeVar, get_args

import numpy as np

Split = Literal["train", "validation", "localizer", "eval"]
SPLITS: tuple[str, ...] = get_args(Split)

_SHARES = {"train": 5, "validation": 1, "localizer": 2, "eval": 2}
_PARTS = tuple(split for split, share in _SHARES.items() for _ in range(share))

T = TypeVar("T")


def split_of(text: str) -> str:
    """The split that a text belongs to, for ever."""
    return _PARTS[int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) % len(_PARTS)]


def stream(kind: str, split: str, seed: int) -> np.random.Generator:
    """The random stream that texts of a kind are drawn from.

    Raises
    ------
    ValueError
        If there is no such split.
    """
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is not one of {', '.join(SPLITS)}")
    return np.random.default_rng([seed, SPLITS.index(split), *kind.encode()])


def pick(rng: np.random.Generator, options: tuple[T, ...]) -> T:
    """One of the options, each as likely."""
    return options[int(rng.integers(len(options)))]
