"""Several contrasts that share stimuli, in one pass over all of them; each at its own sites.

A stimulus is on one side of a contrast and in one half of it, and elsewhere in another. Stimuli
that are alike in all of that are a *cell*; moments are kept by cell, and those of a side, a half
or a condition are merges of its cells (Chan et al. 1979), so every map is the one that its contrast
would have made alone, up to rounding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from common.base.errors import SettingError
from common.base.heavy import torch
from common.base.progress import Progress, silent
from common.measure.batch import Batch
from common.measure.contrast import (
    Stimulus,
    check_conditions,
    contrast,
    kept_with_it,
    show_all,
)
from common.measure.halves import Conditions, assign_groups, selectivity_map
from common.measure.moments import Array, Moments, Statistic
from common.measure.operations import operations
from common.measure.record import Recorder, record
from common.measure.rules import ScoreRule
from common.measure.scores import (
    DEFAULT_SCORE,
    SelectivityMap,
    check_effort,
    score_rule,
)
from common.measure.sinks import LeftOut
from common.measure.sites import Pooling, Site, Unit
from common.measure.splits import SPLITS, stability
from common.measure.weight_map import weight_map

if TYPE_CHECKING:
    from torch import nn

NOWHERE = -1  # the group of a stimulus that a contrast does not use

Batches = Callable[[np.ndarray, np.ndarray], Iterable[Batch]]


@dataclass(frozen=True)
class Place:
    """Where one of several contrasts is read, if not where all are.

    Attributes
    ----------
    sites : sequence of Site
        Its sites.
    percents : sequence of float
        See :func:`common.measure.contrast.contrast`.
    """

    sites: Sequence[Site]
    percents: Sequence[float]


@dataclass(frozen=True)
class Sides:
    """One of several contrasts.

    Attributes
    ----------
    target, control : sequence of stimuli
        Each has a name and a condition.
    places : array of int of shape (n_target + n_control,)
        The number of each, the target's first, among the stimuli of all contrasts.
    own : Place, optional
        Where it is read; left out, where all are.
    """

    target: Sequence[Stimulus]
    control: Sequence[Stimulus]
    places: np.ndarray
    own: Place | None = None

    @property
    def both(self) -> list[Stimulus]:
        """The target's stimuli, and then the control's."""
        return [*self.target, *self.control]


def shared_places(keys: Sequence[Sequence[str]]) -> tuple[list[tuple[int, int]], list[np.ndarray]]:
    """Which stimuli of several contrasts are the same.

    Parameters
    ----------
    keys : sequence of sequence of str
        By contrast, what tells each of its stimuli from others. Two that are the same within one
        contrast stay two.

    Returns
    -------
    (list of (int, int), list of array of int)
        Of each different stimulus a contrast and its place there; and :attr:`Sides.places`.
    """
    known: dict[tuple[str, int], int] = {}
    first: list[tuple[int, int]] = []
    places = []
    for number, own in enumerate(keys):
        seen: Counter[str] = Counter()
        found = []
        for place, key in enumerate(own):
            seen[key] += 1
            found.append(known.setdefault((key, seen[key]), len(known)))
            if len(known) > len(first):
                first.append((number, place))
        places.append(np.array(found, dtype=int))
    return first, places


def contrasts(
    module: nn.Module,
    sites: Sequence[Site],
    every: Sequence[Sides],
    batches: Batches,
    *,
    score: str = DEFAULT_SCORE,
    unit: Unit = "channel",
    splits: int | None = None,
    percents: Sequence[float] = (1.0,),
    progress: Progress = silent,
    **how: Any,
) -> list[SelectivityMap]:
    """The maps of several contrasts.

    A score that asks more of a pass than moments, and neurons, whose moments are as long as a
    feature map, take a pass a contrast; so do weights.

    Parameters
    ----------
    module, sites, score, unit, percents, progress, **how
        As in :func:`common.measure.contrast.contrast`; sites and percents of those contrasts that
        have none of their own.
    every : sequence of Sides
        The contrasts.
    batches : callable
        Given places among the stimuli of all contrasts, and the group of each, gives the batches;
        a batch says where its stimuli are among these places.
    splits : int, optional
        Random halves by which the stability of every map is told; see
        :mod:`common.measure.splits`. One number a stimulus and unit is kept for that.

    Raises
    ------
    SettingError
        If splits are asked of neurons, or of a score that needs more than the moments of two sides.

    Returns
    -------
    list of SelectivityMap
        In the order of the contrasts.
    """
    placed = [each.own or Place(sites, percents) for each in every]
    if any(site.of_weights for place in placed for site in place.sites):
        return _of_weights(module, placed, every, batches, score, splits, progress, **how)
    rule = score_rule(score)
    of_moments = unit == "channel" and rule.watch is None and rule.later is None
    if splits is not None and (not of_moments or rule.by_condition):
        raise SettingError(
            f"`splits`: many halves are scored of channels by their moments; `score` {score} of "
            f"{unit}s needs more"
        )
    if of_moments and (len(every) > 1 or splits is not None):
        return _together(module, placed, every, batches, rule, progress, splits, **how)
    return [
        contrast(
            module, place.sites, each.target, each.control, partial(batches, each.places),
            score=score, unit=unit, percents=place.percents, progress=progress, **how,
        )
        for each, place in zip(every, placed, strict=True)
    ]  # fmt: skip


def _of_weights(
    module: nn.Module,
    placed: Sequence[Place],
    every: Sequence[Sides],
    batches: Batches,
    score: str,
    splits: int | None,
    progress: Progress,
    **how: Any,
) -> list[SelectivityMap]:
    """The maps of weights, of which nothing is recorded but how much the loss hangs on them."""
    if splits is not None:
        raise SettingError("`splits`: would keep one number a stimulus and weight; leave it out")
    names = ("exclude_massive", "seed", "about")
    own = {name: how[name] for name in names if name in how}
    return [
        weight_map(
            module, place.sites, each.target, each.control, partial(batches, each.places),
            score=score, percents=place.percents, progress=progress, **own,
        )
        for each, place in zip(every, placed, strict=True)
    ]  # fmt: skip


def _together(
    module: nn.Module,
    placed: Sequence[Place],
    every: Sequence[Sides],
    batches: Batches,
    rule: ScoreRule,
    progress: Progress,
    splits: int | None,
    *,
    pooling: Pooling | None = None,
    statistic: Statistic = "magnitude",
    through: str = "",
    left_out: LeftOut | None = None,
    exclude_massive: float | None = None,
    seed: int = 0,
    effort: int | None = None,
    about: Mapping[str, Any] | None = None,
) -> list[SelectivityMap]:
    check_effort(rule.name, effort)
    for each in every:
        check_conditions(rule, each.control)
    sorted_out = [_sorted(each, seed) for each in every]
    n = 1 + max(int(each.places.max()) for each in every)
    cells, own, names = _cells(every, sorted_out, n, apart=splits is not None)
    where = {"pooling": pooling, "statistic": statistic, "left_out": left_out}
    # A place that several contrasts read, of whichever kind it is to each, is read once.
    sites = [*{str(site): site for place in placed for site in place.sites}.values()]
    with torch.inference_mode(), record(module, sites, through=through, **where) as recorder:  # type: ignore[arg-type]

        def show(batch: Batch) -> None:
            recorder.expect(cells[batch.where], batch.tokens, [names[i] for i in batch.where])
            recorder.run(batch.run)

        show_all(batches(np.arange(n), cells), show, n, progress, recorder)
    told = kept_with_it(about, left_out, exclude_massive, None)
    maps = [
        selectivity_map(
            _Own(recorder, place.sites, *groups),
            place.percents,
            {**told, **operations(module, place.sites)},
            rule,
            None,
            conditions,
        )
        for place, groups, (_, conditions) in zip(placed, own, sorted_out, strict=True)
    ]
    if splits is not None:
        values, resolution = _values(recorder, n)
        for found, each, place in zip(maps, every, placed, strict=True):
            found.about[SPLITS] = stability(
                found, {site: values[str(site)][each.places] for site in place.sites},
                [stimulus.condition for stimulus in each.both], len(each.target), rule,
                place.percents, splits, seed, resolution,
            )  # fmt: skip
    return maps


def _values(recorder: Recorder, n: int) -> tuple[dict[str, Array], float]:
    """By place the statistic of every stimulus, where each is a cell; and its resolution."""
    each = [recorder.group(number) for number in range(n)]
    resolution = max(moments.resolution for moments in each[0].values())
    return {str(site): np.stack([own[site].mean for own in each]) for site in each[0]}, resolution


def _sorted(sides: Sides, seed: int) -> tuple[np.ndarray, Conditions]:
    """The group of each stimulus of a contrast, and its conditions."""
    names = [stimulus.condition for stimulus in sides.both]
    groups = assign_groups(names, np.arange(len(names)) < len(sides.target), seed)
    return groups, Conditions.of(names, groups)


def _cells(
    every: Sequence[Sides],
    sorted_out: Sequence[tuple[np.ndarray, Conditions]],
    n: int,
    apart: bool,
) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]], list[str]]:
    """The cell of every stimulus; by contrast both groups of each cell; and the stimuli's names.

    With `apart` each stimulus is a cell.
    """
    table, names = np.full((n, 2 * len(every)), NOWHERE), [""] * n
    for column, (sides, (groups, conditions)) in enumerate(zip(every, sorted_out, strict=True)):
        table[sides.places, 2 * column] = groups
        table[sides.places, 2 * column + 1] = conditions.numbers
        for place, stimulus in zip(sides.places.tolist(), sides.both, strict=True):
            names[place] = names[place] or stimulus.name
    kinds, cells = table, np.arange(n)
    if not apart:
        kinds, cells = np.unique(table, axis=0, return_inverse=True)
    own = [(kinds[:, 2 * i], kinds[:, 2 * i + 1]) for i in range(len(every))]
    return cells.ravel(), own, names


@dataclass(frozen=True)
class _Own:
    """One contrast's part of what was recorded of all.

    Attributes
    ----------
    recorder : Recorder
        Has recorded by cell.
    sites : sequence of Site
        Those that this contrast is read at.
    groups, finer : array of int of shape (n_cells,)
        The group of every cell in this contrast, of the first and of the second kind.
    """

    recorder: Recorder
    sites: Sequence[Site]
    groups: np.ndarray
    finer: np.ndarray

    @property
    def unit(self) -> Unit:
        return self.recorder.unit

    @property
    def pooling(self) -> Pooling:
        return self.recorder.pooling

    @property
    def statistic(self) -> Statistic:
        return self.recorder.statistic

    def group(self, number: int) -> dict[Site, Moments]:
        return self._at_sites(self.groups == number)

    def finer_group(self, number: int) -> dict[Site, Moments]:
        return self._at_sites(self.finer == number)

    def _at_sites(self, cells: np.ndarray) -> dict[Site, Moments]:
        found = self.recorder.groups({*np.flatnonzero(cells).tolist()})
        named = {str(site): moments for site, moments in found.items()}
        return {site: named[str(site)] for site in self.sites if str(site) in named}
