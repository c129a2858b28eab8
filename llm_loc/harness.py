"""Any task of EleutherAI's lm-eval, intact and under masks, through its own Python interface.

``lm-eval`` is an extra (``pip install funcloc[lm-eval]``). It gets the loaded model itself, so the
hooks of an ablation stay in effect; prompts, metrics and downloads of data are all its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from common.base.errors import DataError, SettingError
from common.base.progress import Progress, silent
from common.effects.parts import Interval, Part
from common.effects.resample import Resampler, percentile
from common.measure.ablate import Ablation, under
from common.measure.masks import Mask
from common.measure.scores import SelectivityMap
from llm_loc.models import LanguageModel


class TaskUnderMask(Part):
    """What one mask does to one task."""

    mask: str
    """Its name."""
    rule: str
    """``top``, or the control rule."""
    percent: float
    """The dose, in percent of all units."""
    score: float
    """Mean over the items."""
    drop: float
    """Intact minus ablated score."""
    drop_ci: Interval
    """Its 95 % bootstrap interval over items."""


class TaskScores(Part):
    """One metric of one task, intact and under every mask."""

    task: str
    """The task's name."""
    metric: str
    """The metric's name."""
    n: int
    """Items."""
    intact: float
    """Mean over the items, without a mask."""
    ablations: tuple[TaskUnderMask, ...]
    """One entry a mask."""


Scores = Mapping[tuple[str, str], np.ndarray]


def check_installed() -> None:
    """Say what to install where ``lm-eval`` is missing.

    Raises
    ------
    SettingError
        If it is.
    """
    try:
        there = find_spec("lm_eval") is not None
    except ValueError:  # somebody said that it shall not be imported
        there = False
    if not there:
        raise SettingError("llm-loc lm-eval: needs the extra: pip install 'funcloc[lm-eval]'")


def item_scores(
    model: LanguageModel,
    tasks: Sequence[str],
    *,
    include: Path | None = None,
    limit: int | None = None,
    batch_size: int = 64,
    seed: int = 0,
) -> dict[tuple[str, str], np.ndarray]:
    """What each item of each task scores by each of the task's metrics.

    Parameters
    ----------
    model : LanguageModel
        The model, intact or under an ablation.
    tasks : sequence of str
        Names that ``lm-eval`` knows.
    include : Path, optional
        A folder with YAML files of further tasks.
    limit : int, optional
        Only the first items of each task.
    batch_size : int, default=64
        Requests a pass.
    seed : int, default=0
        Seed of everything that ``lm-eval`` draws.

    Returns
    -------
    dict of (task, metric) to array of float64 of shape (n_items,)
        Metrics that are one number an item; others, such as a corpus's BLEU, have no items. Where
        ``lm-eval`` filters answers, the filter is named too: ``exact_match,strict-match``.

    Raises
    ------
    SettingError
        If ``lm-eval`` is missing.
    DataError
        If there is no such task, or its data cannot be had.
    """
    check_installed()
    model.check_causal()
    # By name, for an extra that may be missing.
    lm_eval = import_module("lm_eval")
    tasks_of = import_module("lm_eval.tasks")
    models_of = import_module("lm_eval.models.huggingface")
    manager = tasks_of.TaskManager(include_path=None if include is None else str(include))
    known = set(manager.all_tasks)
    if unknown := [task for task in tasks if task not in known]:
        raise DataError(f"`tasks` {unknown[0]}: lm-eval knows no such task (see lm-eval ls tasks)")
    wrapped = models_of.HFLM(
        pretrained=model.module,
        tokenizer=model.tokenizer,
        max_length=model.context,
        batch_size=batch_size,
    )
    try:
        found = lm_eval.simple_evaluate(
            wrapped,
            tasks=[*tasks],
            limit=limit,
            bootstrap_iters=0,
            task_manager=manager,
            random_seed=seed,
            numpy_random_seed=seed,
            torch_random_seed=seed,
            fewshot_random_seed=seed,
        )
    except (OSError, ValueError, ConnectionError) as error:
        why = " ".join(str(error).split())[:200]
        raise DataError(f"`tasks` {','.join(tasks)}: lm-eval could not run them ({why})") from error
    return _scores(found["samples"])


def _scores(
    samples: Mapping[str, Sequence[Mapping[str, Any]]],
) -> dict[tuple[str, str], np.ndarray]:
    scores: dict[tuple[str, str], np.ndarray] = {}
    for task, items in samples.items():
        ordered = sorted(items, key=lambda item: item["doc_id"])
        # An answer read in several ways (lm-eval's filters) is listed once for each of them.
        for way in dict.fromkeys(item.get("filter", "none") for item in ordered):
            alike = [item for item in ordered if item.get("filter", "none") == way]
            for metric in alike[0]["metrics"]:
                values = [item.get(metric) for item in alike]
                if all(isinstance(value, (int, float)) for value in values):
                    name = metric if way == "none" else f"{metric},{way}"
                    scores[task, name] = np.array(values, dtype=float)
    return scores


def evaluate_tasks(
    model: LanguageModel,
    tasks: Sequence[str],
    masks: Sequence[Mask],
    found: SelectivityMap,
    *,
    by: Ablation = "zero",
    seed: int = 0,
    progress: Progress = silent,
    **how: Any,
) -> list[TaskScores]:
    """Scores of each task intact and under each mask, with the drop paired by item.

    Parameters
    ----------
    masks, found, by
        As in :func:`common.measure.ablate.under`.
    seed : int, default=0
        Seed of ``lm-eval`` and of the bootstrap.
    **how
        See :func:`item_scores`.

    Returns
    -------
    list of TaskScores
        One entry a task and metric.
    """
    scores: list[Scores] = []
    resampler = Resampler(seed)
    for number, mask in enumerate((None, *masks)):
        progress("lm-eval", number, len(masks) + 1)
        with under(model.module, mask, by, found):
            scores.append(item_scores(model, tasks, seed=seed, **how))
    progress("lm-eval", len(masks) + 1, len(masks) + 1)
    intact, *ablated = scores
    return [
        TaskScores(
            task=task,
            metric=metric,
            n=len(values),
            intact=float(values.mean()),
            ablations=tuple(
                _under(mask, values, each[task, metric], resampler)
                for mask, each in zip(masks, ablated, strict=True)
            ),
        )
        for (task, metric), values in intact.items()
    ]


def _under(
    mask: Mask, intact: np.ndarray, ablated: np.ndarray, resampler: Resampler
) -> TaskUnderMask:
    lost = intact - ablated
    return TaskUnderMask(
        mask=mask.name,
        rule=mask.rule,
        percent=mask.percent,
        score=float(ablated.mean()),
        drop=float(lost.mean()),
        drop_ci=percentile(resampler.means(lost)),
    )
