"""What front ends say of localizers in the same words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from common.base.errors import SettingError
from common.effects.described import DescribedLocalizer
from common.measure.contrast import Stimulus
from common.study.settings import Settings

L = TypeVar("L")


def chosen_localizer(
    settings: Settings, named: Callable[[str], L], own: Callable[[Path, Path], L]
) -> L:
    """The localizer that the settings name: one by its name, or two places of one's own.

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
        return named(settings.localizer)
    if settings.localizer is None and target is not None and control is not None:
        return own(target, control)
    raise SettingError("give either `localizer`, or both `target` and `control`")


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
