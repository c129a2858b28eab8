"""What a run says in words, generated from its numbers and from nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from common.effects.described import SkippedStimulus
from common.effects.paired import MaskResult, Permutation
from common.effects.parts import Interval
from common.effects.results import Results
from common.measure.control_rules import is_matched

ALPHA = 0.05
SMALL = 30


def points(share: float) -> str:
    """A difference of shares in percentage points: ``+3.2``."""
    return f"{round(100 * share, 1) + 0.0:+.1f}"


def percent(share: float) -> str:
    """A share in percent: ``31.1 %``."""
    return f"{100 * share:.1f} %"


def between(ci: Interval) -> str:
    """An interval of differences in percentage points: ``[+0.4, +6.1]``."""
    return f"[{points(ci[0])}, {points(ci[1])}]"


def has_evidence(results: Results, dose: float | None = None) -> bool:
    """Whether the target group lost more than the other, and more than under every matched control.

    Both are asked: the interval of the interaction lies above 0, and its p against the control
    masks is at most 0.05.
    """
    p = results.permutation_p
    if dose is not None:
        p = max((entry.p for entry in _rivals(results, dose)), default=None)
    return p is not None and p <= ALPHA and results.top(dose).interaction_ci[0] > 0


def _rivals(results: Results, dose: float) -> list[Permutation]:
    """The comparisons that p rests on, as :func:`common.effects.paired.headline_p` takes them."""
    drawn = [entry for entry in results.rivals(dose) if entry.draws > 1]
    return [entry for entry in drawn if is_matched(entry.rule)] or drawn


def verdict(results: Results) -> str:
    """The finding: what was done, what each group lost, and whether that is evidence."""
    top = results.top()
    target, other = results.groups
    contrast = results.localizer.name
    done = {"zero": "Zeroing", "mean": "Setting to their mean"}.get(
        results.ablation, f"Scaling by {results.ablation.removeprefix('scale:')}"
    )
    units = "unit" if top.n_units == 1 else "units"
    lost = " and ".join(_lost(results, top, group) for group in (target, other))
    return (
        f"{done} the {top.n_units} {units} ({top.percent:g} % of "
        f"{results.selectivity.n_units:,}) most selective for {contrast} changed accuracy "
        f"{lost}. {_judged(results, top, target, other)}"
    )


def _lost(results: Results, top: MaskResult, group: str) -> str:
    effect, intact = top.groups[group], results.intact[group]
    low, high = effect.drop_ci
    change = f"{points(-effect.drop)} points {between((-high, -low))}"
    shares = f"from {percent(intact.accuracy)} to {percent(effect.accuracy)}"
    return f"on {group} by {change} ({shares}, n = {effect.n:,})"


def _judged(results: Results, top: MaskResult, target: str, other: str) -> str:
    p = results.permutation_p
    gap = f"{points(top.interaction)} points {between(top.interaction_ci)}"
    if p is None:
        return f"The interaction is {gap}; without drawn control masks that is no evidence."
    against = f"the interaction is {gap}, p = {p:.3f} against control masks"
    if has_evidence(results):
        return f"Evidence that these units serve {target} more than {other}: {against}."
    if top.interaction_ci[1] < 0:
        return f"No evidence for {target}; {other} lost more: {against}."
    return f"No evidence that these units serve {target} more than {other}: {against}."


def skipped_warning(part: str, skipped: Sequence[SkippedStimulus]) -> str:
    """How many stimuli were left out of the localizer or the evaluation, and the first three."""
    names = ", ".join(entry.name for entry in skipped[:3])
    more = ", …" if len(skipped) > 3 else ""
    were = "stimulus of the {} was" if len(skipped) == 1 else "stimuli of the {} were"
    return f"{len(skipped):,} {were.format(part)} broken or missing and left out: {names}{more}."


def warnings(results: Results) -> list[str]:
    """What a reader should know before believing the verdict."""
    found = []
    if results.model.phantom:
        found.append(
            "The model is a phantom: the run shows that the instrument works, nothing about brains."
        )
    if results.model.untrained:
        found.append(
            "The weights are untrained: units with q < 0.05 show that the stimuli differ, not that "
            "anything was learned about them."
        )
    if results.evaluation.overlap:
        found.append(f"{results.evaluation.overlap} evaluation stimuli were in the localizer too.")
    for name, part in (("localizer", results.localizer), ("evaluation", results.evaluation)):
        if part.warning:
            found.append(part.warning)
        if part.skipped:
            found.append(skipped_warning(name, part.skipped))
    n_units, n_selective = results.top().n_units, results.selectivity.n_selective_q05
    symbol = results.selectivity.words.symbol
    if n_selective is not None and n_selective < n_units:
        found.append(
            f"Only {n_selective} units have {symbol} > 0 and q < 0.05: the others among the "
            f"{n_units} that were masked cannot be told from chance."
        )
    for group, intact in results.intact.items():
        if intact.n < SMALL:
            found.append(f"Group {group} has only {intact.n} items.")
        chance = results.chance(group)
        if chance is not None and intact.ci[0] <= chance:
            found.append(f"Intact accuracy on {group} is not above chance ({percent(chance)}).")
    draws = [entry.draws for entry in _rivals(results, results.headline_percent)]
    if not draws or min(draws) < 1 / ALPHA - 1:
        found.append("Too few control masks were drawn for p to fall to 0.05.")
    if len(results.doses) > 1:
        found.append(f"{len(results.doses)} doses were tried; p is not corrected for that.")
    return found
