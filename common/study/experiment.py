"""The experiment itself: localize, mask, ablate, evaluate, compare. Both front ends call it.

A front end brings two functions, one that localizes and one that evaluates under a mask; this
module brings the order of the steps, the controls, the resuming and the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from common.base.errors import DataError
from common.base.progress import Progress, silent
from common.effects.paired import (
    bootstrap_means,
    headline_p,
    interval,
    mask_effects,
    mcnemar_p,
    permutation_p,
    permutations,
    rate,
)
from common.effects.words import verdict, warnings
from common.measure.masks import Mask, plan_masks, save_masks, top_percent
from common.measure.scores import SelectivityMap, n_chosen
from common.study.folder import Outcome, RunFolder
from common.study.plan import Plan

Illustrate = Callable[[SelectivityMap, Mask, Outcome, Outcome], None]


@dataclass(frozen=True)
class Items:
    """The evaluation items, in one order for all masks.

    Attributes
    ----------
    names : sequence of str
        What each item is called in ``items.csv``.
    groups : array of str of shape (n_items,)
        The group of each item.
    target, other : str
        The interaction contrasts these two groups.
    labels : array of shape (n_items,), optional
        The right answer of each item.
    levels : mapping of str to array of str of shape (n_items,)
        Other ways to sort the items, coarse ones first (field, phenomenon): a column each in
        ``items.csv``, and the parts of each in the breakdown.
    """

    names: Sequence[str]
    groups: np.ndarray
    target: str
    other: str
    labels: np.ndarray | None = None
    levels: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.target == self.other:
            raise DataError(f"evaluation group {self.target!r} is set against itself")
        for group in (self.target, self.other):
            if not (self.groups == group).any():
                raise DataError(f"evaluation group {group!r} is empty")


@dataclass(frozen=True)
class MeasuredText:
    """A text whose perplexity is measured beside the items.

    Attributes
    ----------
    name : str
        Key of its nats among :attr:`common.study.folder.Outcome.beside`.
    window : int
        Tokens in a window; all but its first are predicted.
    bytes : array of int of shape (n_windows,)
        Bytes that the predicted tokens of each window stand for.
    """

    name: str
    window: int
    bytes: np.ndarray


@dataclass(frozen=True)
class Described:
    """What a front end says of its model, localizer and evaluation in ``results.json``."""

    model: dict[str, Any]
    localizer: dict[str, Any]
    evaluation: dict[str, Any]
    area: dict[str, np.ndarray] = field(default_factory=dict)
    texts: Sequence[MeasuredText] = ()


def run_experiment(
    folder: RunFolder,
    plan: Plan,
    items: Items,
    described: Described,
    localize: Callable[[], SelectivityMap],
    evaluate: Callable[[Mask | None, SelectivityMap], Outcome],
    progress: Progress = silent,
    illustrate: Illustrate | None = None,
) -> dict[str, Any]:
    """Run all of it inside an open run folder, from wherever an earlier run stopped.

    Parameters
    ----------
    folder : RunFolder
        Open.
    plan, items, described
        The masks to try, what they are tried on, and what the results say of it.
    localize : callable
        Gives the selectivity map.
    evaluate : callable
        Gives the outcome of all items under a mask, or intact for ``None``.
    progress : Progress
        Told of every mask.
    illustrate : callable, optional
        Called before the run is finished with the map, the top mask of the headline dose, and the
        outcomes intact and under it: to keep what the report shows besides numbers.

    Returns
    -------
    dict
        What ``results.json`` holds.
    """
    if (done := folder.results()) is not None:
        return done
    found = _localized(folder, localize)
    masks = plan_masks(found, plan.percents, plan.controls, plan.seed)
    if not folder.masks.exists():
        save_masks(folder.masks, masks)
    outcomes = {}
    todo: list[Mask | None] = [None, *masks]
    for number, mask in enumerate(todo):
        progress("evaluate", number, len(todo))
        name = "intact" if mask is None else mask.name
        outcome = folder.outcome(name)
        if outcome is None:
            outcome = evaluate(mask, found)
            folder.keep_outcome(name, outcome)
        outcomes[name] = outcome
    progress("evaluate", len(todo), len(todo))
    results = summarize(plan, items, described, found, masks, outcomes)
    if illustrate is not None:
        top = top_percent(found, plan.headline)
        illustrate(found, top, outcomes["intact"], outcomes[top.name])
    folder.finish(_tables(items, outcomes), results)
    return folder.results() or results  # as every later call will read them


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
    outcomes: dict[str, Outcome],
) -> dict[str, Any]:
    """The numbers of a run, from its outcomes alone."""
    intact = outcomes["intact"].correct
    ablations = [
        _ablation(mask, intact, outcomes[mask.name].correct, items, plan.seed) for mask in masks
    ]
    compared = permutations(ablations)
    groups = dict.fromkeys([items.target, items.other, *sorted(set(items.groups.tolist()))])
    results: dict[str, Any] = {
        "model": described.model,
        "localizer": described.localizer,
        "selectivity": describe_map(found),
        "evaluation": {
            **described.evaluation,
            "target": items.target,
            "other": items.other,
            "n_items": len(items.names),
        },
        "ablation": plan.ablation if isinstance(plan.ablation, str) else f"scale:{plan.ablation:g}",
        "intact": {name: asdict(rate(intact[items.groups == name])) for name in groups},
        "ablations": ablations,
        "headline_percent": plan.headline,
        "permutations": [asdict(entry) for entry in compared],
        "permutation_p": headline_p(compared, plan.headline),
    }
    if items.levels:
        results["breakdown"] = breakdown(items, masks, outcomes, plan.seed)
    if described.texts:
        results["perplexity"] = [
            describe_text(text, masks, outcomes, plan.seed) for text in described.texts
        ]
    if described.area:
        results["area"] = _area(described.area, found, plan.percents)
    results["warnings"] = warnings(results)
    results["verdict"] = verdict(results)
    return results


def _ablation(
    mask: Mask, intact: np.ndarray, ablated: np.ndarray, items: Items, seed: int
) -> dict[str, Any]:
    effects = mask_effects(intact, ablated, items.groups, items.target, items.other, seed)
    return {
        "mask": mask.name,
        "rule": mask.rule,
        "percent": mask.percent,
        "seed": mask.seed,
        "n_units": len(mask),
        **effects.as_dict(),
    }


def breakdown(
    items: Items, masks: Sequence[Mask], outcomes: Mapping[str, Outcome], seed: int
) -> list[dict[str, Any]]:
    """What every part of every level lost under each top mask, and under its controls.

    The first level is ``all``, with all items as its one part: what is lost at large, which the
    interaction cannot see. p is the rank of the top mask's drop among the drops of a rule's draws;
    no p here is corrected for the number of parts.
    """
    everything = {"all": np.full(len(items.names), "all"), **items.levels}
    parts = [(level, name) for level, of in everything.items() for name in sorted(set(of.tolist()))]
    found = []
    for top in (mask for mask in masks if mask.rule == "top"):
        rivals = [mask for mask in masks if mask.percent == top.percent and mask.rule != "top"]
        for level, name in parts:
            inside = everything[level] == name
            correct = {
                mask: outcomes[mask].correct[inside]
                for mask in ("intact", top.name, *(rival.name for rival in rivals))
            }
            part = {"level": level, "part": name, "percent": top.percent}
            found.append({**part, **_part(correct, top, rivals, seed)})
    return found


def _part(
    correct: Mapping[str, np.ndarray], top: Mask, rivals: Sequence[Mask], seed: int
) -> dict[str, Any]:
    intact, ablated = correct["intact"], correct[top.name]
    lost = intact.astype(float) - ablated.astype(float)
    drops: dict[str, list[float]] = {}
    for rival in rivals:
        drops.setdefault(rival.rule, []).append(float(intact.mean() - correct[rival.name].mean()))
    return {
        "n": len(intact),
        "intact": asdict(rate(intact)),
        "top": asdict(rate(ablated)),
        "drop": float(lost.mean()),
        "drop_ci": interval(bootstrap_means(lost, np.random.default_rng(seed))),
        "mcnemar_p": mcnemar_p(intact, ablated),
        "controls": {
            rule: {
                "draws": len(values),
                "drop_mean": float(np.mean(values)),
                "drop_max": max(values),
                "p": permutation_p(float(lost.mean()), values) if len(values) > 1 else None,
            }
            for rule, values in drops.items()
        },
    }


def describe_text(
    text: MeasuredText, masks: Sequence[Mask], outcomes: Mapping[str, Outcome], seed: int
) -> dict[str, Any]:
    """Perplexity of one text, intact and under every mask, with intervals over its windows."""
    intact = outcomes["intact"].beside[text.name]
    under = [
        {
            "mask": mask.name,
            "rule": mask.rule,
            "percent": mask.percent,
            "seed": mask.seed,
            **_nats(outcomes[mask.name].beside[text.name], text, seed),
            **_rise(outcomes[mask.name].beside[text.name] - intact, seed),
        }
        for mask in masks
    ]
    return {
        "text": text.name,
        "window": text.window,
        "n": len(intact),
        "bytes": int(text.bytes.sum()),
        "intact": _nats(intact, text, seed),
        "ablations": under,
    }


def _nats(nats: np.ndarray, text: MeasuredText, seed: int) -> dict[str, Any]:
    """Mean nats a token over windows of equal size, and its exponential, with their intervals.

    The same for a byte, a ratio of two sums over windows; its interval is that of the windows'
    deviations from the ratio (linearized, as usual for a ratio).
    """
    means = bootstrap_means(nats, np.random.default_rng(seed))
    tokens = nats * (text.window - 1)
    ratio = float(tokens.sum() / text.bytes.sum())
    deviations = (tokens - ratio * text.bytes) / text.bytes.mean()
    ratios = ratio + bootstrap_means(deviations, np.random.default_rng(seed))
    return {
        **_with_perplexity(float(nats.mean()), interval(means)),
        "per_byte": _with_perplexity(ratio, interval(ratios)),
    }


def _with_perplexity(nats: float, between: tuple[float, float]) -> dict[str, Any]:
    low, high = between
    return {
        "nats": nats,
        "nats_ci": (low, high),
        "perplexity": _perplexity(nats),
        "perplexity_ci": (_perplexity(low), _perplexity(high)),
    }


def _perplexity(nats: float) -> float:
    return float(np.exp(min(nats, 700.0)))  # beyond it no float64 is left, and JSON has no infinity


def _rise(more: np.ndarray, seed: int) -> dict[str, Any]:
    means = bootstrap_means(more, np.random.default_rng(seed))
    return {"rise": float(more.mean()), "rise_ci": interval(means)}


def describe_map(found: SelectivityMap) -> dict[str, Any]:
    """The part of ``results.json`` that says what the localizer found."""
    selective = (found.q < 0.05) & (found.t > 0)
    return {
        "n_units": found.n_units,
        "n_sites": len(found.sites),
        "unit": found.unit,
        "pooling": found.pooling,
        "statistic": found.statistic,
        "n_target": found.n_target,
        "n_control": found.n_control,
        "n_selective_q05": int(selective.sum()),
        "t_max": float(found.t.max()),
        **found.about,
    }


def _area(
    area: dict[str, np.ndarray], found: SelectivityMap, percents: Sequence[float]
) -> dict[str, Any]:
    """How much of a built-in area the top units are (a phantom knows its own)."""
    inside = np.concatenate(
        [_inside(area.get(site.module), site.unit_shape(found.unit), site) for site in found.sites]
    )
    size = int(inside.sum())
    shares = {}
    for percent in percents:
        k = n_chosen(found.n_units, percent)
        hits = int(inside[found.ranking[:k]].sum())
        shares[f"{percent:g}"] = {"of_top": hits / k, "of_area": hits / size if size else 0.0}
    return {"n_units": size, "percent": 100 * size / found.n_units, "share": shares}


def _inside(channels: np.ndarray | None, shape: tuple[int, ...], site: Any) -> np.ndarray:
    inside = np.zeros(shape, dtype=bool)
    if channels is not None:
        place: list[slice | np.ndarray] = [slice(None)] * len(shape)
        place[0 if len(shape) == 1 else site.axis - 1] = channels
        inside[tuple(place)] = True
    return inside.ravel()
