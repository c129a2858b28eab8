"""The experiment itself: localize, mask, ablate, evaluate, compare. Both front ends call it.

A front end brings a function that localizes and an object that evaluates under masks
(:class:`common.study.front.Evaluating`); this module brings the order of the steps, the controls,
the resuming and the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from common.base.progress import Progress, silent
from common.effects.breakdown import breakdown
from common.effects.described import DescribedEvaluation, DescribedLocalizer, DescribedModel
from common.effects.items import Items, Outcome
from common.effects.localized import describe_map, share_of_area
from common.effects.paired import headline_p, mask_result, permutations, rate
from common.effects.perplexity import MeasuredText, describe_text
from common.effects.results import Results
from common.effects.words import verdict, warnings
from common.measure.control_rules import plan_masks
from common.measure.masks import Mask, save_masks, top_percent
from common.measure.scores import SelectivityMap
from common.study.folder import RunFolder
from common.study.front import Evaluating
from common.study.plan import Plan

INTACT = "intact"  # what the outcome without a mask is called


@dataclass(frozen=True)
class Described:
    """What a front end says of its model, localizer and evaluation, for the results."""

    model: DescribedModel
    localizer: DescribedLocalizer
    evaluation: DescribedEvaluation
    overlap: int = 0
    area: Mapping[str, np.ndarray] = field(default_factory=dict)
    texts: Sequence[MeasuredText] = ()


def run_experiment(
    folder: RunFolder,
    plan: Plan,
    tested: Evaluating,
    described: Described,
    localize: Callable[[], SelectivityMap],
    progress: Progress = silent,
) -> Results:
    """Run all of it inside an open run folder, from wherever an earlier run stopped.

    Parameters
    ----------
    folder : RunFolder
        Open.
    plan, tested, described
        The masks to try, what they are tried on, and what the results say of it.
    localize : callable
        Gives the selectivity map.
    progress : Progress
        Told of every mask.

    Returns
    -------
    Results
        What ``results.json`` holds.
    """
    if (done := folder.results()) is not None:
        return done
    found = _localized(folder, localize)
    masks = plan_masks(found, plan.percents, plan.controls, plan.seed)
    if not folder.masks.exists():
        save_masks(folder.masks, masks)
    tested.prepare(folder.partial, progress)
    outcomes = _outcomes(folder, tested, found, masks, progress)
    results = summarize(plan, tested.items, described, found, masks, outcomes)
    top = top_percent(found, plan.headline)
    intact, ablated = outcomes[INTACT], outcomes[top.name]
    tested.illustrate(folder.path, found, top, intact, ablated, progress)
    folder.finish(_tables(tested.items, outcomes), results)
    return folder.results() or results  # as every later call will read them


def _outcomes(
    folder: RunFolder,
    tested: Evaluating,
    found: SelectivityMap,
    masks: Sequence[Mask],
    progress: Progress,
) -> dict[str, Outcome]:
    """The outcomes intact and under every mask; those that an earlier run kept are read."""
    todo: list[Mask | None] = [None, *masks]
    kept = [folder.outcome(_name(mask)) for mask in todo]
    missing = [mask for mask, outcome in zip(todo, kept, strict=True) if outcome is None]
    fresh = tested.outcomes(missing, found, progress)
    outcomes = {}
    for number, (mask, outcome) in enumerate(zip(todo, kept, strict=True)):
        progress("evaluate", number, len(todo))
        if outcome is None:
            outcome = next(fresh)
            folder.keep_outcome(_name(mask), outcome)
        outcomes[_name(mask)] = outcome
    progress("evaluate", len(todo), len(todo))
    return outcomes


def _name(mask: Mask | None) -> str:
    return INTACT if mask is None else mask.name


def _localized(folder: RunFolder, localize: Callable[[], SelectivityMap]) -> SelectivityMap:
    if not folder.selectivity.exists():
        localize().save(folder.selectivity)
    return SelectivityMap.load(folder.selectivity)


def _tables(items: Items, outcomes: dict[str, Outcome]) -> Iterator[pd.DataFrame]:
    for name, outcome in outcomes.items():
        yield pd.DataFrame(
            {
                "item": items.names,
                "group": items.groups,
                **items.levels,
                "mask": name,
                "label": "" if items.labels is None else items.labels,
                "prediction": outcome.prediction,
                "correct": outcome.correct.astype(int),
                "margin": outcome.margin,
            }
        )


def summarize(
    plan: Plan,
    items: Items,
    described: Described,
    found: SelectivityMap,
    masks: Sequence[Mask],
    outcomes: Mapping[str, Outcome],
) -> Results:
    """The numbers of a run, from its outcomes alone, and what they say in words."""
    numbers = _numbers(plan, items, described, found, masks, outcomes)
    said = {"warnings": tuple(warnings(numbers)), "verdict": verdict(numbers)}
    return numbers.model_copy(update=said)


def _numbers(
    plan: Plan,
    items: Items,
    described: Described,
    found: SelectivityMap,
    masks: Sequence[Mask],
    outcomes: Mapping[str, Outcome],
) -> Results:
    intact = outcomes[INTACT].correct
    ablations = tuple(
        mask_result(mask, intact, outcomes[mask.name].correct, items, plan.seed) for mask in masks
    )
    compared = permutations(ablations)
    results = Results(
        model=described.model,
        localizer=described.localizer,
        selectivity=describe_map(found),
        evaluation=described.evaluation.of(items, described.overlap),
        ablation=plan.ablation if isinstance(plan.ablation, str) else f"scale:{plan.ablation:g}",
        intact={name: rate(intact[items.groups == name]) for name in items.every_group},
        ablations=ablations,
        headline_percent=plan.headline,
        permutations=compared,
        permutation_p=headline_p(compared, plan.headline),
    )
    return results.model_copy(update=_beside(plan, items, described, found, masks, outcomes))


def _beside(
    plan: Plan,
    items: Items,
    described: Described,
    found: SelectivityMap,
    masks: Sequence[Mask],
    outcomes: Mapping[str, Outcome],
) -> dict[str, Any]:
    """The parts that only some runs have."""
    parts: dict[str, Any] = {}
    if items.levels:
        parts["breakdown"] = breakdown(items, masks, outcomes, plan.seed)
    if described.texts:
        parts["perplexity"] = tuple(
            describe_text(text, masks, outcomes, plan.seed) for text in described.texts
        )
    if described.area:
        parts["area"] = share_of_area(described.area, found, plan.percents)
    return parts
