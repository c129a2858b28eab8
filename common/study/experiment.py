"""The experiment itself: localize, mask, ablate, evaluate, compare. Both front ends call it.

A front end brings a function that localizes and an object that evaluates under masks
(:class:`common.study.front.Evaluating`); this module brings the order of the steps, the controls,
the resuming and the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from common.base import team
from common.base.progress import Progress, silent
from common.effects.baseline import Baseline
from common.effects.breakdown import breakdown
from common.effects.by_class import by_class
from common.effects.described import DescribedEvaluation, DescribedLocalizer, DescribedModel
from common.effects.established import established
from common.effects.items import Items, Outcome
from common.effects.judge import judge
from common.effects.judgement import Judgement
from common.effects.localized import describe_map, share_of_area
from common.effects.masked import mask_result
from common.effects.massive import describe_massive
from common.effects.matching import matched_items
from common.effects.measured import ACCURACY, AGREEMENT
from common.effects.paired import rate
from common.effects.perplexity import MeasuredText, describe_text
from common.effects.resample import Resampler
from common.effects.results import Results
from common.effects.sufficient import Sufficient
from common.effects.verdict import verdict, warnings
from common.measure.balance import balances
from common.measure.masks import Mask, save_masks, top_percent
from common.measure.scores import SelectivityMap
from common.measure.sites import WEIGHT
from common.study.alone import others_replaced, sufficiency
from common.study.drawing import INTACT, Drawing, margins, questions
from common.study.folder import RunFolder
from common.study.front import Evaluating
from common.study.plan import Plan

RESAMPLES = 10_000  # of the windows of a text


def mask_name(mask: Mask | None) -> str:
    """What the outcome under a mask, or without one, is called."""
    return INTACT if mask is None else mask.name


@dataclass(frozen=True)
class Described:
    """What a front end says of its model, localizer and evaluation, for the results."""

    model: DescribedModel
    localizer: DescribedLocalizer
    evaluation: DescribedEvaluation
    overlap: int = 0
    area: Mapping[str, np.ndarray] = field(default_factory=dict)
    texts: Sequence[MeasuredText] = ()
    baseline: Baseline | None = None
    donors: Sequence[str] = ()
    sufficient: Sufficient | None = None
    responses: np.ndarray | None = None


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
    tested.prepare(folder.partial, progress)
    with tested.arranged(folder.pace, begun=_kept(folder, tested.items, INTACT) is not None):
        drawing, outcomes = _drawn(folder, plan, tested, described, found, progress)
        alone = _left_alone(folder, plan, tested, found, outcomes, progress)
    team.leave()
    if plan.ablation == "resample":
        described = replace(described, donors=tested.donors(found).names)
    masks = drawing.masks
    save_masks(folder.masks, masks)
    if tested.items.measure == AGREEMENT:  # whose classes the intact outcome has told
        described = replace(described, evaluation=tested.described)
    items, described = _made_alike(plan, tested.items, described, outcomes[INTACT])
    if alone:
        described = replace(described, sufficient=sufficiency(found, plan, items, outcomes, INTACT))
        folder.keep_alone(item_tables(items, alone, outcomes))
    answered = tested.responses(top_percent(found, plan.headline), found)
    described = replace(described, responses=answered)
    windows = [*window_tables(described.texts, (None, *masks), outcomes)]
    results = summarize(plan, items, described, found, masks, outcomes)
    top = top_percent(found, plan.headline)
    intact, ablated = outcomes[INTACT], outcomes[top.name]
    tested.illustrate(folder.path, found, top, intact, ablated, progress)
    folder.finish(item_tables(items, (None, *masks), outcomes), windows, results)
    return folder.results() or results  # as every later call will read them


def _drawn(
    folder: RunFolder,
    plan: Plan,
    tested: Evaluating,
    described: Described,
    found: SelectivityMap,
    progress: Progress,
) -> tuple[Drawing, dict[str, Outcome]]:
    """All masks that the verdict needs, and the outcomes intact and under each of them."""
    drawing = Drawing(found, plan)
    outcomes: dict[str, Outcome] = {}
    of = 1 + len(drawing.masks)
    evaluate_masks(folder, tested, found, [None], outcomes, progress, of)
    tested.know(outcomes[INTACT])
    todo = [mask for mask in drawing.masks if _kept(folder, tested.items, mask.name) is None]
    tested.foresee(todo, drawing.later, found, progress)
    evaluate_masks(folder, tested, found, drawing.masks, outcomes, progress, of)
    items, _ = _made_alike(plan, tested.items, described, outcomes[INTACT])
    asked = questions(items, outcomes[INTACT], [text.name for text in tested.texts])
    while drawing.more(asked, outcomes):
        of = 1 + len(drawing.masks)
        evaluate_masks(folder, tested, found, drawing.masks, outcomes, progress, of)
    return drawing, outcomes


def _left_alone(
    folder: RunFolder,
    plan: Plan,
    tested: Evaluating,
    found: SelectivityMap,
    outcomes: dict[str, Outcome],
    progress: Progress,
) -> list[Mask]:
    """Add the outcomes with the top units alone left, and matched ones, where that is asked."""
    if plan.sufficient is None:
        return []
    masks = others_replaced(found, plan)
    with tested.replaced_by("mean"):
        of = len(outcomes) + len(masks)
        evaluate_masks(folder, tested, found, masks, outcomes, progress, of)
    return masks


def evaluate_masks(
    folder: RunFolder,
    tested: Evaluating,
    found: SelectivityMap,
    masks: Sequence[Mask | None],
    outcomes: dict[str, Outcome],
    progress: Progress,
    of: int,
    called: Callable[[Mask | None], str] = mask_name,
) -> None:
    """Add the outcomes that are not known yet; those that an earlier run kept are read.

    Parameters
    ----------
    folder, tested, found, progress
        As in :func:`run_experiment`; the map is that of the masks.
    masks : sequence of Mask or None
        Those that are wanted.
    outcomes : dict of str to Outcome
        What is known; what was wanted is added.
    of : int
        With them there are so many of all that are planned.
    called : callable, optional
        What an outcome is called; left out, as its mask is.
    """
    todo = [mask for mask in masks if called(mask) not in outcomes]
    kept = [_kept(folder, tested.items, called(mask)) for mask in todo]
    missing = [mask for mask, outcome in zip(todo, kept, strict=True) if outcome is None]
    fresh = tested.outcomes(missing, found, progress)
    before = len(outcomes)
    for number, (mask, outcome) in enumerate(zip(todo, kept, strict=True)):
        progress("evaluate", before + number, of)
        if outcome is None:
            outcome = next(fresh)
            folder.keep_outcome(called(mask), outcome)
        outcomes[called(mask)] = outcome
    if len(outcomes) >= of:
        progress("evaluate", of, of)


def _made_alike(
    plan: Plan, items: Items, described: Described, intact: Outcome
) -> tuple[Items, Described]:
    """The items in groups of equal intact margin, if the plan wants that."""
    if plan.within != "margin":
        return items, described
    items, told = matched_items(items, intact.margin, plan.seed)
    evaluation = described.evaluation.model_copy(update={"within_margin": told})
    return items, replace(described, evaluation=evaluation)


def _kept(folder: RunFolder, items: Items, name: str) -> Outcome | None:
    """The outcome that an earlier run kept, if it is of these items."""
    found = folder.outcome(name)
    return found if found is not None and found.fits(len(items.names)) else None


def _localized(folder: RunFolder, localize: Callable[[], SelectivityMap]) -> SelectivityMap:
    if (found := folder.map()) is not None:
        return found
    localize().save(folder.selectivity)
    return SelectivityMap.load(folder.selectivity)


def item_tables(
    items: Items, masks: Sequence[Mask | None], outcomes: Mapping[str, Outcome]
) -> Iterator[pd.DataFrame]:
    """``items.csv``: one row an item and mask."""
    for mask in masks:
        outcome = outcomes[mask_name(mask)]
        yield pd.DataFrame(
            {
                "item": items.names,
                # A level may be called group, too: of a column that says less than the groups.
                "group": items.groups,
                **{key: of for key, of in items.levels.items() if key != "group"},
                **_said_of(mask),
                **({} if items.measure == ACCURACY else {"measure": items.measure}),
                "label": "" if items.labels is None else items.labels,
                "prediction": outcome.prediction,
                "correct": outcome.correct.astype(int),
                "margin": margins(outcome),
            }
        )


def window_tables(
    texts: Sequence[MeasuredText], masks: Sequence[Mask | None], outcomes: Mapping[str, Outcome]
) -> Iterator[pd.DataFrame]:
    """``windows.csv``: one row a window of a text and mask, none of them right or wrong."""
    for text in texts:
        for mask in masks:
            likely = margins(outcomes[mask_name(mask)], text.name)
            yield pd.DataFrame(
                {
                    "item": [f"{text.name}:{number:05d}" for number in range(len(likely))],
                    "group": text.name,
                    **_said_of(mask),
                    "label": "",
                    "correct": np.nan,
                    "margin": likely,
                }
            )


def _said_of(mask: Mask | None) -> dict[str, Any]:
    if mask is None:
        return {"mask": INTACT, "rule": "", "percent": np.nan}
    return {"mask": mask.name, "rule": mask.rule, "percent": mask.percent}


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
    said = {
        "warnings": tuple(warnings(numbers)),
        "established": established(numbers),
        "verdict": verdict(numbers),
    }
    return numbers.model_copy(update=said)


def _numbers(
    plan: Plan,
    items: Items,
    described: Described,
    found: SelectivityMap,
    masks: Sequence[Mask],
    outcomes: Mapping[str, Outcome],
) -> Results:
    intact = outcomes[INTACT]
    table = pd.concat(item_tables(items, (None, *masks), outcomes), ignore_index=True)
    results = Results(
        model=described.model,
        localizer=described.localizer,
        selectivity=describe_map(found),
        evaluation=described.evaluation.of(items, described.overlap),
        ablation=plan.ablation if isinstance(plan.ablation, str) else f"scale:{plan.ablation:g}",
        intact={name: rate(intact.correct[items.groups == name]) for name in items.every_group},
        ablations=tuple(mask_result(mask, intact, outcomes[mask.name], items) for mask in masks),
        headline_percent=plan.headline,
        judgement=judge(table, items.target, items.other),
        balances=tuple(balances(found, masks)),
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
    parts: dict[str, Any] = {"massive": describe_massive(found, masks, plan.headline)}
    if described.baseline is not None:
        parts["baseline"] = described.baseline
    if described.donors:
        parts["donors"] = tuple(described.donors)
    if described.responses is not None:
        top, intact = top_percent(found, plan.headline), outcomes[INTACT]
        answered = (described.responses, intact, top, outcomes, masks, plan.seed)
        parts["by_class"] = by_class(items, *answered)
    if described.sufficient is not None:
        parts["sufficient"] = described.sufficient
    if items.levels:
        parts["breakdown"] = breakdown(items, masks, outcomes)
    if described.texts:
        resampler = Resampler(plan.seed, RESAMPLES)
        parts["perplexity"] = tuple(
            describe_text(text, masks, outcomes, resampler) for text in described.texts
        )
        parts["text_judgements"] = _text_judgements(described.texts, masks, outcomes)
    sites = {site.module for site in found.sites}
    if sites & described.area.keys() and found.unit != WEIGHT:  # which is of channels
        parts["area"] = share_of_area(described.area, found, plan.percents)
    return parts


def _text_judgements(
    texts: Sequence[MeasuredText], masks: Sequence[Mask], outcomes: Mapping[str, Outcome]
) -> dict[str, Judgement]:
    """By text, the verdict on its windows."""
    return {
        text.name: judge(pd.concat(window_tables([text], (None, *masks), outcomes)), text.name)
        for text in texts
    }
