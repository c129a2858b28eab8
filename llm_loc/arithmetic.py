"""Sums, hard and easy: the stimuli of the multiple-demand localizer.

Operands as in AlKhamissi et al. (2024), sec. 3: 100 to 199 for hard sums and 1 to 19 for easy ones.
All end in the same token, so that pooling by the last one compares like with like.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from common.errors import ManifestError

OPERANDS = {"hard-arithmetic": (100, 199), "easy-arithmetic": (1, 19)}


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
    return [f"{one} + {two} =" for one, two in (every[i] for i in chosen)]
