"""How many units two masks share, against what chance would let them share.

Two masks of the same layers share units for that alone. So chance is told twice: of units drawn
from all, and of units drawn within each site, as many as either mask has there. p is of the latter:
in every site the number that is shared is hypergeometric, and their sum's distribution is the
convolution of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np
from scipy import stats

from common.measure.masks import Mask


@dataclass(frozen=True)
class Shared:
    """What two masks share.

    Attributes
    ----------
    n : int
        Units that are in both.
    chance : float
        How many would be of so many drawn from all units.
    chance_within : float
        How many would be of as many drawn in every site as either mask has there.
    p : float
        The probability that so many or more are, of the latter.
    """

    n: int
    chance: float
    chance_within: float
    p: float


def shared(one: Mask, other: Mask) -> Shared:
    """What two masks of one model share."""
    sizes = [(int(one.at(site).sum()), int(other.at(site).sum()), one.at(site).size)
             for site in one.sites]  # fmt: skip
    n = len(np.intersect1d(one.units, other.units))
    every = [_distribution(*each) for each in sizes if each[0] and each[1]]
    of_sum = reduce(np.convolve, every, np.ones(1))
    return Shared(
        n=n,
        chance=len(one) * len(other) / int(one.offsets[-1]),
        chance_within=sum(a * b / size for a, b, size in sizes),
        p=float(min(1.0, of_sum[n:].sum())),
    )


def _distribution(one: int, other: int, size: int) -> np.ndarray:
    """Probability of every number of units that two draws from one site can share."""
    found: np.ndarray = stats.hypergeom(size, one, other).pmf(np.arange(min(one, other) + 1))
    return found
