"""Effects of several models together: one model is one subject.

Random effects after DerSimonian and Laird (1986), with the interval of Hartung and Knapp (2001),
which holds for a handful of subjects where the usual one is too narrow (IntHout et al. 2014), but
never below the error of the subjects' own intervals (Röver et al. 2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from common.base.heavy import scipy

Z = 1.959963984540054  # half an interval of 95 % in standard errors


@dataclass(frozen=True)
class Pooled:
    """The mean effect over subjects.

    Attributes
    ----------
    n : int
        Subjects.
    effect : float
        In their unit.
    ci : (float, float)
        95 % interval.
    between : float
        Standard deviation of the true effects between subjects, tau.
    share : float
        Of the variance, what lies between subjects: I², from 0 to 1.
    """

    n: int
    effect: float
    ci: tuple[float, float]
    between: float
    share: float


def pooled(effects: Sequence[float], intervals: Sequence[tuple[float, float]]) -> Pooled | None:
    """Pool effects of different subjects.

    Parameters
    ----------
    effects : sequence of float
        One of each subject.
    intervals : sequence of (float, float)
        Their 95 % intervals, of which the widths give the standard errors.

    Returns
    -------
    Pooled or None
        Nothing for fewer than two subjects, or where an interval has no width or no bound.
    """
    each = np.asarray(effects, dtype=float)
    low, high = np.asarray(intervals, dtype=float).reshape(-1, 2).T
    variance = ((high - low) / (2 * Z)) ** 2
    if len(each) < 2 or not (np.isfinite(variance).all() and (variance > 0).all()):
        return None
    weight = 1 / variance
    fixed = float(weight @ each / weight.sum())
    spread, freedom = float(weight @ (each - fixed) ** 2), len(each) - 1
    scale = weight.sum() - (weight**2).sum() / weight.sum()
    between = max(0.0, float((spread - freedom) / scale))
    weight = 1 / (variance + between)
    effect = float(weight @ each / weight.sum())
    error = np.sqrt(max(1.0, weight @ (each - effect) ** 2 / freedom) / weight.sum())
    reach = float(scipy.stats.t.ppf(0.975, freedom) * error)
    share = max(0.0, 1 - freedom / spread) if spread > 0 else 0.0
    return Pooled(len(each), effect, (effect - reach, effect + reach), float(between**0.5), share)
