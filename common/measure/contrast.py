"""Show a model the stimuli of a localizer and score its units by any rule: the one loop for all.

A front end says how a batch of its stimuli goes through the model; who belongs to which half, what
is recorded, what the score's rule accumulates beside it and how all of it ends is said here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from common.base import team
from common.base.errors import DataError, SettingError
from common.base.progress import Progress, silent
from common.measure.halves import Conditions, assign_groups, selectivity_map
from common.measure.loudness import EXCLUDED
from common.measure.moments import Statistic
from common.measure.record import record
from common.measure.rules import Watching
from common.measure.scores import DEFAULT_SCORE, SelectivityMap, score_rule
from common.measure.shortage import is_shortage, no_room, release
from common.measure.sinks import LeftOut
from common.measure.sites import Pooling, Site, Unit, check_pooling

LEAST_STIMULI = 4  # of a condition that is tested by itself


class Stimulus(Protocol):
    """What a front end calls its pictures or texts."""

    @property
    def name(self) -> str: ...
    @property
    def condition(self) -> str: ...


@dataclass(frozen=True)
class Loss:
    """What a pass of the whole model costs.

    Attributes
    ----------
    each : tensor of shape (n_stimuli,)
        The loss of each stimulus in nats, with its graph if there is one.
    right : tensor or None
        What counts as right, where the intact model says it (its predictions): handed over to the
        passes under an ablation, so that these are held against the same.
    """

    each: Tensor
    right: Tensor | None = None


@dataclass(frozen=True)
class Batch:
    """Some of the stimuli, ready to go through the model.

    Attributes
    ----------
    where : array of int of shape (n_stimuli,)
        Their places among all stimuli, the target's before the control's.
    run : callable
        Calls the model once, and gives its output.
    tokens : tensor of shape (n_stimuli, n_positions), optional
        1 for a real token and 0 for padding.
    loss : callable, optional
        Calls the whole model once, and gives a :class:`Loss`; see there.
    part : callable, optional
        From a slice to a batch of these stimuli alone, for where memory runs out in all of it.
    """

    where: np.ndarray
    run: Callable[[], Any]
    tokens: Tensor | None = None
    part: Callable[[slice], Batch] | None = None
    loss: Callable[[Tensor | None], Loss] | None = None


class Fitting:
    """Shows batches, in halves where memory runs out, and so all of them from then on."""

    def __init__(self, show: Callable[[Batch], None]) -> None:
        self.show = show
        self._halved = 0

    def __call__(self, batch: Batch, depth: int = 0) -> None:
        """Show a batch; what a pass gives must count when it has ended, and not before.

        Raises
        ------
        ModelError
            If memory runs out for a single stimulus, too.
        """
        part, middle = batch.part, len(batch.where) // 2
        if depth >= self._halved or part is None or not middle:
            try:
                self.show(batch)
                return
            except Exception as error:
                if not is_shortage(error):
                    raise
                if part is None or not middle:
                    raise no_room() from error
                self._halved = depth + 1
            release()
        for which in (slice(None, middle), slice(middle, None)):
            self(part(which), depth + 1)


def contrast(
    module: nn.Module,
    sites: Sequence[Site],
    target: Sequence[Stimulus],
    control: Sequence[Stimulus],
    batches: Callable[[np.ndarray], Iterable[Batch]],
    *,
    score: str = DEFAULT_SCORE,
    unit: Unit = "channel",
    pooling: Pooling | None = None,
    statistic: Statistic = "magnitude",
    through: str = "",
    left_out: LeftOut | None = None,
    exclude_massive: float | None = None,
    percents: Sequence[float] = (1.0,),
    seed: int = 0,
    about: dict[str, Any] | None = None,
    progress: Progress = silent,
) -> SelectivityMap:
    """Contrast two sides over all units of `sites`, in one pass over the stimuli.

    Parameters
    ----------
    module : nn.Module
        The model.
    sites : sequence of Site
        Where it is read.
    target, control : sequence of stimuli
        Each has a name and a condition.
    batches : callable
        Given the group of every stimulus (:func:`common.measure.halves.assign_groups`), gives the
        batches in any order, each stimulus once.
    score : str, default="welch"
        The rule that scores units; see :data:`common.measure.scores.SCORE_RULES`.
    unit, pooling, statistic, through, left_out
        See :func:`common.measure.record.record`.
    exclude_massive : float, optional
        Units from so many times the median of their site on are left out of masks; see
        :mod:`common.measure.loudness`.
    percents : sequence of float, default=(1.0,)
        Mask sizes whose split-half overlap is kept with the map.
    seed : int, default=0
        Seed of the split into halves.
    about : dict, optional
        Kept with the map.
    progress : Progress
        Told of every batch.

    Raises
    ------
    SettingError
        If there is no such score.
    DataError
        If an activation is not finite, or the rule goes by conditions and one has too few stimuli.
    """
    rule = score_rule(score)
    if rule.by_condition:
        _check_conditions(score, [stimulus.condition for stimulus in control])
    stimuli = [*target, *control]
    is_target = np.arange(len(stimuli)) < len(target)
    names_of = [stimulus.condition for stimulus in stimuli]
    groups = assign_groups(names_of, is_target, seed)
    # For neurons the moments of each condition are as long as a feature map: only where needed.
    kept = rule.by_condition or unit == "channel"
    conditions = Conditions.of(names_of, groups) if kept else None
    where = Watching(module, sites, unit, check_pooling(unit, pooling), through)
    done = 0
    with (
        _graph(rule.needs_gradients),
        record(
            module,
            sites,
            unit=unit,
            pooling=pooling,
            statistic=statistic,
            through=through,
            left_out=left_out,
        ) as recorder,
        nullcontext() if rule.watch is None else rule.watch(where) as watcher,
    ):

        def show(batch: Batch) -> None:
            names = [stimuli[i].name for i in batch.where]
            finer = None if conditions is None else conditions.numbers[batch.where]
            recorder.expect(groups[batch.where], batch.tokens, names, finer)
            if watcher is None:
                recorder.run(batch.run)
            else:
                watcher.expect(groups[batch.where], batch.tokens)
                with recorder.as_one():
                    watcher.after(_loss(batch, score).each if rule.needs_loss else batch.run())

        fitting = Fitting(show)
        # A watcher gathers what no other process can give it: each then sees all of it.
        every = batches(groups)
        for some in team.rounds(every) if watcher is None else ([batch] for batch in every):
            if watcher is None:
                with recorder.in_turn():
                    for batch in some[team.rank() : team.rank() + 1]:
                        fitting(batch)
            else:
                fitting(some[0])
            done += sum(len(batch.where) for batch in some)
            progress("localize", done, len(stimuli))
    said = {"left_out": left_out, EXCLUDED: exclude_massive}
    told = {name: value for name, value in said.items() if value is not None}
    return selectivity_map(recorder, percents, {**(about or {}), **told}, rule, watcher, conditions)


def _check_conditions(score: str, conditions: Sequence[str]) -> None:
    """Refuse a control condition that has no variance in one of its halves."""
    name, n = min(Counter(conditions).items(), key=lambda pair: pair[1])
    if n < LEAST_STIMULI:
        raise DataError(
            f"`score` {score}: needs {LEAST_STIMULI} stimuli of each control condition, two for "
            f"each half; {name} has {n}"
        )


def _loss(batch: Batch, score: str) -> Loss:
    """The loss of a batch of the model as it is.

    Raises
    ------
    SettingError
        If the front end gives none.
    """
    if batch.loss is None:
        raise SettingError(f"`score` {score}: needs a loss, and these stimuli have none")
    return batch.loss(None)


@contextmanager
def _graph(needed: bool) -> Iterator[None]:
    """Run with a graph to go backwards through, or in inference mode."""
    with torch.enable_grad() if needed else torch.inference_mode():
        yield
