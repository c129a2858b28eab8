"""Right or wrong, paired by item: rates, drops, and how far the drops of two groups are apart.

Every interval here keeps a width. No change among n items is an observation about n items, not a
proof that nothing changes, so the interval of an unchanged group is about 3 / n wide on each side.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from common.base.heavy import scipy
from common.effects.measured import ACCURACY, AGREEMENT, Measure
from common.effects.parts import Interval, Part

LEVEL = 0.95

Bools = npt.NDArray[np.bool_]


class Rate(Part):
    """A share of correct items."""

    accuracy: float
    """The share of items that are right."""
    ci: Interval
    """Its 95 % interval after Wilson."""
    n: int
    """Items."""


class Drop(Part):
    """What a group lost in accuracy, paired by item."""

    effect: float
    """Intact minus ablated accuracy."""
    ci: Interval
    """Its 95 % interval after Bonett and Price; of agreement after Wilson."""
    lost: int
    """Items that became wrong."""
    won: int
    """Items that became right."""
    n: int
    """All items."""
    mcnemar_p: float
    """Exact two-sided McNemar test of the items that changed."""


def rate(correct: Bools, level: float = LEVEL) -> Rate:
    """Share of right items with Wilson's (1927) interval.

    Parameters
    ----------
    correct : array of bool of shape (n_items,)
        At least one item.
    level : float, default 0.95
        Coverage of the interval.
    """
    hits, n = int(np.sum(correct)), len(correct)
    between = scipy.stats.binomtest(hits, n).proportion_ci(level, method="wilson")
    return Rate(accuracy=hits / n, ci=(float(between.low), float(between.high)), n=n)


def drop_interval(lost: int, won: int, n: int, level: float = LEVEL) -> Interval:
    """Adjusted Wald interval of a difference of paired shares.

    One item is added to each kind of change: p12 = (lost + 1) / (n + 2) and p21 likewise. The
    interval is cut at -1 and 1, and always holds the plain estimate (lost - won) / n.

    Parameters
    ----------
    lost, won : int
        Items that became wrong, and that became right.
    n : int
        All items, changed or not; at least one.
    level : float, default 0.95
        Coverage.

    References
    ----------
    Bonett and Price (2012), Adjusted Wald confidence interval for a difference of binomial
    proportions based on paired data, J. Educ. Behav. Stat. 37, 479-488.
    """
    first, second = (lost + 1) / (n + 2), (won + 1) / (n + 2)
    centre = first - second
    half = _z(level) * math.sqrt((first + second - centre**2) / (n + 2))
    plain = (lost - won) / n
    return min(max(centre - half, -1.0), plain), max(min(centre + half, 1.0), plain)


def drop(
    intact: Bools, ablated: Bools, level: float = LEVEL, *, measure: Measure = ACCURACY
) -> Drop:
    """Drop of one group.

    What the intact model says is right by definition where agreement is measured. Then all items
    are right intact and none can be won: the drop is a plain share, with Wilson's interval.

    Parameters
    ----------
    intact, ablated : array of bool of shape (n_items,)
        Whether each item is right without and with the mask; at least one item.
    level : float, default 0.95
        Coverage of the interval.
    measure : {"accuracy", "agreement"}
        What counts as right.
    """
    lost, won = int(np.sum(intact & ~ablated)), int(np.sum(~intact & ablated))
    n = len(intact)
    share = measure == AGREEMENT and bool(intact.all())
    between = rate(~ablated, level).ci if share else drop_interval(lost, won, n, level)
    return Drop(
        effect=(lost - won) / n,
        ci=between,
        lost=lost,
        won=won,
        n=n,
        mcnemar_p=mcnemar_p(lost, won),
    )


def mcnemar_p(lost: int, won: int) -> float:
    """Exact two-sided McNemar test: a binomial test of the items that changed; 1 without any."""
    return float(scipy.stats.binomtest(lost, lost + won).pvalue) if lost + won else 1.0


def mover(first: float, first_ci: Interval, second: float, second_ci: Interval) -> Interval:
    """Interval of a difference of two independent estimates from the interval of each.

    The lower limit is as far below the difference as the first estimate is above its lower limit
    and the second below its upper limit, added as the sides of a right angle.

    Parameters
    ----------
    first, second : float
        Estimates; the interval is of ``first - second``.
    first_ci, second_ci : (float, float)
        Their intervals; the result has the same coverage.

    References
    ----------
    Newcombe (1998), Statistics in Medicine 17, 873-890 (method 10); Zou and Donner (2008),
    Statistics in Medicine 27, 1693-1702, who call it MOVER.
    """
    gap = first - second
    below = math.hypot(first - first_ci[0], second_ci[1] - second)
    above = math.hypot(first_ci[1] - first, second - second_ci[0])
    return gap - below, gap + above


def interaction(target: Drop, other: Drop) -> tuple[float, Interval]:
    """Drop of the target group minus drop of the other, with its MOVER interval."""
    return target.effect - other.effect, mover(target.effect, target.ci, other.effect, other.ci)


def _z(level: float) -> float:
    return float(scipy.stats.norm.ppf(0.5 + level / 2))
