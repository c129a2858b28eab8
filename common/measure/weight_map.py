"""The map of weights: show a model the stimuli of a localizer one by one, and score its weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from common.base.device import free_memory
from common.base.errors import DataError, SettingError
from common.base.heavy import torch
from common.base.progress import NOTE, Progress, silent
from common.measure.batch import Batch, loss_of
from common.measure.halves import CONTROL_HALVES, TARGET_HALVES, assign_groups, keep_agreement
from common.measure.loudness import EXCLUDED
from common.measure.moments import Array
from common.measure.rules import Contrast, Score, ScoreRule
from common.measure.saliency import Saliencies
from common.measure.scores import SelectivityMap, check_level, nothing, score_rule
from common.measure.shortage import is_shortage, no_room
from common.measure.sites import WEIGHT, Site
from common.measure.weights import PARAMETER, learning

if TYPE_CHECKING:
    from torch import nn

BYTES = 100  # a weight; 94 at most were seen: four sums, the map's columns, what they are made in


def weight_map(
    model: nn.Module,
    sites: Sequence[Site],
    target: Sequence[Any],
    control: Sequence[Any],
    batches: Callable[[np.ndarray], Iterable[Batch]],
    *,
    score: str,
    exclude_massive: float | None = None,
    percents: Sequence[float] = (1.0,),
    seed: int = 0,
    about: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> SelectivityMap:
    """Contrast two sides over all weights of `sites`.

    Memory grows with the number of weights, and not with that of the stimuli.

    Parameters
    ----------
    model : nn.Module
        The model.
    sites : sequence of Site
        Of weights, as from :func:`common.measure.weights.weight_sites`.
    target, control, batches, exclude_massive, percents, seed, about, progress
        As in :func:`common.measure.contrast.contrast`. Batches are taken apart: each stimulus goes
        through the model by itself.
    score : str
        A rule that scores weights.

    Raises
    ------
    SettingError
        If the score is of units, or there is not enough memory.
    DataError
        If a side has fewer than two stimuli, or a gradient is not finite.
    """
    check_level(score, PARAMETER)
    for side, stimuli in (("target", target), ("control", control)):
        if len(stimuli) < 2:
            raise DataError(
                f"the {side} condition has {len(stimuli)} stimulus: a contrast needs two or more "
                "on either side"
            )
    check_room(sum(site.n_units(WEIGHT) for site in sites), progress)
    rule = score_rule(score)
    names = [stimulus.condition for stimulus in (*target, *control)]
    groups = assign_groups(names, np.arange(len(names)) < len(target), seed)
    sums = Saliencies(model, sites)
    done = 0
    with learning(model, sums.parameters), torch.enable_grad():
        for batch in batches(groups):
            for one in singly(batch):
                _count(sums, one, int(groups[one.where[0]]), score)
            done += len(batch.where)
            progress("localize", done, len(names))
    return _map(sums, rule, exclude_massive, percents, about or {})


def singly(batch: Batch) -> Iterator[Batch]:
    """The stimuli of a batch, each as a batch of its own."""
    if len(batch.where) == 1:
        yield batch
        return
    if batch.part is None:
        raise SettingError("`level` parameter: needs stimuli one by one, and these come in batches")
    for number in range(len(batch.where)):
        yield batch.part(slice(number, number + 1))


def check_room(n: int, progress: Progress = silent) -> None:
    """Say what scoring so many weights takes, and refuse what cannot fit.

    Raises
    ------
    SettingError
        If that is more than is free.
    """
    needed, free = BYTES * n, free_memory(torch.device("cpu"))
    said = f"`level` parameter: scoring {n:,} weights takes about {_gigabytes(needed)} of memory"
    if needed > free:
        raise SettingError(
            f"{said} beside the model, and {_gigabytes(free)} are free; name fewer tensors by "
            "`sites`"
        )
    progress(f"{NOTE}{said}, and three passes for each stimulus by itself", 0, 0)


def _gigabytes(n: int) -> str:
    return f"{n / 1e9:.1f} GB" if n >= 1e8 else f"{n / 1e6:.1f} MB"


def _count(sums: Saliencies, one: Batch, group: int, score: str) -> None:
    try:
        sums.add(group, loss_of(one, score).each.sum())
    except Exception as error:
        if is_shortage(error):
            raise no_room() from error
        raise


def _map(
    sums: Saliencies,
    rule: ScoreRule,
    exclude_massive: float | None,
    percents: Sequence[float],
    about: Mapping[str, Any],
) -> SelectivityMap:
    def alone(one: int, two: int) -> Array:
        return _single(rule.alone(Contrast({}, {}, ((one,), (two,)), sums)))

    told = {**about, **({} if exclude_massive is None else {EXCLUDED: exclude_massive})}
    first, second = map(alone, TARGET_HALVES, CONTROL_HALVES)
    whole = Contrast({}, {}, (TARGET_HALVES, CONTROL_HALVES), sums)
    value, sizes = _single(rule.alone(whole)), sums.sizes
    found = SelectivityMap(
        sites=sums.sites,
        unit=WEIGHT,
        pooling="none",
        statistic="magnitude",
        n_target=sums.count(TARGET_HALVES),
        n_control=sums.count(CONTROL_HALVES),
        score=Score(rule.words, value),
        mean_target=_single(sums.mean(TARGET_HALVES)),
        mean_control=_single(sums.mean(CONTROL_HALVES)),
        output_control=nothing(sizes.shape),
        magnitude=sizes,
        about=told,
    )
    sums.forget()
    keep_agreement(found, first, second, percents)
    return found


def _single(values: Array) -> Array:
    """What is kept of a row of weights: seven digits, in half of the memory."""
    return cast(Array, values.astype(np.float32))
