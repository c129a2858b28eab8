"""The adjusted effect: how much more margin the target group loses at equal intact margin.

D = margin intact - margin ablated is regressed on the group and a spline of the intact margin. Harm
that is the same for every item, or that shrinks every margin by the same factor, makes D a function
of the intact margin alone, which the spline takes up; what is left to the group is the group's own.

The coefficient is a weighted sum of D with weights that do not depend on D. So the regression is
solved once for the items, and every mask costs one inner product.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from common.base.heavy import preprocessing

KNOTS = 5  # quantiles of the intact margin where the cubic pieces meet, both ends among them
RANK = 1e-9  # a direction with a smaller share of the largest singular value is none

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Design:
    """The regression of margin losses, solved for everything but the losses.

    Attributes
    ----------
    weights : array of shape (n_items,)
        The coefficient of the group is ``weights @ losses``.
    basis : array of shape (n_items, rank)
        Orthonormal columns that span group and spline.
    scores : array of shape (n_items,)
        `weights` with the CR2 correction of each cluster: the squared sums over clusters of
        ``scores * residuals`` add up to the variance of the coefficient.
    clusters : array of int of shape (n_items,)
        Cluster of each item, numbered from 0.
    strata : array of int of shape (n_clusters,)
        Which clusters hold items of the target only, of the other only, or of both.
    freedom : float
        Bell and McCaffrey's degrees of freedom of that variance; 0 where nothing can be said.
    tolerance : float
        Share of the group's variance that the spline leaves, in [0, 1]: 1 where the groups have
        the same intact margins, 0 where no intact margin occurs in both.
    one_item : float
        What one more item in each group, off by 1, would change: the least error.
    spread : float
        Sd of the intact margin.
    """

    weights: Floats
    basis: Floats
    scores: Floats
    clusters: Ints
    strata: Ints
    freedom: float
    tolerance: float
    one_item: float
    spread: float

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return int(self.clusters.max()) + 1

    def effects(self, losses: Floats) -> Floats:
        """Coefficient of the group.

        Parameters
        ----------
        losses : array of shape (n_items,) or (n_items, n_masks)
            Margin intact minus ablated.
        """
        return np.asarray(self.weights @ losses)

    def errors(self, losses: Floats) -> Floats:
        """CR2 standard error of the coefficient, of the same shape as :meth:`effects`.

        References
        ----------
        Bell and McCaffrey (2002), Survey Methodology 28, 169-181; Pustejovsky and Tipton (2018), J.
        Bus. Econ. Stat. 36, 672-683.
        """
        residuals = losses - self.basis @ (self.basis.T @ losses)
        scored = self.summed((residuals.T * self.scores).T)
        return np.asarray(np.sqrt(np.einsum("i...,i...->...", scored, scored)))

    def summed(self, values: Floats) -> Floats:
        """Sums over the items of each cluster, along the first axis."""
        if self.n_clusters == len(self.clusters):
            return values[np.argsort(self.clusters)]
        order = np.argsort(self.clusters, kind="stable")
        starts = np.searchsorted(self.clusters[order], np.arange(self.n_clusters))
        return np.asarray(np.add.reduceat(values[order], starts, axis=0))


def design(margin: Floats, target: Bools | None, clusters: Ints, knots: int = KNOTS) -> Design:
    """Solve the regression for a set of items.

    Parameters
    ----------
    margin : array of shape (n_items,)
        Intact margins.
    target : array of bool of shape (n_items,) or None
        The target group's items. ``None``: all items are one group, and the coefficient is the mean
        loss.
    clusters : array of int of shape (n_items,)
        Cluster of each item, numbered from 0.
    knots : int, default 5
        Quantiles at which the cubic pieces meet.
    """
    n = len(margin)
    if target is None:
        basis, weights, tolerance = np.full((n, 1), n**-0.5), np.full(n, 1 / n), 1.0
        sizes = [n]
    else:
        basis, weights, tolerance = _solved(margin, target, knots)
        sizes = [int(target.sum()), n - int(target.sum())]
    scores = _corrected(basis, weights, clusters)
    freedom = _freedom(basis, scores, clusters) if min(sizes) > 1 else 0.0
    one_item = float(np.linalg.norm([1 / (size + 2) for size in sizes]))
    return Design(
        weights=weights,
        basis=basis,
        scores=scores,
        clusters=clusters,
        strata=_strata(target, clusters),
        freedom=freedom,
        tolerance=tolerance,
        one_item=one_item,
        spread=float(margin.std()),
    )


def _strata(target: Bools | None, clusters: Ints) -> Ints:
    if target is None:
        return np.zeros(int(clusters.max()) + 1, dtype=np.intp)
    own, every = np.bincount(clusters, weights=target), np.bincount(clusters)
    return np.where(own == 0, 0, np.where(own == every, 1, 2)).astype(np.intp)


def _solved(margin: Floats, target: Bools, knots: int) -> tuple[Floats, Floats, float]:
    """Basis, weights and tolerance of the regression on group and spline.

    The weights are the group less its projection on the spline, over its own sum of squares
    (Frisch, Waugh and Lovell).
    """
    smooth = _orthonormal(np.column_stack([np.ones(len(margin)), _spline(margin, knots)]))
    own = target - smooth @ (smooth.T @ target)
    squares = float(own @ own)
    tolerance = squares / (len(margin) * float(target.var()))
    if tolerance < RANK:
        return smooth, np.zeros(len(margin)), 0.0
    return np.column_stack([smooth, own / math.sqrt(squares)]), own / squares, tolerance


def _spline(margin: Floats, knots: int) -> Floats:
    """Cubic B-splines of the intact margin with knots at its quantiles, (n_items, n_columns)."""
    places = np.unique(np.quantile(margin, np.linspace(0, 1, knots)))
    if len(places) < 2:
        return np.empty((len(margin), 0))
    column = margin[:, None]
    spline = preprocessing.SplineTransformer(knots=places[:, None], degree=3)
    return np.asarray(spline.fit_transform(column))


def _orthonormal(columns: Floats) -> Floats:
    left, size, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(left[:, size > RANK * size[0]])


def _corrected(basis: Floats, weights: Floats, clusters: Ints) -> Floats:
    """Multiply each cluster's weights by (I - H)^(-1/2), H its block of the hat matrix.

    H = Q Q' has few columns, so its eigenvectors come from a thin decomposition of the cluster's
    rows of Q. A direction in which the cluster fits itself (eigenvalue 1) has no residual, and is
    dropped as a generalized inverse does.
    """
    corrected = weights.copy()
    sizes = np.bincount(clusters)
    alone = sizes[clusters] == 1
    corrected[alone] *= _root(1 - np.sum(basis[alone] ** 2, axis=1))
    order = np.argsort(clusters, kind="stable")
    for rows in np.split(order, np.cumsum(sizes)[:-1]):
        if len(rows) > 1:
            left, size, _ = np.linalg.svd(basis[rows], full_matrices=False)
            corrected[rows] += left @ ((_root(1 - size**2) - 1) * (left.T @ weights[rows]))
    return corrected


def _root(free: Floats) -> Floats:
    """1 / sqrt, and 0 where nothing is free."""
    return np.asarray(np.where(free > RANK, 1 / np.sqrt(np.maximum(free, RANK)), 0.0))


def _freedom(basis: Floats, scores: Floats, clusters: Ints) -> float:
    """Satterthwaite degrees of freedom of the CR2 variance under equal independent errors.

    The variance is a quadratic form in normal errors whose matrix has the inner products of the
    clusters' residual-maker rows: ``trace(G)**2 / trace(G @ G)``.
    """
    own = np.bincount(clusters, weights=scores**2)
    shared = np.zeros((len(own), basis.shape[1]))
    np.add.at(shared, clusters, basis * scores[:, None])
    squares = np.sum(shared**2, axis=1)
    trace = own.sum() - squares.sum()
    square = np.sum(own**2) - 2 * own @ squares + np.sum((shared.T @ shared) ** 2)
    return float(trace**2 / square) if square > 0 and trace > 0 else 0.0
