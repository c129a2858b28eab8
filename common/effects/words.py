"""What a run says in words, generated from its numbers and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from common.measure.masks import MATCHED

ALPHA = 0.05
SMALL = 30


def points(share: float) -> str:
    """A difference of shares in percentage points: ``+3.2``."""
    return f"{round(100 * share, 1) + 0.0:+.1f}"


def percent(share: float) -> str:
    """A share in percent: ``31.1 %``."""
    return f"{100 * share:.1f} %"


def between(ci: tuple[float, float] | list[float]) -> str:
    """An interval of differences in percentage points: ``[+0.4, +6.1]``."""
    return f"[{points(ci[0])}, {points(ci[1])}]"


def top_of(results: dict[str, Any], dose: float | None = None) -> dict[str, Any]:
    """The entry of the top mask at a dose, by default the one that the verdict is about."""
    dose = results["headline_percent"] if dose is None else dose
    return next(
        entry
        for entry in results["ablations"]
        if entry["rule"] == "top" and entry["percent"] == dose
    )


def chance_of(results: dict[str, Any], group: str) -> float | None:
    """The share of a group's items that guessing gets right, where it is known."""
    of_all = results["model"].get("chance")
    chance: float | None = results["evaluation"].get("chances", {}).get(group, of_all)
    return chance


def has_evidence(results: dict[str, Any], dose: float | None = None) -> bool:
    """Whether the target group lost more than the other, and more than under every matched control.

    Both are asked: the interval of the interaction lies above 0, and its p against the control
    masks is at most 0.05.
    """
    p = results["permutation_p"]
    if dose is not None:
        p = max((entry["p"] for entry in _rivals(results, dose)), default=None)
    return p is not None and p <= ALPHA and top_of(results, dose)["interaction_ci"][0] > 0


def _rivals(results: dict[str, Any], dose: float) -> list[dict[str, Any]]:
    """The comparisons that p rests on, as :func:`common.effects.paired.headline_p` takes them."""
    drawn = [e for e in results["permutations"] if e["percent"] == dose and e["draws"] > 1]
    return [e for e in drawn if e["rule"] in MATCHED] or drawn


def verdict(results: dict[str, Any]) -> str:
    """The finding: what was done, what each group lost, and whether that is evidence."""
    top = top_of(results)
    target, other = results["evaluation"]["target"], results["evaluation"]["other"]
    contrast = results["localizer"]["name"]
    done = {"zero": "Zeroing", "mean": "Setting to their mean"}.get(
        results["ablation"], f"Scaling by {results['ablation'].removeprefix('scale:')}"
    )
    units = "unit" if top["n_units"] == 1 else "units"
    lost = " and ".join(_lost(results, top, group) for group in (target, other))
    return (
        f"{done} the {top['n_units']} {units} ({top['percent']:g} % of "
        f"{results['selectivity']['n_units']:,}) most selective for {contrast} changed accuracy "
        f"{lost}. {_judged(results, top, target, other)}"
    )


def _lost(results: dict[str, Any], top: dict[str, Any], group: str) -> str:
    effect, intact = top["groups"][group], results["intact"][group]
    low, high = effect["drop_ci"]
    change = f"{points(-effect['drop'])} points {between([-high, -low])}"
    shares = f"from {percent(intact['accuracy'])} to {percent(effect['accuracy'])}"
    return f"on {group} by {change} ({shares}, n = {effect['n']:,})"


def _judged(results: dict[str, Any], top: dict[str, Any], target: str, other: str) -> str:
    p = results["permutation_p"]
    gap = f"{points(top['interaction'])} points {between(top['interaction_ci'])}"
    if p is None:
        return f"The interaction is {gap}; without drawn control masks that is no evidence."
    against = f"the interaction is {gap}, p = {p:.3f} against control masks"
    if has_evidence(results):
        return f"Evidence that these units serve {target} more than {other}: {against}."
    if top["interaction_ci"][1] < 0:
        return f"No evidence for {target}; {other} lost more: {against}."
    return f"No evidence that these units serve {target} more than {other}: {against}."


def skipped_warning(part: str, skipped: Sequence[Mapping[str, Any]]) -> str:
    """How many stimuli were left out of the localizer or the evaluation, and the first three."""
    names = ", ".join(entry["name"] for entry in skipped[:3])
    more = ", …" if len(skipped) > 3 else ""
    were = "stimulus of the {} was" if len(skipped) == 1 else "stimuli of the {} were"
    return f"{len(skipped):,} {were.format(part)} broken or missing and left out: {names}{more}."


def warnings(results: dict[str, Any]) -> list[str]:
    """What a reader should know before believing the verdict."""
    found = []
    if results["model"].get("phantom"):
        found.append(
            "The model is a phantom: the run shows that the instrument works, nothing about brains."
        )
    if results["model"].get("untrained"):
        found.append(
            "The weights are untrained: units with q < 0.05 show that the stimuli differ, not that "
            "anything was learned about them."
        )
    if results["evaluation"].get("overlap"):
        found.append(
            f"{results['evaluation']['overlap']} evaluation stimuli were in the localizer too."
        )
    for part in ("localizer", "evaluation"):
        if results[part].get("warning"):
            found.append(results[part]["warning"])
        if skipped := results[part].get("skipped"):
            found.append(skipped_warning(part, skipped))
    n_units, n_selective = top_of(results)["n_units"], results["selectivity"]["n_selective_q05"]
    if n_selective < n_units:
        found.append(
            f"Only {n_selective} units have t > 0 and q < 0.05: the others among the {n_units} "
            "that were masked cannot be told from chance."
        )
    for group, intact in results["intact"].items():
        if intact["n"] < SMALL:
            found.append(f"Group {group} has only {intact['n']} items.")
        chance = chance_of(results, group)
        if chance is not None and intact["ci"][0] <= chance:
            found.append(f"Intact accuracy on {group} is not above chance ({percent(chance)}).")
    draws = [entry["draws"] for entry in _rivals(results, results["headline_percent"])]
    if not draws or min(draws) < 1 / ALPHA - 1:
        found.append("Too few control masks were drawn for p to fall to 0.05.")
    doses = {entry["percent"] for entry in results["ablations"]}
    if len(doses) > 1:
        found.append(f"{len(doses)} doses were tried; p is not corrected for that.")
    return found
