"""The words of the field, each in a line, where they stand in a finding."""

from __future__ import annotations

from common.effects.nouns import in_words_of
from common.effects.results import Results
from common.measure.control_rules import CONTROL_RULES
from common.measure.sites import WEIGHT

UNIT = "one channel (a filter, a hidden dimension) of a layer, or one neuron of it"
ONE_WEIGHT = "one number of a weight matrix or of a kernel"
ALWAYS = {
    "unit": UNIT,
    "localizer": "two kinds of stimuli; the units that tell them apart best are the top ones",
    "top mask": "the units with the highest score; a dose says how many, in percent of all units",
    "ablated": "a unit's output is replaced while the model runs, by 0 if nothing else is said",
    "margin": "how far the right answer lies above the best wrong one, before any threshold",
    "adjusted effect": "how much more margin the target group lost than the other, among items "
    "that the intact model found equally easy; the verdict rests on it",
    "interval": "where the true value lies in 95 of 100 such runs",
    "p": "how rarely a control mask of the same size takes as much as the top one; the more draws, "
    "the smaller it can be",
}
RULES = {
    "random": "as many units, drawn from the whole model",
    "layer-matched": "as many units of each layer as the top mask has there",
    "magnitude-matched": "for each top unit one of its layer that is as loud: as active on average",
    "bottom": "the units with the lowest score",
}
MASSIVE = "many times as loud as the median unit of its layer"
PART = "the top units that have an equally loud partner in their layer, as controls need"


def explained(results: Results) -> dict[str, str]:
    """By word, what it means, of those that a run's finding needs."""
    rules = {entry.rule for entry in results.ablations}
    found = {**ALWAYS, **{rule: RULES[rule] for rule in CONTROL_RULES if rule in rules & {*RULES}}}
    if "matched-part" in rules:
        found["matched part"] = PART
    if any("massive" in warning for warning in (*results.warnings, results.verdict)):
        found["massive unit"] = MASSIVE
    unit = results.selectivity.unit
    told = {in_words_of(unit, word): in_words_of(unit, line) for word, line in found.items()}
    return {**told, "weight": ONE_WEIGHT} if unit == WEIGHT else told
