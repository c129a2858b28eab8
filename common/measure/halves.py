"""The localizer's bookkeeping: which stimuli go into which half, and the map that comes out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from common.measure.moments import Array, Moments, Statistic, merged
from common.measure.rules import Contrast, ScoreRule
from common.measure.scores import (
    DEFAULT_SCORE,
    SCORE_RULES,
    TRUNCATED,
    SelectivityMap,
    scored,
)
from common.measure.shares import split_half
from common.measure.sites import Pooling, Site, Unit
from common.measure.welch import APART

TARGET_HALVES, CONTROL_HALVES = (0, 1), (2, 3)


class Recorded(Protocol):
    """What a map is made of: a :class:`common.measure.record.Recorder`, or one contrast's part."""

    @property
    def unit(self) -> Unit: ...
    @property
    def pooling(self) -> Pooling: ...
    @property
    def statistic(self) -> Statistic: ...
    def group(self, number: int) -> dict[Site, Moments]: ...
    def finer_group(self, number: int) -> dict[Site, Moments]: ...


def assign_groups(
    conditions: Sequence[str], is_target: Sequence[bool] | np.ndarray, seed: int
) -> np.ndarray:
    """Split every condition into two random halves, and number target and control halves apart.

    Parameters
    ----------
    conditions : sequence of str of length n_stimuli
        The condition of each stimulus. Halves are balanced within each one, and within each side.
    is_target : array of bool of shape (n_stimuli,)
        Which side it is on.
    seed : int
        Seed of the split.

    Returns
    -------
    array of int of shape (n_stimuli,)
        0 and 1 for the halves of the target, 2 and 3 for those of the control.
    """
    rng = np.random.default_rng([seed, 0])
    names = np.asarray(conditions)
    sides = np.where(is_target, TARGET_HALVES[0], CONTROL_HALVES[0])
    halves = np.zeros(len(names), dtype=int)
    for side in set(sides.tolist()):
        present = sorted(set(names[sides == side].tolist()))
        members = [np.flatnonzero((names == name) & (sides == side)) for name in present]
        # One row over all conditions, so that the odd ones of each do not all fall to one half.
        halves[np.concatenate([rng.permutation(those) for those in members])[::2]] = 1
    return halves + sides


@dataclass(frozen=True)
class Conditions:
    """The conditions of a localizer, each in its halves: the recorder's finer groups.

    Attributes
    ----------
    target, control : sequence of str
        Names, in alphabetical order.
    numbers : array of int of shape (n_stimuli,)
        The finer group of each stimulus: twice the condition's place, target's first, and its half.
    """

    target: Sequence[str]
    control: Sequence[str]
    numbers: np.ndarray

    @classmethod
    def of(cls, conditions: Sequence[str], groups: np.ndarray) -> Conditions:
        """Those of stimuli that :func:`assign_groups` has assigned."""
        names, is_target = np.asarray(conditions), groups < CONTROL_HALVES[0]
        target, control = (sorted(set(names[side].tolist())) for side in (is_target, ~is_target))
        first = {name: place for place, name in enumerate(target)}
        second = {name: len(target) + place for place, name in enumerate(control)}
        places = [
            (first if side else second)[name]
            for name, side in zip(names.tolist(), is_target.tolist(), strict=True)
        ]
        return cls(target, control, 2 * np.array(places) + groups % 2)

    def moments(
        self, recorder: Recorded, halves: Sequence[int] = (0, 1)
    ) -> tuple[list[dict[Site, Moments]], list[dict[Site, Moments]]]:
        """Moments of each condition of the target and of the control, over one half or both."""
        every = [
            _merged(recorder.finer_group(2 * place + half) for half in halves)
            for place in range(len(self.target) + len(self.control))
        ]
        return every[: len(self.target)], every[len(self.target) :]


def _merged(parts: Iterable[dict[Site, Moments]]) -> dict[Site, Moments]:
    there = [part for part in parts if part]
    sites = there[0] if there else {}
    return {site: merged(part[site] for part in there) for site in sites}


def selectivity_map(
    recorder: Recorded,
    percents: Sequence[float],
    about: dict[str, Any],
    rule: ScoreRule = SCORE_RULES[DEFAULT_SCORE],
    watched: Any = None,
    conditions: Conditions | None = None,
) -> SelectivityMap:
    """The map over all stimuli, with its split-half reliability, from what was recorded.

    Parameters
    ----------
    recorder : Recorded
        Has recorded in the groups of :func:`assign_groups`.
    percents : sequence of float
        Sizes of the top masks whose overlap is reported.
    about : dict
        Kept with the map.
    rule : ScoreRule, optional
        How units are scored.
    watched : object, optional
        What the rule's watcher has accumulated.
    conditions : Conditions, optional
        Those whose moments were recorded in finer groups.
    """

    def of(*halves: int) -> Any:
        return None if conditions is None else conditions.moments(recorder, halves)

    halves = list(zip(TARGET_HALVES, CONTROL_HALVES, strict=True))
    first, second = (
        rule.alone(
            Contrast(recorder.group(one), recorder.group(two), ((one,), (two,)), watched, of(one)),
        )
        for one, two in halves
    )
    target, control = (
        _both(recorder.group(one), recorder.group(two))
        for one, two in (TARGET_HALVES, CONTROL_HALVES)
    )
    found = scored(
        Contrast(target, control, (TARGET_HALVES, CONTROL_HALVES), watched, of(0, 1)),
        rule,
        unit=recorder.unit,
        pooling=recorder.pooling,
        statistic=recorder.statistic,
        about={**about},
    )
    keep_agreement(found, first, second, percents)
    found.about["lower_signed"] = _lower_signed(found, target, control, percents)
    if separated := _separated(found):
        found.about["separated"] = separated
    return found


def keep_agreement(
    found: SelectivityMap, first: Array, second: Array, percents: Sequence[float]
) -> None:
    """Write into a map how far the scores of its two halves agree, over the units that are kept."""
    kept, truncated = ~found.excluded, found.about.get("k") == TRUNCATED
    agreement = asdict(split_half(first[kept], second[kept], percents, truncated=truncated))
    for name in ("dice", "dice_chance"):
        agreement[name] = {f"{percent:g}": value for percent, value in agreement[name].items()}
    found.about["split_half"] = agreement


def _lower_signed(
    found: SelectivityMap,
    target: dict[Site, Moments],
    control: dict[Site, Moments],
    percents: Sequence[float],
) -> dict[str, int]:
    """By dose, how many top units have a lower mean for the target once signs count."""
    lower = np.concatenate([target[site].output < control[site].output for site in target])
    return {
        f"{percent:g}": int(lower[found.ranking[: found.n_chosen(percent)]].sum())
        for percent in percents
    }


def _separated(found: SelectivityMap) -> list[str]:
    """Names of the units that separate the conditions without any variance, best first."""
    if APART not in found.score.columns:
        return []
    apart = found.score.column(APART) > 0
    units = found.ranking[apart[found.ranking]].tolist()
    sites = [found.sites[number] for number in found.site_of_unit[units].tolist()]
    starts = found.offsets[found.site_of_unit[units]].tolist()
    return [
        f"{site}, unit {unit - start}"
        for site, unit, start in zip(sites, units, starts, strict=True)
    ]


def _both(one: dict[Site, Moments], two: dict[Site, Moments]) -> dict[Site, Moments]:
    return {site: one[site].merge(two[site]) for site in one}
