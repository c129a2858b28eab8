"""How many units a percentage is, and how far the top masks of two halves are the same units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from common.measure.moments import Array

CHOSEN = "chosen"  # what a map is told of units that come first, whatever their score
SPLITS = "splits"  # and of many random halves
OF_DOSES = {"split_half": ("dice", "dice_chance"), SPLITS: ("dice", "held", "n_mostly")}
"""What a map is told of the masks of its doses."""


@dataclass(frozen=True)
class SplitHalf:
    """How well two halves of the localizer agree.

    Attributes
    ----------
    correlation : float
        Pearson's r of the score over units, between the maps of the two halves.
    dice : dict of float to float
        For each percent, the Dice overlap of the two halves' top masks.
    dice_chance : dict of float to float
        The overlap that random masks of that size would have.
    """

    correlation: float
    dice: dict[float, float]
    dice_chance: dict[float, float]


def split_half(
    one: Array, two: Array, percents: Sequence[float], *, truncated: bool = False
) -> SplitHalf:
    """Compare the score of the same units, shape (n_units,) each, in two halves of the stimuli.

    Examples
    --------
    >>> split_half(found.t, found.t, [25]).dice
    {25: 1.0}
    """
    dice, chance = {}, {}
    for percent in percents:
        k = n_chosen(len(one), percent, truncated=truncated)
        shared = int((in_top(one, k) & in_top(two, k)).sum())
        dice[percent], chance[percent] = shared / k, k / len(one)
    varies = np.ptp(one) > 0 and np.ptp(two) > 0
    correlation = float(np.corrcoef(one, two)[0, 1]) if varies else 0.0
    return SplitHalf(correlation, dice, chance)


def in_top(score: Array, k: int) -> np.ndarray:
    """Which units are the k with the highest score, ties by rising index, without sorting them all.

    Returns
    -------
    array of bool of shape (n_units,)
    """
    threshold = np.partition(score, len(score) - k)[len(score) - k]
    chosen: np.ndarray = score > threshold
    ties = np.flatnonzero(score == threshold)
    chosen[ties[: k - int(chosen.sum())]] = True
    return chosen


def chosen_first(order: np.ndarray, about: Mapping[str, Any]) -> np.ndarray:
    """An order of units, those in front that a map was told of, if there are any.

    Parameters
    ----------
    order : array of int of shape (n_units,)
        All units.
    about : mapping
        Of the map; its entry ``chosen`` holds ``units``.
    """
    if CHOSEN not in about:
        return order
    first = np.isin(order, about[CHOSEN]["units"])
    return np.concatenate([order[first], order[~first]])


def without_doses(about: Mapping[str, Any]) -> dict[str, Any]:
    """What a map is told, for other masks than those that it was told of."""
    emptied = {
        name: {**about[name], **{each: {} for each in told}}
        for name, told in OF_DOSES.items()
        if name in about
    }
    return {**about, **emptied}


def headline_of(percents: Sequence[float]) -> float:
    """The dose that a verdict is about: the paper's 1 % where it was tried, or the first."""
    return 1.0 if 1.0 in percents else percents[0]


def n_chosen(n_units: int, percent: float, *, truncated: bool = False) -> int:
    """How many units a percentage is: rounded to the nearest, or cut; and never none."""
    exact = n_units * percent / 100
    return max(1, int(exact) if truncated else round(exact))
