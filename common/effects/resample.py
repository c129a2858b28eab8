"""Resampling: one object that is handed in, so that the same table gives the same numbers.

Every method starts from the seed anew. A result therefore depends on its arguments alone, not on
what was resampled before it, and two masks are compared on the same resamples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Interval = tuple[float, float]

LEVEL = 0.95
FEW = 64  # distinct values up to which a resample is one multinomial draw
CELLS = 2_000_000  # numbers held at once


@dataclass(frozen=True)
class Resampler:
    """Seeded bootstrap.

    Attributes
    ----------
    seed : int
        Seed of every draw.
    draws : int
        Resamples.
    """

    seed: int = 0
    draws: int = 999

    def means(self, values: Floats) -> Floats:
        """Means of resamples of the items, shape (draws,).

        Few distinct values (right and wrong take three) make a resample of any number of items one
        multinomial draw of how often each comes: the same in distribution as picking items one by
        one, and free. Values that hardly repeat are picked one by one.
        """
        rng = np.random.default_rng(self.seed)
        kinds, counts = np.unique(values, return_counts=True)
        n = len(values)
        if len(kinds) <= FEW:
            picked: Floats = rng.multinomial(n, counts / n, size=self.draws) @ kinds / n
            return picked
        parts = [values[rng.integers(0, n, (rows, n))].mean(axis=1) for rows in self._rows(n)]
        return np.concatenate(parts)

    def counts(self, strata: Ints) -> Floats:
        """How often each cluster comes in resamples within strata, shape (draws, n_clusters).

        Parameters
        ----------
        strata : array of int of shape (n_clusters,)
            Every resample has as many clusters of each stratum as there are.
        """
        rng = np.random.default_rng(self.seed)
        found = np.zeros((self.draws, len(strata)))
        for stratum in np.unique(strata):
            inside = np.flatnonzero(strata == stratum)
            n = len(inside)
            drawn = rng.integers(0, n, (self.draws, n)) + n * np.arange(self.draws)[:, None]
            times = np.bincount(drawn.ravel(), minlength=n * self.draws)
            found[:, inside] = times.reshape(self.draws, n)
        return found

    def _rows(self, n: int) -> list[int]:
        step = max(1, CELLS // n)
        return [min(step, self.draws - done) for done in range(0, self.draws, step)]


def percentile(values: Floats, level: float = LEVEL) -> Interval:
    """Percentile interval of bootstrap values."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
