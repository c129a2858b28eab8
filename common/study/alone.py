"""What is measured for sufficiency: the chosen units, and matched ones, left alone."""

from __future__ import annotations

from collections.abc import Mapping

from common.effects.items import Items, Outcome
from common.effects.sufficient import Sufficient, left_alone
from common.measure.control_rules import CONTROL_RULES, against, control
from common.measure.masks import Mask, all_but, top_percent
from common.measure.matching import MATCHED_PART, matched_part
from common.measure.scores import SelectivityMap
from common.study.plan import Plan

RULES = tuple(rule.name for rule in CONTROL_RULES.values() if rule.matched)


def kept_units(found: SelectivityMap, plan: Plan) -> list[Mask]:
    """The masks whose units are left alone: the top, its matched part, and matched draws."""
    top = top_percent(found, plan.headline)
    part = matched_part(found, top)
    masks = [top, *([part] if part is not None and len(part) < len(top) else [])]
    for rule in RULES:
        if against(rule) == MATCHED_PART and part is None:
            continue
        seeds = range(plan.seed, plan.seed + (plan.sufficient or 0))
        masks += [control(found, rule, plan.headline, seed) for seed in seeds]
    return masks


def others_replaced(found: SelectivityMap, plan: Plan) -> list[Mask]:
    """For each of :func:`kept_units` the mask of all other units of its sites."""
    return [all_but(found, mask) for mask in kept_units(found, plan)]


def sufficiency(
    found: SelectivityMap, plan: Plan, items: Items, outcomes: Mapping[str, Outcome], intact: str
) -> Sufficient:
    """What the units keep, from the outcomes alone, by the names of the masks."""
    kept = kept_units(found, plan)
    every = {mask.name: (other, outcomes[other.name])
             for mask, other in zip(kept, others_replaced(found, plan), strict=True)}  # fmt: skip
    tops = {mask.rule: every[mask.name] for mask in kept if mask.seed is None}
    draws: dict[str, list[Outcome]] = {}
    for mask in kept:
        if mask.seed is not None:
            draws.setdefault(mask.rule, []).append(every[mask.name][1])
    rivals = {rule: against(rule) if against(rule) in tops else "top" for rule in draws}
    n_units = len(kept[0])
    return left_alone(items, outcomes[intact], tops, draws, rivals, n_units)
