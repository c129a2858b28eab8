"""What front ends say of localizers in the same words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from common.base.errors import SettingError
from common.effects.described import DescribedLocalizer
from common.measure.contrast import Stimulus
from common.study.settings import Settings

L = TypeVar("L")
AnyStimulus = TypeVar("AnyStimulus", bound=Stimulus)


def chosen_localizer(
    settings: Settings, named: Callable[[str], L], own: Callable[[Path, Path], L]
) -> L:
    """The localizer that the settings name: one by its name, or two places of one's own.

    As much of it as they want.

    Parameters
    ----------
    settings : Settings
        With `localizer`, or `target` and `control`.
    named, own : callable
        Read the one and the other.

    Raises
    ------
    SettingError
        If the settings name no localizer, or two.
    """
    target, control = settings.target, settings.control
    if settings.localizer is not None and target is None and control is None:
        return _part(named(settings.localizer), settings)
    if settings.localizer is None and target is not None and control is not None:
        return _part(own(target, control), settings)
    raise SettingError("give either `localizer`, or both `target` and `control`")


def _part(found: L, settings: Settings) -> L:
    """A front end's localizer, which is a dataclass, with so many stimuli of either side."""
    if (n := settings.stimuli) is None:
        return found
    whole: Any = found  # a dataclass with two sides
    sides = {
        side: some(getattr(whole, side), n, [settings.seed, *side.encode()])
        for side in ("target", "control")
    }
    part: L = replace(whole, **sides)
    return part


def some(
    stimuli: Sequence[AnyStimulus], n: int, seed: int | Sequence[int]
) -> tuple[AnyStimulus, ...]:
    """So many of some stimuli at most, drawn, as equally from their conditions as can be.

    They keep their order. A draw of more stimuli of the same seed holds one of fewer.

    Parameters
    ----------
    stimuli : sequence
        Of one side.
    n : int
        How many.
    seed : int or sequence of int
        Of the draw.
    """
    rng = np.random.default_rng(seed)
    places: dict[str, list[int]] = defaultdict(list)
    for place in rng.permutation(len(stimuli)).tolist():
        places[stimuli[place].condition].append(place)
    turns = [
        (turn, rng.random(), place) for own in places.values() for turn, place in enumerate(own)
    ]
    kept = sorted(place for *_, place in sorted(turns)[:n])
    return tuple(stimuli[place] for place in kept)


def describe_localizer(
    name: str, target: Sequence[Stimulus], control: Sequence[Stimulus], **more: Any
) -> DescribedLocalizer:
    """What ``results.json`` says of a localizer.

    Parameters
    ----------
    name : str
        As it was asked for.
    target, control : sequence
        The stimuli of either side.
    **more
        What the front end says besides; see :class:`common.effects.described.DescribedLocalizer`.
    """
    return DescribedLocalizer(
        name=name,
        target=tuple(sorted({stimulus.condition for stimulus in target})),
        control=tuple(sorted({stimulus.condition for stimulus in control})),
        n_target=len(target),
        n_control=len(control),
        **more,
    )
