"""Which masks a run tries, and how they are written on a command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from common.base.errors import SettingError
from common.measure.ablate import Ablation
from common.measure.control_rules import ControlPlan, default_controls
from common.measure.loudness import THRESHOLD
from common.measure.shares import headline_of

DEFAULT_CONTROLS = default_controls()


@dataclass(frozen=True)
class Plan:
    """Which masks to try.

    Attributes
    ----------
    percents : sequence of float
        Doses: shares of all units, in percent.
    controls : sequence of ControlPlan
        Rules of the control masks and the draws of each, at every dose.
    seed : int
        Seed of the draws and of the bootstrap.
    ablation : {"zero", "mean", "resample"} or float
        The replacement.
    within : {"class", "margin"}, optional
        What the groups are made alike in: the items' classes, or their intact margins.
    sufficient : int, optional
        Draws of each matched rule that are left alone beside the top units; none is left alone
        where it is not said.
    """

    percents: Sequence[float]
    controls: Sequence[ControlPlan]
    seed: int = 0
    ablation: Ablation = "zero"
    within: str | None = None
    sufficient: int | None = None

    @property
    def n_masks(self) -> int:
        """How many masks may have to be evaluated, the intact model and parts of the top among
        them."""
        alone = 0 if self.sufficient is None else 2 + 2 * self.sufficient
        return 1 + alone + len(self.percents) * (5 + sum(plan.draws for plan in self.controls))

    @property
    def headline(self) -> float:
        """The dose that the verdict is about."""
        return headline_of(self.percents)


def parse_percents(text: str) -> tuple[float, ...]:
    """Read ``0.5,1,2``.

    Raises
    ------
    SettingError
        If one is no number above 0 and at most 100, or comes twice.
    """
    try:
        percents = tuple(float(part) for part in text.split(","))
    except ValueError:
        percents = (0.0,)
    if not all(0 < percent <= 100 for percent in percents):
        raise SettingError(f"`top` {text}: give percentages above 0 and at most 100, as in 0.5,1,2")
    if len(set(percents)) < len(percents):
        raise SettingError(f"`top` {text}: the same percentage comes twice")
    return percents


def parse_ablation(text: str) -> Ablation:
    """Read ``zero``, ``mean``, ``resample`` or ``scale:X``.

    Raises
    ------
    SettingError
        If it is none of them.
    """
    if text == "zero":
        return "zero"
    if text == "mean":
        return "mean"
    if text == "resample":
        return "resample"
    try:
        name, value = text.split(":")
        factor = float(value)
    except ValueError:
        name, factor = "", 0.0
    if name != "scale" or not np.isfinite(factor):
        raise SettingError(
            f"`ablation` {text}: write zero, mean, resample, or scale:X with a number X"
        )
    return factor


def parse_count(name: str, fewest: int, text: str) -> int | None:
    """Read the value of a setting that is a number of things; ``None`` from an empty text.

    Raises
    ------
    SettingError
        If it is no whole number, or too small.
    """
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()) or int(text) < fewest:
        least = "0 for none" if fewest == 0 else f"{fewest} or more"
        raise SettingError(f"`{name}` {text}: give a whole number, {least}")
    return int(text)


def parse_threshold(name: str, text: str) -> float:
    """Read ``0.5`` or ``1/3``, the value of the setting of that name.

    Raises
    ------
    SettingError
        If it is no finite number.
    """
    try:
        return float(Fraction(text))
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise SettingError(f"`{name}` {text}: give a number, as in 0.5 or 1/3") from error


def parse_loudness(text: str) -> float | None:
    """Read how many times the median a massive unit is at least: a number, or ``usual``.

    An empty text leaves none out.

    Raises
    ------
    SettingError
        If it is neither.
    """
    if not text:
        return None
    return THRESHOLD if text == "usual" else parse_threshold("exclude_massive", text)


def say_threshold(value: float) -> str:
    """A threshold as :func:`parse_threshold` reads it, to the last bit."""
    simple = Fraction(value).limit_denominator(100)
    ways = (f"{value:g}", str(simple))
    return next((text for text in ways if float(Fraction(text)) == value), repr(value))


def say_percents(percents: Sequence[float]) -> str:
    """Doses as :func:`parse_percents` reads them, all digits that tell one from another."""
    return ",".join(np.format_float_positional(percent, trim="-") for percent in percents)


def say_controls(controls: Sequence[ControlPlan]) -> str:
    """Control rules as :func:`~common.measure.control_rules.parse_controls` reads them."""
    return ",".join(f"{plan.rule}:{plan.draws}" for plan in controls)


def say_ablation(ablation: Ablation) -> str:
    """A replacement as :func:`parse_ablation` reads it."""
    return ablation if isinstance(ablation, str) else f"scale:{ablation:.15g}"
