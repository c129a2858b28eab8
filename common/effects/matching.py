"""Two groups that were equally hard before anything was ablated: pairs by intact margin.

The groups of an evaluation seldom start alike, and a mask that merely harms costs more where there
is more to lose. Here each item of the smaller group gets a partner of the other group with nearly
the same intact margin; what finds no partner is left out of both. Matching is by nearest available
neighbour within a caliper, in random order (Rosenbaum and Rubin 1985, Am. Stat. 39, 33), with the
caliper of Austin (2011, Pharm. Stat. 10, 150): a fifth of a standard deviation.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace

import numpy as np

from common.base.errors import DataError
from common.effects.described import WithinMargin
from common.effects.items import Items

CALIPER = 0.2  # of the standard deviation of the margins, both groups taken together
UNMATCHED = "unmatched"


def matched(
    margins: np.ndarray, is_target: np.ndarray, seed: int = 0, caliper: float = CALIPER
) -> np.ndarray:
    """Pairs of a target item and another one of nearly the same margin, each item once at most.

    Parameters
    ----------
    margins : array of shape (n_items,)
        The intact margins, in logits or nats.
    is_target : array of bool of shape (n_items,)
        Which items are of the target group; all others are of the other one.
    seed : int, default=0
        Of the order in which the smaller group's items choose.
    caliper : float, default=0.2
        How far apart a pair may lie, in standard deviations within the groups (pooled).

    Returns
    -------
    array of int of shape (n_pairs, 2)
        Indices of the target item and of its partner, in the order of the target items.
    """
    sides = np.flatnonzero(is_target), np.flatnonzero(~is_target)
    swapped = len(sides[1]) < len(sides[0])
    few, many = sides[::-1] if swapped else sides
    if len(few) == 0:
        return np.zeros((0, 2), dtype=int)
    within = caliper * np.sqrt(np.mean([margins[side].var() for side in sides]))
    free = [int(i) for i in many[np.argsort(margins[many], kind="stable")]]
    at = [float(margins[i]) for i in free]
    pairs = []
    for one in np.random.default_rng(seed).permutation(few).tolist():
        nearest = _nearest(at, float(margins[one]))
        if nearest is not None and abs(at[nearest] - margins[one]) <= within:
            at.pop(nearest)
            pairs.append((one, free.pop(nearest)))
    found = np.array(pairs, dtype=int).reshape(-1, 2)
    found = found[:, ::-1] if swapped else found
    return found[np.argsort(found[:, 0], kind="stable")]


def _nearest(values: list[float], to: float) -> int | None:
    """Place of the nearest of some sorted values; of two as near, the lower one."""
    place = bisect_left(values, to)
    near = [i for i in (place - 1, place) if 0 <= i < len(values)]
    return min(near, key=lambda i: abs(values[i] - to), default=None)


def matched_items(items: Items, margins: np.ndarray, seed: int) -> tuple[Items, WithinMargin]:
    """The same items, those without a partner of equal intact margin put in a group of their own.

    Parameters
    ----------
    items : Items
        Those of other groups than the two that are compared are left as they are.
    margins : array of shape (n_items,)
        The intact margins.

    Returns
    -------
    (Items, WithinMargin)
        The items, and what the results say of it.

    Raises
    ------
    DataError
        If not a single pair is that near, or there is one group only.
    """
    if items.other is None:
        raise DataError(f"{items.target} is compared with no other group, so there are no pairs")
    compared = np.flatnonzero(np.isin(items.groups, [items.target, items.other]))
    is_target = items.groups[compared] == items.target
    margins = margins.astype(float)
    pairs = compared[matched(margins[compared], is_target, seed)]
    if len(pairs) == 0:
        raise DataError(
            f"no item of {items.target} has a partner of {items.other} with the same intact margin "
            f"(within {CALIPER:g} standard deviations); compare them without matching"
        )
    groups = items.groups.astype(object)
    groups[np.setdiff1d(compared, pairs)] = UNMATCHED
    inside = margins[compared]
    before = float(inside[is_target].mean() - inside[~is_target].mean())
    after = float((margins[pairs[:, 0]] - margins[pairs[:, 1]]).mean())
    told = WithinMargin(
        caliper=CALIPER,
        n_pairs=len(pairs),
        n_left_out=len(compared) - pairs.size,
        gap=(before, after),
    )
    return replace(items, groups=groups.astype(str)), told
