"""Whether units are sufficient: what still works where they alone are left of their layers.

The other units of the sites that the top mask has units in are set to their mean, and so are those
beside equally many matched units; what the target keeps is compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from common.effects.bench import whole_labels
from common.effects.claim import NO, UNTOLD, YES, Answer
from common.effects.controls import rank
from common.effects.finding import amount_within
from common.effects.items import Items, Outcome
from common.effects.judgement import Estimate
from common.effects.margins import design
from common.effects.paired import Rate, rate
from common.effects.parts import Part
from common.effects.resample import Resampler
from common.effects.studentized import Studentized
from common.effects.words import percent
from common.measure.masks import Mask

ALPHA = 0.05
HALF = 0.5  # of the intact accuracy above chance


class LeftAlone(Part):
    """The units against matched ones, each left alone."""

    rule: str
    """The rule that these were drawn by."""
    against: str
    """What they are compared with: ``top`` or ``matched-part``."""
    draws: int
    """How many draws."""
    p: float
    """Rank of the target's mean margin among those of the draws: the share that keep as much."""
    least: float
    """The smallest p that these draws allow."""
    accuracy: float
    """Mean accuracy on the target with the draws left alone."""
    excess: Estimate
    """Margin that the target keeps beyond the mean of the draws, item by item."""


class Sufficient(Part):
    """What still works where the chosen units alone are left of their layers."""

    n_units: int
    """Units that were left."""
    n_others: int
    """Units of the same sites that were set to their mean."""
    n_sites: int
    """Those sites."""
    groups: dict[str, Rate]
    """By group, accuracy."""
    compared: tuple[LeftAlone, ...]
    """Against every matched rule."""


def left_alone(
    items: Items,
    intact: Outcome,
    tops: Mapping[str, tuple[Mask, Outcome]],
    draws: Mapping[str, Sequence[Outcome]],
    against: Mapping[str, str],
    n_units: int,
) -> Sufficient:
    """What the units keep, from the outcomes alone.

    Parameters
    ----------
    items : Items
        What was evaluated on.
    intact : Outcome
        Without a mask.
    tops : mapping of str to (Mask, Outcome)
        By rule, ``top`` and perhaps ``matched-part``: what was replaced, and what was left.
    draws : mapping of str to sequence of Outcome
        By matched rule, what each draw left.
    against : mapping of str to str
        By matched rule, which of `tops` its draws stand against.
    n_units : int
        How many units were left.
    """
    target = np.asarray(items.groups == items.target)
    mask, outcome = tops["top"]
    mean = _mean_of(items, intact, target)
    compared = []
    for rule, each in draws.items():
        own = tops[against[rule]][1].margin[target].astype(float)
        others = np.stack([draw.margin[target].astype(float) for draw in each])
        beyond = own - others.mean(axis=0)
        place = rank(float(own.mean()), others.mean(axis=1))
        compared.append(
            LeftAlone(
                rule=rule,
                against=against[rule],
                draws=len(each),
                p=place.p,
                least=place.least,
                accuracy=float(np.mean([draw.correct[target].mean() for draw in each])),
                excess=Estimate(effect=float(beyond.mean()), ci=mean.interval(beyond)),
            )
        )
    return Sufficient(
        n_units=n_units,
        n_others=len(mask),
        n_sites=sum(count > 0 for count in mask.counts().values()),
        groups={name: rate(outcome.correct[items.groups == name]) for name in items.every_group},
        compared=tuple(compared),
    )


def _mean_of(items: Items, intact: Outcome, inside: np.ndarray) -> Studentized:
    """The mean over the target's items, whole classes resampled where it has enough of them."""
    labels = np.full(len(inside), "", dtype=object)
    if items.labels is not None:
        labels = np.array([str(label) for label in items.labels], dtype=object)
    known = design(intact.margin[inside].astype(float), None, whole_labels(labels[inside]))
    return Studentized(known, Resampler())


def keeps_it_going(
    found: Sufficient, target: str, intact: Rate, chance: float | None
) -> tuple[Answer, str]:
    """Whether the units are sufficient, and by which numbers.

    Parameters
    ----------
    found : Sufficient
        What they keep.
    target : str
        Which group is asked about.
    intact : Rate
        Of that group.
    chance : float or None
        What guessing gets right of it; ``None`` counts as 0.
    """
    left = found.groups[target]
    others = "; ".join(
        f"{each.rule} units left alone {percent(each.accuracy)} (the top against these "
        f"{amount_within(each.excess)} of margin, p = {each.p:.3f} among {each.draws})"
        for each in found.compared
    )
    told = (
        f"with the {found.n_units:,} alone left of {found.n_units + found.n_others:,} units of "
        f"{found.n_sites} site{'s' if found.n_sites > 1 else ''}, the others at their mean, "
        f"{target} is {percent(left.accuracy)} right [{100 * left.ci[0]:.1f}, "
        f"{100 * left.ci[1]:.1f}] (intact {percent(intact.accuracy)})"
    )
    return _answer(found, left, intact, chance or 0.0), f"{told}; {others}" if others else told


def _answer(found: Sufficient, left: Rate, intact: Rate, chance: float) -> Answer:
    least = chance + HALF * (intact.accuracy - chance)
    if intact.accuracy <= chance or not found.compared:
        return UNTOLD
    if left.ci[1] < least:
        return NO
    for each in found.compared:
        if each.p > ALPHA and each.least <= ALPHA:
            return NO
    more = all(each.p <= ALPHA and each.excess.ci[0] > 0 for each in found.compared)
    return YES if more and left.ci[0] >= least else UNTOLD
