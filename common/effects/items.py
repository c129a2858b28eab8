"""The evaluation items, and what the model did with every one of them under a mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from common.base.errors import DataError
from common.effects.measured import AGREEMENT, Measure


@dataclass(frozen=True)
class Items:
    """The evaluation items, in one order for all masks.

    Attributes
    ----------
    names : sequence of str
        What each item is called in ``items.csv``.
    groups : array of str of shape (n_items,)
        The group of each item.
    target, other : str, str or None
        The verdict is on the target group: against the other, or by itself.
    labels : array of shape (n_items,), optional
        The right answer of each item.
    levels : mapping of str to array of str of shape (n_items,)
        Other ways to sort the items, coarse ones first (field, phenomenon): a column each in
        ``items.csv``, and the parts of each in the breakdown.
    measure : {"accuracy", "agreement"}
        What counts as right: the label, or what the intact model gives, which is the label as soon
        as it is known (:meth:`known`).
    """

    names: Sequence[str]
    groups: np.ndarray
    target: str
    other: str | None = None
    labels: np.ndarray | None = None
    levels: Mapping[str, np.ndarray] = field(default_factory=dict)
    measure: Measure = "accuracy"

    def __post_init__(self) -> None:
        if self.target == self.other:
            raise DataError(f"evaluation group {self.target!r} is set against itself")
        for group in self.judged:
            if not (self.groups == group).any():
                raise DataError(f"evaluation group {group!r} is empty")

    def known(self, intact: Outcome) -> Items:
        """The same once the intact outcome is known, which by agreement is the labels."""
        return replace(self, labels=intact.prediction) if self.measure == AGREEMENT else self

    @property
    def judged(self) -> list[str]:
        """The groups that the verdict is about."""
        return [self.target] if self.other is None else [self.target, self.other]

    @property
    def every_group(self) -> list[str]:
        """All groups, those that are judged first."""
        return [*dict.fromkeys([*self.judged, *sorted(set(self.groups.tolist()))])]


@dataclass(frozen=True)
class Outcome:
    """What the model did with every evaluation item under one mask.

    Attributes
    ----------
    prediction : array of int of shape (n_items,)
        The class (or the alternative) that the model chose.
    correct : array of bool of shape (n_items,)
        Whether that was right.
    margin : array of float32 of shape (n_items,)
        Logit of the right answer minus the highest logit of a wrong one.
    beside : mapping of str to array
        What else was measured under the same mask, by name: nats of each window of a text.
    """

    prediction: np.ndarray
    correct: np.ndarray
    margin: np.ndarray
    beside: Mapping[str, np.ndarray] = field(default_factory=dict)

    def fits(self, n_items: int) -> bool:
        """Whether it is of so many items."""
        return all(
            array.shape == (n_items,) for array in (self.prediction, self.correct, self.margin)
        )
