"""How loud units are beside the others of their site: which of them are massive.

A trained network may have a few units that are many times as loud as the rest of their site,
through many sites (Sun et al. 2024, *Massive Activations in Large Language Models*, arXiv
2402.17762; they ask for 1,000 times the median of all activations, which is fewer units). Ablating
these can break a model whatever they were chosen for.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from common.measure.moments import Array

THRESHOLD = 100.0  # times the median unit of the site, from which on a unit is called massive
EXCLUDED = "exclude_massive"  # what a map calls the threshold from which on units are left out


def level_of(magnitude: Array) -> Array:
    """Natural logarithm of the mean \\|activation\\|; silent units are all alike."""
    found: Array = np.log(np.maximum(magnitude, np.finfo(np.float64).tiny))
    return found


def times_median(loudness: Array, offsets: np.ndarray) -> Array:
    """Loudness over that of the median unit of its site, silent units left out of the median.

    Parameters
    ----------
    loudness : array of shape (n_units,)
        Of all sites in one row.
    offsets : array of int of shape (n_sites + 1,)
        Where each site's units begin, and the total.

    Returns
    -------
    array of shape (n_units,)
        0 where a whole site is silent.
    """
    found = np.zeros_like(loudness)
    for start, stop in pairwise(offsets):
        own = loudness[start:stop]
        if (own > 0).any():
            found[start:stop] = own / np.median(own[own > 0])
    return found
