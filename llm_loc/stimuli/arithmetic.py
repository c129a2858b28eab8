"""Sums, hard and easy: the stimuli of the multiple-demand localizer, and problems to be solved.

Operands as in AlKhamissi et al. (2024), sec. 3: 100 to 199 for hard sums and 1 to 19 for easy ones.
All end in the same token, so that pooling by the last one compares like with like.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import product

import numpy as np

from common.base.errors import ManifestError

OPERANDS = {"hard-arithmetic": (100, 199), "easy-arithmetic": (1, 19)}
NEAR = (-10, -3, -2, -1, 1, 2, 3, 10)  # slips: a carry that was lost, a count that went astray
N_WRONG = 3


@dataclass(frozen=True)
class Problem:
    """A sum with its answer and near wrong ones of as many digits.

    Attributes
    ----------
    difficulty : {"hard", "easy"}
        Which operands it has.
    prompt : str
        As in ``143 + 187 =``.
    answer : str
        The right one.
    wrong : tuple of str
        The others.
    """

    difficulty: str
    prompt: str
    answer: str
    wrong: tuple[str, ...]


def draw(what: str, n: int, seed: int) -> list[str]:
    """`n` different sums, such as ``143 + 187 =``.

    Parameters
    ----------
    what : {"hard-arithmetic", "easy-arithmetic"}
        Which operands.
    n : int
        How many.
    seed : int
        Seed of the draw.

    Raises
    ------
    ManifestError
        If nothing of that name is drawn, or there are not so many sums.
    """
    if what not in OPERANDS:
        raise ManifestError(
            f"nothing called {what!r} can be drawn as text; known: {', '.join(OPERANDS)}"
        )
    low, high = OPERANDS[what]
    every = list(product(range(low, high + 1), repeat=2))
    if n > len(every):
        raise ManifestError(f"{what}: there are {len(every)} sums, not {n}")
    rng = np.random.default_rng([seed, *what.encode()])
    chosen = rng.choice(len(every), n, replace=False)
    return [_sum(*every[i]) for i in chosen]


def _sum(one: int, two: int) -> str:
    return f"{one} + {two} ="


def draw_problems(n: int, seed: int, seen: Collection[str] = ()) -> list[Problem]:
    """`n` different problems, half of them hard and half easy, none of which was `seen`.

    Parameters
    ----------
    n : int
        How many.
    seed : int
        Seed of the draw.
    seen : collection of str
        Sums that a localizer uses.

    Raises
    ------
    ManifestError
        If there are not so many.
    """
    rng = np.random.default_rng([seed, *b"problems"])
    found = []
    for what, size in zip(OPERANDS, (n - n // 2, n // 2), strict=True):
        low, high = OPERANDS[what]
        fresh = [
            pair for pair in product(range(low, high + 1), repeat=2) if _sum(*pair) not in seen
        ]
        if size > len(fresh):
            raise ManifestError(f"{what}: {len(fresh)} unseen sums are left, not {size}")
        difficulty = what.partition("-")[0]
        for i in rng.choice(len(fresh), size, replace=False):
            one, two = fresh[i]
            wrong = tuple(map(str, _near(one + two, rng)))
            found.append(Problem(difficulty, _sum(one, two), str(one + two), wrong))
    return found


def _near(right: int, rng: np.random.Generator) -> list[int]:
    """Wrong results close to the right one, with as many digits, so that none is the longer."""
    offered = [right + slip for slip in NEAR]
    like = [each for each in offered if each > 0 and len(str(each)) == len(str(right))]
    return [like[i] for i in rng.choice(len(like), N_WRONG, replace=False)]
