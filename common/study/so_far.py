"""What is known of an evaluation while it goes on: how much is right, by group, under the masks.

It is told through the progress, as a step that is no step: its name holds the numbers. They are
for looking at; a verdict needs all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic

import numpy as np

from common.base.progress import KNOWN, Progress
from common.effects.items import Items, Outcome
from common.measure.masks import Mask

EVERY = 2.0  # seconds between two looks, at least
INTACT = "intact"
Counts = dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Known:
    """What is known of one rule at one dose.

    Attributes
    ----------
    rule : str
        Of the masks, or ``intact``.
    percent : float or None
        Their dose.
    draws : int
        How many masks they are.
    groups : dict of str to (int, int)
        By group, how many answers were right and how many there were, of all of them together.
    """

    rule: str
    percent: float | None
    draws: int
    groups: Counts


def read_known(step: str) -> list[Known]:
    """What a step of the progress says that is named as :meth:`SoFar.tell` names it."""
    rows = json.loads(step.removeprefix(KNOWN))
    return [
        Known(rule, percent, draws, {name: (right, n) for name, (right, n) in groups.items()})
        for rule, percent, draws, groups in rows
    ]


class SoFar:
    """Counts what is right while batches come in.

    Parameters
    ----------
    items : Items
        What is evaluated.
    progress : Progress
        Told of it.
    """

    def __init__(self, items: Items, progress: Progress) -> None:
        self._items, self._progress = items, progress
        self._whole: list[tuple[Mask | None, Counts]] = []
        self._told = monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time to tell it."""
        return monotonic() >= self._told + EVERY

    def finish(self, mask: Mask | None, outcome: Outcome) -> None:
        """All items are known under a mask."""
        places = np.arange(len(outcome.correct))
        self._whole.append((mask, self._counted(places, outcome.correct)))

    def tell(self, some: Iterable[tuple[Mask | None, np.ndarray, np.ndarray]]) -> None:
        """Tell what is known by now.

        Parameters
        ----------
        some : iterable of (Mask or None, array of int, array of bool)
            Masks that are under way: which items are known, and whether each is right.
        """
        self._told = monotonic()
        under_way = [(mask, self._counted(places, correct)) for mask, places, correct in some]
        rows: dict[tuple[str, float | None], list[Counts]] = {}
        for mask, counts in (*self._whole, *under_way):
            key = (INTACT, None) if mask is None else (mask.rule, mask.percent)
            rows.setdefault(key, []).append(counts)
        told = [[*key, len(counts), _summed(counts)] for key, counts in rows.items()]
        self._progress(f"{KNOWN}{json.dumps(told)}", 0, 0)

    def _counted(self, places: np.ndarray, correct: np.ndarray) -> Counts:
        groups = self._items.groups[places]
        return {
            name: (int(correct[groups == name].sum()), int((groups == name).sum()))
            for name in self._items.every_group
        }


def _summed(counts: list[Counts]) -> Counts:
    return {
        name: (sum(each[name][0] for each in counts), sum(each[name][1] for each in counts))
        for name in counts[0]
    }
