"""One unit by itself: where it lies, its numbers, what it answers to, what is lost without it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from common.base.errors import MaskError, RunError, SiteError
from common.base.heavy import torch
from common.base.progress import Progress, silent
from common.effects.masked import MaskEffects, mask_effects
from common.effects.measured import Measure
from common.effects.paired import Rate, rate
from common.measure.contrast import Batch, Fitting, Stimulus
from common.measure.control_rules import matched_control
from common.measure.masks import Mask, units_mask
from common.measure.respond import respond_each
from common.measure.rules import ScoreWords
from common.measure.scores import SelectivityMap
from common.measure.sites import WEIGHT, Site, Unit
from common.study.front import FrontEnd, Model, S

if TYPE_CHECKING:
    from torch import nn

UNTOLD = ("p", "apart", "t_category", "p_category", "q_category")  # for files alone
COLUMN_HEADS = {"d_prime": "d′", "index": "selectivity index"}  # as a reader meets them
DRAWS = 5  # equally loud units that one unit is held against


@dataclass(frozen=True)
class UnitRow:
    """What a map says of one unit.

    Attributes
    ----------
    unit : int
        Its index in the map's row of units.
    rank : int
        Its place by falling score, 1 for the highest.
    site : Site
        Where it is.
    name : str
        Which of the site's units: ``channel 17``, or ``channel 17 at 3, 4`` for a neuron; a weight
        by its place in the tensor, ``weight 17, 3, 0, 2``.
    score : float
        The map's score of it.
    words : ScoreWords
        How that score is spoken of.
    told : mapping of str to float
        What the score's rule says beside it: q, d′.
    mean_target, mean_control : float
        The map's means.
    """

    unit: int
    rank: int
    site: Site
    name: str
    score: float
    words: ScoreWords
    told: Mapping[str, float]
    mean_target: float
    mean_control: float

    @property
    def title(self) -> str:
        """Site and unit."""
        return f"{self.site}, {self.name}"


def describe_unit(found: SelectivityMap, unit: int) -> UnitRow:
    """What the map says of a unit.

    Raises
    ------
    MaskError
        If the map has no such unit.
    """
    units_mask(found, [unit])  # raises if there is none
    rank = int(np.flatnonzero(found.ranking == unit)[0]) + 1
    return _row(found, unit, rank)


def site_named(found: SelectivityMap, name: object) -> Site:
    """The site that is printed so. A name is compared, and never looked up anywhere else.

    Raises
    ------
    SiteError
        If the map has none.
    """
    site = next((each for each in found.sites if str(each) == name), None)
    if site is None:
        raise SiteError(f"{str(name)[:80]}: no layer of this map; choose one of the list")
    return site


def unit_ranked(rows: Sequence[UnitRow], rank: object) -> UnitRow:
    """The listed unit of that rank, as text.

    Raises
    ------
    MaskError
        If none is listed.
    """
    row = next((each for each in rows if str(each.rank) == rank), None)
    if row is None:
        raise MaskError(f"{str(rank)[:80]}: no unit of this layer has that rank; choose one listed")
    return row


def units_at(found: SelectivityMap, mask: Mask, site: Site) -> list[UnitRow]:
    """A site's units in a top mask, the highest score first."""
    own = np.flatnonzero(mask.at(site)) + found.offsets[found.sites.index(site)]
    rank = np.empty(found.n_units, dtype=int)
    rank[found.ranking] = np.arange(1, found.n_units + 1)
    chosen = own[np.argsort(rank[own], kind="stable")]
    return [_row(found, int(unit), int(rank[unit])) for unit in chosen]


def _row(found: SelectivityMap, unit: int, rank: int) -> UnitRow:
    number = int(found.site_of_unit[unit])
    site = found.sites[number]
    return UnitRow(
        unit=unit,
        rank=rank,
        site=site,
        name=_name(site, found.unit, unit - int(found.offsets[number])),
        score=float(found.score.value[unit]),
        words=found.score.words,
        told={
            COLUMN_HEADS.get(column, column): float(values[unit])
            for column, values in found.score.arrays.items()
            if column not in (found.score.words.symbol, *UNTOLD)
        },
        mean_target=float(found.mean_target[unit]),
        mean_control=float(found.mean_control[unit]),
    )


def _name(site: Site, unit: Unit, index: int) -> str:
    """Which unit of its site: channels and positions are counted from 0, as in the tensor."""
    place = [int(part) for part in np.unravel_index(index, site.unit_shape(unit))]
    if unit == WEIGHT:
        return f"{unit} {', '.join(map(str, place))}"
    word = site.unit_word("channel")
    number = place.pop(site.axis - 1 if unit == "neuron" else 0)
    return f"{word} {number} at {', '.join(map(str, place))}" if place else f"{word} {number}"


def check_same(
    found: SelectivityMap, mask: Mask, responses: np.ndarray, target: np.ndarray
) -> None:
    """Hold responses that were recorded again against the means of the map.

    Parameters
    ----------
    responses : array of shape (n_stimuli, n_units)
        To all stimuli of the localizer, the units in the order of the mask.
    target : array of bool of shape (n_stimuli,)
        Which stimuli are the target's.

    Raises
    ------
    RunError
        If they differ: the model or the stimuli have changed since.
    """
    now = np.stack([responses[target].mean(axis=0), responses[~target].mean(axis=0)])
    then = np.stack([found.mean_target[mask.units], found.mean_control[mask.units]])
    counts = (int(target.sum()), int((~target).sum()))
    close = np.allclose(now, then, rtol=1e-2, atol=1e-3 * float(np.abs(then).max(initial=0)))
    if counts != (found.n_target, found.n_control) or not close:
        raise RunError(
            "the model or the localizer's stimuli are no longer those of this run, so its units "
            "cannot be shown; run it again in a new folder"
        )


AnyStimulus = TypeVar("AnyStimulus", bound=Stimulus)


@dataclass(frozen=True, eq=False)
class Answers(Generic[AnyStimulus]):
    """What the units of a mask answered to every stimulus of the localizer.

    Attributes
    ----------
    mask : Mask
        The units.
    stimuli : tuple
        The front end's, the target's first.
    target : array of bool of shape (n_stimuli,)
        Which are the target's.
    responses : array of float32 of shape (n_stimuli, n_units)
        In the units of the map's means, units in the order of the mask.
    """

    mask: Mask
    stimuli: tuple[AnyStimulus, ...]
    target: np.ndarray
    responses: np.ndarray

    def of(self, unit: int) -> np.ndarray:
        """One unit's responses, shape (n_stimuli,)."""
        column: np.ndarray = self.responses[:, int(np.flatnonzero(self.mask.units == unit)[0])]
        return column

    def extremes(self, unit: int, n: int) -> tuple[list[int], list[int]]:
        """Numbers of the stimuli that drive a unit most, and least, the extreme ones first."""
        answers = self.of(unit)
        most, least = (np.argsort(sign * answers, kind="stable")[:n] for sign in (-1, 1))
        return most.tolist(), least.tolist()

    @property
    def conditions(self) -> list[str]:
        """The condition of every stimulus."""
        return [stimulus.condition for stimulus in self.stimuli]


def answers_of(
    module: nn.Module,
    found: SelectivityMap,
    mask: Mask,
    target: Sequence[AnyStimulus],
    control: Sequence[AnyStimulus],
    batches: Iterable[Batch],
    *,
    through: str = "",
    progress: Progress = silent,
) -> Answers[AnyStimulus]:
    """Show the localizer's stimuli once more, as localizing did, and keep what a few units answer.

    Parameters
    ----------
    module, through
        The model, and its part that reads the stimuli; see :func:`~common.measure.contrast`.
    found, mask
        The map, and units of it.
    target, control : sequence
        The localizer's stimuli of either side.
    batches : iterable of Batch
        All of them, each once.
    progress : Progress
        Told of every batch; may raise to stop.

    Raises
    ------
    RunError
        If the answers are not those that the map was made of; see :func:`check_same`.
    """
    stimuli = (*target, *control)
    responses = np.empty((len(stimuli), len(mask)), dtype=np.float32)
    done = 0
    with torch.inference_mode(), respond_each(module, mask, found, through) as answered:

        def show(batch: Batch) -> None:
            batch.run()
            responses[batch.where] = answered.pop()

        fitting = Fitting(show)
        for batch in batches:
            fitting(batch)
            done += len(batch.where)
            progress("respond", done, len(stimuli))
    sides = np.arange(len(stimuli)) < len(target)
    check_same(found, mask, responses, sides)
    return Answers(mask, stimuli, sides, responses)


@dataclass(frozen=True)
class Alone:
    """What is lost without one unit, and without equally loud ones of the same site.

    Attributes
    ----------
    target, other : str, str or None
        The two groups.
    intact : dict of str to Rate
        Accuracy of the intact model on every group.
    effects : MaskEffects
        Of the one unit.
    controls : sequence of MaskEffects
        Of one magnitude-matched unit each; empty where the site has no other.
    measure : {"accuracy", "agreement"}
        What counts as right.
    """

    target: str
    other: str | None
    intact: dict[str, Rate]
    effects: MaskEffects
    controls: Sequence[MaskEffects]
    measure: Measure = "accuracy"


def effect_alone(
    front: FrontEnd[S, Model],
    settings: S,
    model: Model,
    found: SelectivityMap,
    unit: int,
    progress: Progress = silent,
    draws: int = DRAWS,
) -> Alone:
    """Ablate one unit and nothing else, and evaluate as a run does.

    Parameters
    ----------
    front : FrontEnd
        Evaluates.
    settings : Settings
        Those of the run: benchmark, replacement, seed.
    model : Model
        Of the front end.
    found : SelectivityMap
        The map.
    unit : int
        Index in the map's row of units.
    draws : int, default=5
        Number of controls.

    Raises
    ------
    MaskError
        If the map has no such unit.
    """
    mask = units_mask(found, [unit])
    masks = [mask, *_controls(found, mask, settings.seed, draws)]
    tested = front.evaluating(settings, model)
    items, todo = tested.items, [None, *masks]
    correct = []
    with TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        tested.prepare(Path(scratch), progress)
        fresh = tested.outcomes(todo, found, progress)
        for number in range(len(todo)):
            progress("evaluate", number, len(todo))
            correct.append(next(fresh).correct)
    intact, *ablated = correct
    effects, *controls = (
        mask_effects(intact, each, items.groups, items.target, items.other, measure=items.measure)
        for each in ablated
    )
    rates = {name: rate(intact[items.groups == name]) for name in effects.groups}
    return Alone(items.target, items.other, rates, effects, controls, items.measure)


def _controls(found: SelectivityMap, mask: Mask, seed: int, draws: int) -> list[Mask]:
    try:
        return [matched_control(found, mask, seed + draw) for draw in range(draws)]
    except MaskError:
        return []  # the site has no other unit
