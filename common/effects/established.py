"""What a run establishes: claim by claim, yes, no or cannot tell, and by which numbers.

Each claim is answered by the numbers of the run alone; what the run did not ask it cannot tell, and
then the line says what would. A claim further down does not follow from one further up: that units
answer more to a kind does not say that the model needs them, and that it needs them does not say
that it needs them for that kind alone.
"""

from __future__ import annotations

from collections.abc import Callable

from common.effects.baseline import beside_untrained
from common.effects.claim import NO, UNTOLD, YES, Answer, Claim
from common.effects.finding import amount_within
from common.effects.judgement import DIFFICULTY, Comparison, Estimate
from common.effects.nouns import in_words_of
from common.effects.results import Results
from common.effects.sufficient import keeps_it_going
from common.effects.words import percent
from common.measure.sites import WEIGHT

ALPHA = 0.05
RELIABLE, UNRELIABLE = 0.7, 0.3  # of the correlation of two halves
CHANCE = 0.5  # of a probe's two sides, each counting alike
ALIKE = 0.05  # share by which the mean lengths of two sides of texts may differ
MATCHED = "magnitude-matched"
ANSWERS = "they answer more to the target"
LISTED = "the units are those of a list; the localizer's own, which would tell, are others"


def established(results: Results) -> tuple[Claim, ...]:
    """All claims, in the order in which one asks.

    Parameters
    ----------
    results : Results
        Of a run.
    """
    unit = results.selectivity.unit
    left_out = [] if results.localizer.tokens is not None else [_of_texts]
    left_out += OF_OUTPUTS if unit == WEIGHT else []
    return tuple(
        _answered(in_words_of(unit, name), *_claimed(unit, claim, asked(results)))
        for name, claim, asked in CLAIMS
        if asked not in left_out
    )


Told = tuple[Answer, str]


def _claimed(unit: str, claim: str, told: Told) -> tuple[str, Told]:
    """A claim and its answer, in the words of what a unit is."""
    if unit == WEIGHT and claim == ANSWERS:
        claim = "the loss on the target hangs on them more"
    return in_words_of(unit, claim), (told[0], in_words_of(unit, told[1]))


def _answered(name: str, claim: str, told: Told) -> Claim:
    answer, because = told
    return Claim(name=name, claim=claim, answer=answer, because=because)


def _selective(results: Results) -> Told:
    found, n = results.selectivity, results.top().n_units
    if (listed := found.chosen) is not None and listed.n_selective_q05 is not None:
        told = f"{listed.n_selective_q05:,} of the {n:,} listed units at q < 0.05"
        return YES if listed.n_selective_q05 == n else NO, told
    if found.n_selective_q05 is None:
        return UNTOLD, f"{found.words.prose} has no test"
    by_case = f"{found.n_selective_q05:,} of {found.n_units:,} units at q < 0.05"
    if found.n_selective_category is not None:
        by_case += f", {found.n_selective_category:,} with a condition as the case"
    return YES if found.n_selective_q05 >= n else NO, f"{by_case}; the mask holds {n:,}"


def _reliable(results: Results) -> Told:
    half = results.selectivity.split_half
    if results.selectivity.chosen is not None:
        return UNTOLD, LISTED
    if half is None:
        return UNTOLD, "the map does not say how reliable it is"
    dose = f"{results.headline_percent:g}"
    told = f"r = {half.correlation:.2f} between the maps of two halves of the stimuli"
    if dose in half.dice:
        told += f"; their top masks share {percent(half.dice[dose])} of their units"
        told += f" (chance {percent(half.dice_chance[dose])})"
    if half.correlation >= RELIABLE:
        return YES, told
    return NO if half.correlation < UNRELIABLE else UNTOLD, told


def _of_texts(results: Results) -> Told:
    pairs, tokens = results.localizer.matched, results.localizer.tokens
    if pairs is not None:
        return YES, f"texts were paired by {pairs.by}: {pairs.n_pairs:,} pairs of equal length"
    assert tokens is not None  # asked of texts alone
    one, two = tokens["target"].mean, tokens["control"].mean
    told = f"{one:.1f} tokens a text against {two:.1f}"
    if abs(one - two) <= ALIKE * max(one, two):
        return YES, told
    return UNTOLD, f"{told}: pairs of equal length would tell (the setting match)"


def _trained(results: Results) -> Told:
    base = results.baseline
    if results.model.untrained:
        return NO, "the weights are random"
    if results.selectivity.chosen is not None:
        return UNTOLD, LISTED
    if base is None or not base.untrained:
        return UNTOLD, "no untrained networks were shown the stimuli (the setting untrained_seeds)"
    rest = beside_untrained(base, results.selectivity.words).rstrip(".")
    return YES if base.exceeded else NO, f"{base.deciding(results.selectivity.words)}. {rest}"


def _needed(results: Results) -> Told:
    loss = results.judgement.verdict.groups[results.judgement.target].loss
    return _above(loss), f"{results.judgement.target} loses {amount_within(loss)} of margin"


def _specific(results: Results) -> Told:
    verdict = results.judgement.verdict
    entry = next((each for each in verdict.comparisons if each.rule == MATCHED), None)
    if entry is None:
        return UNTOLD, f"no {MATCHED} masks were drawn"
    more = amount_within(entry.excess)
    told = f"p = {entry.p:.3f} among {entry.draws} draws; {more} more than their mean"
    if entry.against != "top":
        told += ", for the part of the mask that has equally loud partners"
    return _ranked(entry), told


def _ranked(entry: Comparison) -> Answer:
    if entry.p <= ALPHA and entry.excess.ci[0] > 0:
        return YES
    ahead = entry.excess.effect > 0  # if only by so much that more draws could tell
    return UNTOLD if not entry.settled and (ahead or entry.least > ALPHA) else NO


def _deficit(results: Results) -> Told:
    judged = results.judgement
    if judged.other is None:
        return UNTOLD, "one group alone was evaluated; another to hold it against would tell"
    plain = judged.verdict.plain
    told = f"{judged.target} loses {amount_within(plain)} more of its margin than {judged.other}"
    return _above(plain), told


def _beyond_difficulty(results: Results) -> Told:
    judged = results.judgement
    if judged.other is None:
        return UNTOLD, "there is no other group to be harder or easier"
    adjusted = judged.verdict.adjusted
    told = f"at equal intact margin {amount_within(adjusted)} more"
    if judged.outcome == DIFFICULTY:
        return NO, told
    return _above(adjusted), told


def _replacement(results: Results) -> Told:
    return UNTOLD, (
        f"units were replaced by {results.ablation} alone; a sweep over zero, mean and resample "
        "shows whether the finding stays"
    )


def _massive(results: Results) -> Told:
    loud, dose = results.massive, f"{results.headline_percent:g}"
    if loud is None:
        return UNTOLD, "the run is from before loudness was told"
    held = loud.in_top.get(dose, 0)
    if not held:
        why = "they were left out of masks" if loud.excluded else f"{loud.n:,} in the whole map"
        return YES, f"the mask holds no massive unit ({why})"
    return UNTOLD, (
        f"{held:,} of {results.top().n_units:,} units of the mask are massive; "
        "masks without them would tell (the setting exclude_massive)"
    )


def _decodable(results: Results) -> Told:
    probes = results.selectivity.decodable
    if probes is None:
        return UNTOLD, "not asked: this run trained no probe (the score probe does)"
    best = max(probes.right, key=lambda site: probes.accuracy(site)[0])
    share, (low, high) = probes.accuracy(best)
    told = (
        f"the best probe of a site, at {best}, gets {percent(share)} of held-out stimuli right "
        f"[{100 * low:.1f}, {100 * high:.1f}]; of all its units, not of the mask alone"
    )
    return YES if low > CHANCE else UNTOLD, told


def _sufficient(results: Results) -> Told:
    if (found := results.sufficient) is None:
        return UNTOLD, "not asked: the units were not left alone standing (the setting sufficient)"
    target = results.evaluation.target
    return keeps_it_going(found, target, results.intact[target], results.chance(target))


def _above(estimate: Estimate) -> Answer:
    """Whether an interval lies above 0; one that holds 0 tells neither."""
    low, high = estimate.ci
    if low > 0:
        return YES
    return NO if high <= 0 else UNTOLD


CLAIMS: tuple[tuple[str, str, Callable[[Results], Told]], ...] = (
    ("selective", ANSWERS, _selective),
    ("reliable", "the same units are found with other stimuli of that kind", _reliable),
    ("not by length", "and not because texts are longer or shorter", _of_texts),
    ("made by training", "networks with random weights have none as selective", _trained),
    ("decodable", "a reader of them could tell target from control", _decodable),
    ("necessary", "the model does worse on the target without them", _needed),
    ("specific", "more so than without equally loud units of the same layers", _specific),
    ("a selective deficit", "more on the target than on the other group", _deficit),
    (
        "beyond difficulty",
        "and not because the target was nearer to being wrong",
        _beyond_difficulty,
    ),
    (
        "whatever the replacement",
        "by zero, their mean, another stimulus's value",
        _replacement,
    ),
    ("not by massive units", "and not because of a few units that are loud beyond all", _massive),
    ("sufficient", "they alone keep the target going", _sufficient),
)
"""Name, claim and how it is answered. Another one is an entry here, and no more."""

OF_OUTPUTS = [_trained, _decodable, _replacement, _sufficient]
"""What can be asked of the outputs of units alone: weights have none to read or to set to a mean,
and random ones have another loss."""
