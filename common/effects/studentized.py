"""The interval of an adjusted effect: a cluster bootstrap of the studentized coefficient.

Whole clusters are drawn again within strata (those with items of the target only, of the other
only, of both), the regression is solved again on each resample, and the quantiles of
(coefficient - estimate) / error take the place of Student's. Resampling clusters keeps the skewness
of the losses, which random signs of the residuals would hide. With few or unequal clusters the
bootstrap is a little short, so the interval is never narrower than Student's with the CR2 error and
Bell and McCaffrey's degrees of freedom.

What does not depend on the losses is solved once and used for all masks.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
import numpy.typing as npt

from common.base.heavy import stats
from common.effects.margins import RANK, Design
from common.effects.resample import LEVEL, Resampler

RIDGE = 1e-8  # keeps a resample solvable that lost the items of a whole spline piece
ONE = 1 - 1e-6  # degree of freedom: what two items have, but for rounding

Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]


def one_sided(of: Design, losses: Floats) -> float:
    """One-sided p of a coefficient above 0, of Student's t with the CR2 error.

    1 where nothing differs, or nothing can be said.

    Parameters
    ----------
    of : Design
        The regression.
    losses : array of shape (n_items,)
        Margin losses, or differences of two masks' losses.
    """
    largest = float(np.max(np.abs(losses)))
    if of.freedom < ONE or largest == 0:
        return 1.0
    error = float(of.errors(losses))
    if error <= RANK * largest:  # all alike: as for an interval, one more item off by the largest
        error = of.one_item * largest
    return float(stats.t.sf(float(of.effects(losses)) / error, of.freedom))


class Studentized:
    """Intervals of the coefficient of one design.

    Parameters
    ----------
    design : Design
        The regression.
    resampler : Resampler
        Draws the clusters.

    References
    ----------
    Cameron, Gelbach and Miller (2008), Bootstrap-based improvements for inference with clustered
    errors, Rev. Econ. Stat. 90, 414-427 (pairs cluster bootstrap-t).
    """

    def __init__(self, design: Design, resampler: Resampler) -> None:
        self.design, self.resampler = design, resampler

    def interval(self, losses: Floats, level: float = LEVEL) -> Interval:
        """Interval of the coefficient of one mask.

        Where the losses of a group do not vary at all, the error is that of one more item in each
        group, off by the largest loss (or by one sd of the intact margin, where no margin changed):
        an interval always has a width. It has no bounds where a group has a single item.

        Parameters
        ----------
        losses : array of shape (n_items,)
            Margin intact minus ablated.
        level : float, default 0.95
            Coverage.
        """
        design = self.design
        if design.freedom < ONE:
            return -math.inf, math.inf
        effect, error = float(design.effects(losses)), float(design.errors(losses))
        student = float(stats.t.ppf(0.5 + level / 2, design.freedom))
        largest = float(np.max(np.abs(losses)))
        if error <= RANK * largest:  # with nothing lost at all, too: both are 0
            half = student * design.one_item * (largest or design.spread or 1.0)
            return effect - half, effect + half
        ratios, plain = self.ratios(losses)
        low, high = map(float, np.quantile(ratios, [(1 - level) / 2, (1 + level) / 2]))
        below = max(high * plain, student * error)
        above = max(-low * plain, student * error)
        return effect - below, effect + above

    def ratios(self, losses: Floats) -> tuple[Floats, float]:
        """Studentized deviations of the resamples, shape (draws,), and the error they go with.

        Errors here are without small-sample correction (CR0), in the resamples and in the table
        alike, so that any correction would cancel.
        """
        basis = self.design.basis
        products = self.design.summed(basis * losses[:, None])
        solved = np.linalg.solve(self._normal, (self._counts @ products)[:, :, None])[:, :, 0]
        scored = self.design.summed((losses[:, None] - basis @ solved.T) * self._weights)
        errors = np.sqrt(np.einsum("rc,cr->r", self._counts, scored**2))
        direction = self._direction
        effect = float(self.design.effects(losses))
        own = losses - basis @ (basis.T @ losses)
        plain = float(np.linalg.norm(self.design.summed(own * self.design.weights)))
        floor = RANK * plain
        return (solved @ direction - effect) / np.maximum(errors, floor), plain

    @cached_property
    def _direction(self) -> Floats:
        """The coefficient of the group in terms of the orthonormal basis, shape (rank,)."""
        return np.asarray(self.design.basis.T @ self.design.weights)

    @cached_property
    def _counts(self) -> Floats:
        return self.resampler.counts(self.design.strata)

    @cached_property
    def _normal(self) -> Floats:
        """Normal matrix of every resample, shape (draws, rank, rank)."""
        basis = self.design.basis
        rank = basis.shape[1]
        squares = self.design.summed((basis[:, :, None] * basis[:, None, :]).reshape(-1, rank**2))
        matrices = (self._counts @ squares).reshape(-1, rank, rank)
        return np.asarray(matrices + RIDGE * np.eye(rank))

    @cached_property
    def _weights(self) -> Floats:
        """Weights of the items in the coefficient of every resample, shape (n_items, draws)."""
        solved = np.linalg.solve(self._normal, self._direction[None, :, None])[:, :, 0]
        return np.asarray(self.design.basis @ solved.T)
