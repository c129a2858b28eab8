"""What every part of the evaluation lost, and how much it lost under the control masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from common.effects.controls import rank
from common.effects.items import Items, Outcome
from common.effects.measured import Measure
from common.effects.paired import Rate, drop, rate
from common.effects.parts import Interval, Part
from common.measure.masks import Mask
from common.measure.massive import MASSIVE_PARTS
from common.measure.matching import PARTS


class PartControl(Part):
    """What one part lost under the draws of a control rule."""

    draws: int
    """How many masks were drawn."""
    drop_mean: float
    """Mean drop over them."""
    drop_max: float
    """The largest of their drops."""
    p: float | None
    """Rank of the top mask's drop among them; ``null`` for a single mask."""


class LostPart(Part):
    """What one part of the evaluation lost under one top mask."""

    level: str
    """Which way of sorting the items; ``all`` is all of them in one part."""
    part: str
    """Which part of that level."""
    percent: float
    """The dose of the top mask."""
    n: int
    """Items of the part."""
    intact: Rate
    """Accuracy without a mask."""
    top: Rate
    """Accuracy under the top mask."""
    drop: float
    """Intact minus ablated accuracy."""
    drop_ci: Interval
    """Its 95 % interval after Bonett and Price; of agreement after Wilson."""
    mcnemar_p: float
    """Exact McNemar test of the items that changed."""
    controls: dict[str, PartControl]
    """The same under each control rule of that dose."""


def breakdown(
    items: Items, masks: Sequence[Mask], outcomes: Mapping[str, Outcome]
) -> tuple[LostPart, ...]:
    """What every part of every level lost under each top mask, and under its controls.

    The first level is ``all``, with all items as its one part: what is lost at large, which the
    interaction cannot see. p is the rank of the top mask's drop among the drops of a rule's draws;
    no p here is corrected for the number of parts.
    """
    everything = {"all": np.full(len(items.names), "all"), **items.levels}
    parts = [(level, name) for level, of in everything.items() for name in sorted(set(of.tolist()))]
    found = []
    for top in (mask for mask in masks if mask.rule == "top"):
        same = [mask for mask in masks if mask.percent == top.percent]
        own = ("top", *PARTS, *MASSIVE_PARTS)
        rivals = [mask for mask in same if mask.rule not in own]
        for level, name in parts:
            inside = everything[level] == name
            correct = {
                mask: outcomes[mask].correct[inside]
                for mask in ("intact", top.name, *(rival.name for rival in rivals))
            }
            found.append(_part(level, name, correct, top, rivals, items.measure))
    return tuple(found)


def _part(
    level: str,
    name: str,
    correct: Mapping[str, np.ndarray],
    top: Mask,
    rivals: Sequence[Mask],
    measure: Measure,
) -> LostPart:
    intact, ablated = correct["intact"], correct[top.name]
    lost = drop(intact, ablated, measure=measure)
    drops: dict[str, list[float]] = {}
    for rival in rivals:
        drops.setdefault(rival.rule, []).append(float(intact.mean() - correct[rival.name].mean()))
    return LostPart(
        level=level,
        part=name,
        percent=top.percent,
        n=len(intact),
        intact=rate(intact),
        top=rate(ablated),
        drop=lost.effect,
        drop_ci=lost.ci,
        mcnemar_p=lost.mcnemar_p,
        controls={rule: _control(lost.effect, values) for rule, values in drops.items()},
    )


def _control(lost: float, drawn: Sequence[float]) -> PartControl:
    return PartControl(
        draws=len(drawn),
        drop_mean=float(np.mean(drawn)),
        drop_max=max(drawn),
        p=rank(lost, drawn).p if len(drawn) > 1 else None,
    )
