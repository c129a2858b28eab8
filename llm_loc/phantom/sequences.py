"""What the phantom knows besides language: counting, alternating and copying.

Numbers, letters and an equals sign, and no word among them, so that no grammar helps. These items
are the other group of the evaluation: what a language network does not do should hold when the
language network is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .splits import pick, split_of

SYMBOLS = (*"bdfgkmprtv", *"0123456789")
COPY = "="
STEPS = (1, 2, -1, -2)
HIGHEST = 99


@dataclass(frozen=True)
class Sequence:
    """A sequence whose last element follows from those before it.

    Attributes
    ----------
    start : tuple of str
        All but the last element.
    right, wrong : str
        The element that follows, and one that does not.
    rule : str
        What it was made from; sequences of one rule are in one split.
    """

    start: tuple[str, ...]
    right: str
    wrong: str
    rule: str

    @property
    def text(self) -> str:
        """The sequence as it should be."""
        return " ".join((*self.start, self.right))

    @property
    def wrong_text(self) -> str:
        """The sequence with its wrong end."""
        return " ".join((*self.start, self.wrong))


def counting(rng: np.random.Generator) -> Sequence:
    """Numbers at equal steps, up or down: ``47 49 51 53``."""
    step, n = pick(rng, STEPS), int(rng.integers(4, 9))
    reach = abs(step) * (n - 1)
    low = int(rng.integers(0, HIGHEST - reach + 1))
    first = low if step > 0 else low + reach
    numbers = [first + step * i for i in range(n)]
    last = numbers[-1]
    near = tuple(k for k in range(last - 5, last + 6) if k != last and 0 <= k <= HIGHEST)
    start = tuple(map(str, numbers[:-1]))
    return Sequence(start, str(last), str(pick(rng, near)), " ".join((*start, str(last))))


def alternation(rng: np.random.Generator) -> Sequence:
    """Two or three symbols in turns: ``b d k b d k b d``."""
    unit = _symbols(rng, int(rng.integers(2, 4)))
    n = int(rng.integers(2 * len(unit), 11))
    turns = [unit[i % len(unit)] for i in range(n)]
    others = tuple(symbol for symbol in unit if symbol != turns[-1])
    # Turns of the same symbols in another order hold the same steps, so they share a rule.
    return Sequence(tuple(turns[:-1]), turns[-1], pick(rng, others), " ".join(sorted(unit)))


def copying(rng: np.random.Generator) -> Sequence:
    """A list and its copy: ``k 4 t m = k 4 t m``."""
    items = _symbols(rng, int(rng.integers(3, 6)))
    start = (*items, COPY, *items[:-1])
    return Sequence(start, items[-1], pick(rng, items[:-1]), " ".join(items))


def _symbols(rng: np.random.Generator, n: int) -> tuple[str, ...]:
    return tuple(SYMBOLS[i] for i in rng.choice(len(SYMBOLS), n, replace=False))


KINDS: dict[str, Callable[[np.random.Generator], Sequence]] = {
    "counting": counting,
    "alternation": alternation,
    "copying": copying,
}


def sequence(rng: np.random.Generator, kind: str, split: str) -> Sequence:
    """A sequence of one of `KINDS`, of a rule that belongs to the split."""
    while True:
        found = KINDS[kind](rng)
        if split_of(found.rule) == split:
            return found
