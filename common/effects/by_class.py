"""Which classes: do those that the units answer to most lose most without them?

Of every class (or paradigm) half of the items give the mean response of the chosen units, and the
other half the mean margin loss without them, so that no item serves both; and the other way round,
and both rank correlations are averaged. A class that is hard may lose more under any mask: beside
it stands the same correlation for the loss under matched masks, with the response of the chosen
units.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from common.base.heavy import stats
from common.effects.controls import rank
from common.effects.items import Items, Outcome
from common.effects.parts import Interval, Part
from common.measure.control_rules import against, is_matched
from common.measure.masks import Mask

SAME = 1e-10  # of the largest mean of a class: what differs by less differs by rounding
LEAST_CLASSES = 6
ROUNDING = 1e-5  # of the largest intact margin: losses that differ by less are alike
LARGEST = 1 - 1e-9  # of a correlation whose interval is asked for
Z = 1.959963984540054  # 97.5 % quantile of the normal

Floats = npt.NDArray[np.float64]


class OneClass(Part):
    """A class, or a paradigm."""

    group: str
    """Whose items."""
    name: str
    """Label: its number (vision), or what it is called."""
    n: tuple[int, int]
    """Items that give the response, and those that give the loss."""
    response: float
    """Mean response of the chosen units to the former; 1 is their average in the localizer."""
    loss: float
    """Mean margin loss of the latter."""


class MatchedLoss(Part):
    """The same response against the loss under matched masks."""

    rule: str
    """The rule that these were drawn by."""
    draws: int
    """How many."""
    mean: float
    """Mean of their correlations."""
    p: float
    """Rank of the correlation of the mask that they stand against among theirs; large ones count
    as extreme."""


class Serving(Part):
    """How far classes that the units answer to more lose more."""

    among: str
    """``all`` classes, or those of a group."""
    n: int
    """Classes."""
    correlation: float
    """Spearman's, mean of both ways round."""
    ci: Interval
    """Its 95 % interval after Bonett and Wright (2000), of one way round."""
    matched: tuple[MatchedLoss, ...]
    """Against every matched rule that was drawn."""


class ByClass(Part):
    """Which classes the chosen units serve."""

    classes: tuple[OneClass, ...]
    """Every class with two items or more."""
    correlations: tuple[Serving, ...]
    """Among all of them, and among those of either group, where response and loss vary."""


class _Split:
    """Classes, and the two halves of the items of each.

    Parameters
    ----------
    keys : sequence of (str, str)
        Group and label of every item that counts.
    seed : int
        Of the halves.
    """

    def __init__(self, keys: Sequence[tuple[str, str]], seed: int) -> None:
        rng = np.random.default_rng([seed, 6])
        every: dict[tuple[str, str], list[int]] = {}
        for place, key in enumerate(keys):
            every.setdefault(key, []).append(place)
        self.names = sorted(key for key, places in every.items() if len(places) > 1)
        self.sizes: list[tuple[int, int]] = []
        self.means = np.zeros((2, len(self.names), len(keys)))
        for row, name in enumerate(self.names):
            mixed = rng.permutation(every[name])
            own = mixed[::2], mixed[1::2]
            self.sizes.append((len(own[0]), len(own[1])))
            for half, places in enumerate(own):
                self.means[half, row, places] = 1 / len(places)

    def varies(self, response: Floats, loss: Floats, inside: Sequence[int]) -> bool:
        """Whether classes differ in response and in loss, in either half: ranks need that."""
        halves = [(self.means @ values)[:, inside] for values in (response, loss)]
        least = [SAME * np.abs(each).max() for each in halves]
        return all(
            bool((np.ptp(each, axis=1) > few).all())
            for each, few in zip(halves, least, strict=True)
        )

    def correlations(self, response: Floats, losses: Floats, inside: Sequence[int]) -> Floats:
        """Mean of both ways round, of every column of losses; shape (n_masks,)."""
        both = [
            spearman((self.means[half] @ response)[inside], (self.means[1 - half] @ losses)[inside])
            for half in (0, 1)
        ]
        mean: Floats = np.mean(both, axis=0)
        return mean


def by_class(
    items: Items,
    response: Floats,
    intact: Outcome,
    top: Mask,
    outcomes: Mapping[str, Outcome],
    masks: Sequence[Mask],
    seed: int = 0,
) -> ByClass | None:
    """Response against loss, class by class.

    Parameters
    ----------
    items : Items
        What was evaluated on; those of the judged groups count.
    response : array of shape (n_items,)
        Of the chosen units to each item, intact.
    intact : Outcome
        Without a mask.
    top : Mask
        The chosen units.
    outcomes : mapping of str to Outcome
        By mask.
    masks : sequence of Mask
        All of them; those of another dose do not count.
    seed : int, default=0
        Of the halves.

    Returns
    -------
    ByClass or None
        Nothing where items have no labels, fewer than six classes have two items, or a response
        is not finite.
    """
    if items.labels is None or not np.isfinite(response).all():
        return None
    inside = np.flatnonzero(np.isin(items.groups, items.judged))
    labels = [str(label) for label in np.asarray(items.labels)[inside].tolist()]
    split = _Split([*zip(items.groups[inside].tolist(), labels, strict=True)], seed)
    if len(split.names) < LEAST_CLASSES:
        return None

    margin = intact.margin[inside].astype(float)
    step = ROUNDING * float(np.max(np.abs(margin))) or 1.0

    def lost(mask: Mask) -> Floats:
        # What differs by the rounding of single floats alone shall not be ranked.
        gone = margin - outcomes[mask.name].margin[inside]
        return np.asarray(step * np.round(gone / step), dtype=float)

    answers, own = np.asarray(response, dtype=float)[inside], lost(top)
    same = [mask for mask in masks if mask.percent == top.percent]
    rivals = {mask.rule: lost(mask)[:, None] for mask in same if mask.seed is None}
    rules = [rule for rule in dict.fromkeys(mask.rule for mask in same) if is_matched(rule)]
    drawn = {rule: np.column_stack([lost(m) for m in same if m.rule == rule]) for rule in rules}
    response_of, loss_of = split.means[0] @ answers, split.means[1] @ own
    classes = [
        OneClass(group=group, name=name, n=size, response=float(one), loss=float(other))
        for (group, name), size, one, other in zip(
            split.names, split.sizes, response_of, loss_of, strict=True
        )
    ]
    found = []
    for among in ("all", *items.judged):
        rows = [i for i, (group, _) in enumerate(split.names) if among in ("all", group)]
        if len(rows) < LEAST_CLASSES or (among != "all" and len(rows) == len(classes)):
            continue
        if not split.varies(answers, own, rows):
            continue
        rho = float(split.correlations(answers, own[:, None], rows)[0])
        matched = [
            _against(split, answers, rivals.get(against(rule), own[:, None]), drawn[rule], rule,
                     rows)
            for rule in rules
            if drawn[rule].shape[1] > 1
        ]  # fmt: skip
        found.append(
            Serving(among=among, n=len(rows), correlation=rho, ci=interval(rho, len(rows)),
                    matched=tuple(matched))
        )  # fmt: skip
    return ByClass(classes=tuple(classes), correlations=tuple(found))


def _against(
    split: _Split, answers: Floats, rival: Floats, drawn: Floats, rule: str, rows: Sequence[int]
) -> MatchedLoss:
    own = float(split.correlations(answers, rival, rows)[0])
    others = split.correlations(answers, drawn, rows)
    place = rank(own, others)
    return MatchedLoss(rule=rule, draws=len(others), mean=float(others.mean()), p=place.p)


def spearman(one: Floats, others: Floats) -> Floats:
    """Spearman's correlation of one row with every column of others; 0 where either is constant.

    Parameters
    ----------
    one : array of shape (n,)
    others : array of shape (n, n_columns)
    """
    first = stats.rankdata(one) - (len(one) + 1) / 2
    second = stats.rankdata(others, axis=0) - (len(one) + 1) / 2
    size = np.sqrt((first @ first) * np.sum(second**2, axis=0))
    found: Floats = np.divide(first @ second, size, out=np.zeros(len(size)), where=size > 0)
    return found


def interval(rho: float, n: int) -> Interval:
    """95 % interval of Spearman's correlation of n pairs.

    References
    ----------
    Bonett and Wright (2000), Sample size requirements for estimating Pearson, Kendall and Spearman
    correlations, Psychometrika 65, 23-28.
    """
    middle = math.atanh(max(-LARGEST, min(LARGEST, rho)))
    reach = Z * math.sqrt((1 + rho**2 / 2) / (n - 3))
    return math.tanh(middle - reach), math.tanh(middle + reach)
