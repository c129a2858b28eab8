"""Show a model the stimuli of a localizer and score its units by any rule: the one loop for all.

A front end says how a batch of its stimuli goes through the model; who belongs to which half, what
is recorded, what the score's rule accumulates beside it and how all of it ends is said here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from common.base import team
from common.base.errors import DataError
from common.base.heavy import torch
from common.base.memory import give_back_beyond
from common.base.progress import NOTE, Progress, silent
from common.measure.batch import Batch as Batch
from common.measure.batch import Fitting as Fitting
from common.measure.batch import Loss as Loss
from common.measure.batch import loss_of
from common.measure.halves import Conditions, assign_groups, selectivity_map
from common.measure.loudness import EXCLUDED
from common.measure.moments import Statistic
from common.measure.operations import operations
from common.measure.record import Recorder, record
from common.measure.rules import ScoreRule, Watching
from common.measure.scores import (
    DEFAULT_SCORE,
    SelectivityMap,
    check_effort,
    check_level,
    score_rule,
)
from common.measure.sinks import LeftOut
from common.measure.sites import Pooling, Site, Unit, check_pooling

if TYPE_CHECKING:
    from torch import nn

LEAST_STIMULI = 4  # of a condition that is tested by itself


class Stimulus(Protocol):
    """What a front end calls its pictures or texts."""

    @property
    def name(self) -> str: ...
    @property
    def condition(self) -> str: ...


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
    effort: int | None = None,
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
    effort : int, optional
        How much the score may take, where that is a choice; by default the rule's own.
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
    check_effort(score, effort)
    check_level(score, "unit")
    check_conditions(rule, control)
    stimuli = [*target, *control]
    is_target = np.arange(len(stimuli)) < len(target)
    names_of = [stimulus.condition for stimulus in stimuli]
    groups = assign_groups(names_of, is_target, seed)
    # For neurons the moments of each condition are as long as a feature map: only where needed.
    kept = rule.by_condition or unit == "channel"
    conditions = Conditions.of(names_of, groups) if kept else None
    where = Watching(
        module, sites, unit, check_pooling(unit, pooling), through, statistic, left_out, groups,
        lambda: batches(groups), effort or rule.effort, seed, progress,
    )  # fmt: skip
    if rule.later is not None:
        progress(f"{NOTE}{foretold(rule, where)}", 0, 0)
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
                    watcher.after(loss_of(batch, score).each if rule.needs_loss else batch.run())

        # A watcher gathers what no other process can give it: each then sees all of it.
        shown = recorder if watcher is None else None
        show_all(batches(groups), show, len(stimuli), progress, shown)
    watched = watcher if rule.later is None else rule.later(where)
    besides = {**(about or {}), **operations(module, sites)}
    told = kept_with_it(besides, left_out, exclude_massive, where.effort)
    return selectivity_map(recorder, percents, told, rule, watched, conditions)


def show_all(
    batches: Iterable[Batch],
    show: Callable[[Batch], None],
    n_stimuli: int,
    progress: Progress,
    recorder: Recorder | None,
) -> None:
    """Show all batches; where a recorder alone reads them, the processes of a team take turns."""
    fitting, done = Fitting(show), 0
    for some in team.rounds(batches) if recorder is not None else ([batch] for batch in batches):
        if recorder is None:
            fitting(some[0])
        else:
            with recorder.in_turn():
                for batch in some[team.rank() : team.rank() + 1]:
                    fitting(batch)
        done += sum(len(batch.where) for batch in some)
        progress("localize", done, n_stimuli)
        give_back_beyond()


def kept_with_it(
    about: Mapping[str, Any] | None,
    left_out: LeftOut | None,
    exclude_massive: float | None,
    effort: int | None,
) -> dict[str, Any]:
    """What is kept with a map, of what somebody chose."""
    said = {"left_out": left_out, EXCLUDED: exclude_massive, "effort": effort}
    return {**(about or {}), **{name: value for name, value in said.items() if value is not None}}


def foretold(rule: ScoreRule, where: Watching) -> str:
    """How much a rule that shows the stimuli again takes, in words."""
    passes = rule.passes(len(where.sites), where.n_units, where.effort or 0)
    return f"`score` {rule.name}: about {passes:,.0f} times as long as showing each stimulus once"


def check_conditions(rule: ScoreRule, control: Sequence[Stimulus]) -> None:
    """Refuse a control condition without variance in one of its halves, where a rule goes by it.

    Raises
    ------
    DataError
        If there is one.
    """
    if not rule.by_condition:
        return
    counted = Counter(stimulus.condition for stimulus in control)
    name, n = min(counted.items(), key=lambda pair: pair[1])
    if n < LEAST_STIMULI:
        raise DataError(
            f"`score` {rule.name}: needs {LEAST_STIMULI} stimuli of each control condition, two "
            f"for each half; {name} has {n}"
        )


@contextmanager
def _graph(needed: bool) -> Iterator[None]:
    """Run with a graph to go backwards through, or in inference mode."""
    with torch.enable_grad() if needed else torch.inference_mode():
        yield
