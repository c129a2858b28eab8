"""What one mask does to the accuracy of every group.

An effect is intact minus ablated on the same items, so every comparison is paired. The interaction
is the drop of the target group minus the drop of the other; of one group alone it is its drop.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from common.effects.items import Items, Outcome
from common.effects.measured import ACCURACY, Measure
from common.effects.paired import Bools, Drop, Rate, drop, interaction, rate
from common.effects.parts import Interval, Part, SizedMaskPart
from common.measure.masks import Mask


class Effect(Rate):
    """What one mask does to one group; the rate is the one under the mask."""

    drop: float
    """Intact minus ablated accuracy."""
    drop_ci: Interval
    """Its 95 % interval after Bonett and Price."""
    mcnemar_p: float
    """Exact two-sided McNemar test of the items that changed."""
    agreement: float | None = None
    """The share of items to which the model says what it said intact, right or wrong; ``null`` in
    files older than it."""
    agreement_ci: Interval | None = None
    """Its 95 % interval after Wilson."""


class MaskEffects(Part):
    """What one mask does to every group, and the interaction of the two that matter."""

    groups: dict[str, Effect]
    """By group, what it lost."""
    interaction: float
    """The drop of the target group minus that of the other; of one group alone its drop."""
    interaction_ci: Interval
    """Its 95 % interval (MOVER)."""


class MaskResult(MaskEffects, SizedMaskPart):
    """What one mask of a run does."""


def mask_effects(
    intact: Bools,
    ablated: Bools,
    groups: npt.NDArray[Any],
    target: str,
    other: str | None = None,
    stays: Bools | None = None,
    measure: Measure = ACCURACY,
) -> MaskEffects:
    """Effects of one mask, paired by item.

    Parameters
    ----------
    intact, ablated : array of bool of shape (n_items,)
        Whether each item is right without and with the mask.
    groups : array of str of shape (n_items,)
        The group of each item.
    target, other : str, str or None
        The interaction is the drop of `target` minus the drop of `other`.
    stays : array of bool of shape (n_items,), optional
        Whether the model says of each item what it said intact.
    measure : {"accuracy", "agreement"}
        What counts as right.
    """
    named = [target, *([] if other is None else [other]), *sorted(set(groups.tolist()))]
    drops = {
        name: drop(intact[groups == name], ablated[groups == name], measure=measure)
        for name in dict.fromkeys(named)
    }
    between = (drops[target].effect, drops[target].ci)
    if other is not None:
        between = interaction(drops[target], drops[other])
    effects = {}
    for name, lost in drops.items():
        kept = None if stays is None else rate(stays[groups == name])
        effects[name] = _effect(ablated[groups == name], lost, kept)
    return MaskEffects(groups=effects, interaction=between[0], interaction_ci=between[1])


def _effect(ablated: Bools, lost: Drop, kept: Rate | None) -> Effect:
    left = rate(ablated)
    return Effect(
        accuracy=left.accuracy,
        ci=left.ci,
        n=left.n,
        drop=lost.effect,
        drop_ci=lost.ci,
        mcnemar_p=lost.mcnemar_p,
        agreement=None if kept is None else kept.accuracy,
        agreement_ci=None if kept is None else kept.ci,
    )


def mask_result(mask: Mask, intact: Outcome, ablated: Outcome, items: Items) -> MaskResult:
    """Effects of a mask of a run; see :func:`mask_effects`."""
    stays = np.asarray(intact.prediction == ablated.prediction)
    sides = (items.groups, items.target, items.other)
    effects = mask_effects(intact.correct, ablated.correct, *sides, stays, items.measure)
    return MaskResult(
        mask=mask.name,
        rule=mask.rule,
        percent=mask.percent,
        seed=mask.seed,
        n_units=len(mask),
        groups=effects.groups,
        interaction=effects.interaction,
        interaction_ci=effects.interaction_ci,
    )
