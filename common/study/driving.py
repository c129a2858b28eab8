"""What drives the top units of a map, for its report: what is said of it, whatever is shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from common.measure.masks import Mask
from common.measure.scores import SelectivityMap
from common.study.single_unit import Answers, describe_unit

UNITS = 4  # shown one by one


@dataclass(frozen=True)
class Driven:
    """The stimuli that drive one unit most.

    Attributes
    ----------
    rank : int
        The unit's.
    answers : array of shape (n_stimuli,)
        The unit's, to every stimulus.
    numbers : array of int of shape (n,)
        Of the stimuli, the strongest answer first.
    heading, caption : str
        What stands above and below them.
    """

    rank: int
    answers: np.ndarray
    numbers: np.ndarray
    heading: str
    caption: str


def most_together(what: str, n: int) -> tuple[str, str]:
    """Heading and caption of the stimuli, pictures or texts, that drive `n` units most."""
    return (
        f"{what.capitalize()} of the localizer that drive the {n:,} top units most",
        "Answer: mean over the top units of the activation over the unit’s average in the "
        f"localizer. The units were chosen by these {what}, so that most of them are of the "
        "target is no finding.",
    )


def one_by_one(known: Answers[Any], found: SelectivityMap, top: Mask, few: int) -> Iterator[Driven]:
    """The first units of a mask, each with the `few` stimuli that drive it most."""
    for unit in top.units[:UNITS].tolist():
        row = describe_unit(found, unit)
        most, _ = known.extremes(unit, few)
        yield Driven(
            row.rank,
            known.of(unit),
            np.array(most),
            f"What drives unit {row.rank} most: {row.title}",
            f"{row.words.symbol} = {row.words.said(row.score)}. Answer: its activation.",
        )
