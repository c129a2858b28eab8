"""The rank of the top mask among its controls, drawn until it is plain.

A control rule is drawn again and again, and p is the top's rank among the draws. Under no effect
most of what 199 draws would tell is told by twenty, so drawing stops at the tenth draw that does at
least what the top does (Besag and Clifford 1991). With several doses there is one p over all of
them, by the maximum over doses (Westfall and Young 1993), and the p of each dose alone beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

ENOUGH = 10  # draws at or beyond the top after which no more are needed
MOST = 199  # draws at most
FEWEST = 19  # draws at least, so that the interaction of accuracy can have a p of 0.05 as well
TIE = 1e-9  # what differs by less, relative to the spread, differs by rounding

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Rank:
    """Where the top stands among the draws of one rule.

    Attributes
    ----------
    p : float
        One-sided, in (0, 1]: the share of masks, the top among them, that reach the top's
        statistic; ``exceedances / draws`` where the sequential rule stopped.
    draws : int
        Draws that p rests on.
    exceeded : int
        Draws that reach the top's statistic; a tie counts against the top.
    stopped : bool
        Whether the last exceedance that was waited for has come, so that more draws would not
        change p.
    least : float
        The smallest p that so many draws allow.
    """

    p: float
    draws: int
    exceeded: int
    stopped: bool
    least: float


def rank(top: float, draws: Sequence[float] | Floats, enough: int = ENOUGH) -> Rank:
    """Sequential rank p of one statistic.

    p is ``enough / l`` where the draw number l is the one that makes it `enough` draws at or beyond
    the top, else ``(g + 1) / (n + 1)`` with g of n draws there. Either way p is at most x with
    probability at most x when the top is exchangeable with the draws.

    Parameters
    ----------
    top : float
        The top mask's statistic; large is strong.
    draws : sequence of float of shape (n_draws,)
        The control masks' own, in the order of drawing.
    enough : int, default 10
        Exceedances to wait for.

    References
    ----------
    Besag and Clifford (1991), Sequential Monte Carlo p-values, Biometrika 78, 301-304; Phipson and
    Smyth (2010) for the one that is added.
    """
    return _settle(np.cumsum(_reach(np.asarray(draws, dtype=float), top)), enough)


def ranks_over_doses(
    tops: Sequence[float] | Floats, draws: Floats, enough: int = ENOUGH
) -> list[Rank]:
    """Rank of every dose, corrected for the number of doses.

    Draw j is one draw at every dose. At each dose top and draws are put on one scale (less their
    common mean, over their common sd), so that no dose dominates. A dose's top is compared with
    each draw's maximum over this dose and those with a weaker top, and no dose gets a smaller p
    than a stronger one (the step-down of Westfall and Young 1993, algorithm 4.1). As the scale is
    that of top and draws together it leaves them exchangeable, at every number of draws. With one
    dose this is :func:`rank`.

    Parameters
    ----------
    tops : sequence of float of shape (n_doses,)
        The top mask's statistic at every dose.
    draws : array of shape (n_draws, n_doses)
        The control masks' own, in the order of drawing.
    enough : int, default 10
        Exceedances to wait for.
    """
    if len(tops) == 1:
        return [rank(tops[0], draws[:, 0], enough)]
    counts = np.array(
        [_exceedances(np.vstack([tops, draws[:length]])) for length in range(1, len(draws) + 1)]
    ).reshape(len(draws), len(tops))
    found = [_settle(column, enough) for column in counts.T]
    order = np.argsort(-_scaled(np.vstack([tops, draws]))[0], kind="stable")
    for stronger, weaker in pairwise(order):
        if found[weaker].p < found[stronger].p:
            found[weaker] = found[stronger]
    return found


class Stopping:
    """Whether a rule has been drawn often enough, asked after every draw.

    A rule is drawn at all doses together, and it is enough when every dose's p over doses has
    settled, or after the most draws that are allowed. What it answers depends on the statistics
    alone, so a run that was killed draws the same masks again.

    Parameters
    ----------
    tops : mapping of str to sequence of float of shape (n_doses,)
        By rule, what its draws are compared with at every dose.
    enough : int, default 10
        Exceedances to wait for.
    most : int, default 199
        Draws at most.
    fewest : int, default 19
        Draws at least. p is that of the draw at which the last exceedance came all the same.

    Examples
    --------
    >>> stopping = Stopping({"layer-matched": [0.0]}, enough=2, fewest=3)
    >>> for statistic in (-1.0, 0.5, 0.2):
    ...     stopping.add("layer-matched", [statistic])
    >>> stopping.enough("layer-matched"), stopping.ranks("layer-matched")[0].p
    (True, 0.6666666666666666)
    """

    def __init__(
        self,
        tops: Mapping[str, Sequence[float]],
        enough: int = ENOUGH,
        most: int = MOST,
        fewest: int = FEWEST,
    ) -> None:
        self._tops = dict(tops)
        self._draws: dict[str, list[list[float]]] = {rule: [] for rule in tops}
        self._wanted, self._most, self._fewest = enough, most, fewest

    def add(self, rule: str, draw: Sequence[float]) -> None:
        """Tell the statistics of one more draw, one a dose."""
        if len(draw) != len(self._tops[rule]):
            raise ValueError(f"{rule}: {len(draw)} statistics for {len(self._tops[rule])} doses")
        self._draws[rule].append([float(value) for value in draw])

    def made(self, rule: str) -> int:
        """Draws so far."""
        return len(self._draws[rule])

    def ranks(self, rule: str) -> list[Rank]:
        """Rank of every dose over all doses, after the draws so far."""
        tops = self._tops[rule]
        draws = np.array(self._draws[rule]).reshape(-1, len(tops))
        return ranks_over_doses(tops, draws, self._wanted)

    def enough(self, rule: str) -> bool:
        """Whether the rule needs no more draws."""
        if self.made(rule) >= self._most:
            return True
        return self.made(rule) >= self._fewest and all(r.stopped for r in self.ranks(rule))


def _reach(draws: Floats, top: float) -> Bools:
    """Which draws are at least the top's; a difference by rounding alone is a tie."""
    spread = float(np.max(np.abs(np.append(draws, top))))
    return np.asarray(draws >= top - TIE * spread)


def _settle(counts: npt.NDArray[np.intp], enough: int) -> Rank:
    """Sequential p from the exceedances after 1, 2, ... draws."""
    reached = np.flatnonzero(counts >= enough)
    if len(reached):
        made = int(reached[0]) + 1
        return Rank(enough / made, made, enough, True, 1 / (made + 1))
    made, exceeded = len(counts), int(counts[-1]) if len(counts) else 0
    return Rank((exceeded + 1) / (made + 1), made, exceeded, False, 1 / (made + 1))


def _exceedances(rows: Floats) -> npt.NDArray[np.intp]:
    """By dose, the draws whose maximum over this and weaker doses reaches the top's; row 0 is it.

    Where every mask does the same at a dose, all are ties.
    """
    scaled = _scaled(rows)
    order = np.argsort(-scaled[0], kind="stable")
    weaker = np.maximum.accumulate(scaled[1:, order][:, ::-1], axis=1)[:, ::-1]
    counts = np.empty(len(order), dtype=np.intp)
    counts[order] = np.sum(weaker >= scaled[0, order] - TIE, axis=0)
    return counts


def _scaled(rows: Floats) -> Floats:
    spread = rows.std(axis=0)
    flat = spread <= TIE * np.max(np.abs(rows), axis=0)
    return np.where(flat, 0.0, (rows - rows.mean(axis=0)) / np.where(flat, 1.0, spread))
