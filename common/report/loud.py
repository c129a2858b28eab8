"""Is it loud units? The massive ones of a run, in words and in a figure, from its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from common.effects.finding import amount
from common.effects.judgement import Judgement
from common.effects.massive import Massive
from common.effects.results import Results
from common.effects.words import percent
from common.measure.massive import MASSIVE, WITHOUT_MASSIVE
from common.report import figures
from common.report.draws import adjusted_effects
from common.report.parts import Section
from common.report.shown import shown
from common.report.words import n_sites

MOST, SOME = 0.5, 0.1  # shares of the top's loss that count as most of it, and as any


def loud_section(results: Results, folder: Path) -> list[Section]:
    """Which units are massive and what is lost without them; nothing for runs from before."""
    massive = results.massive
    if massive is None:
        return []
    losses, what = _losses(results, folder)
    figure = shown(
        figures.loss_by_loudness(results, massive, losses, what),
        "Each mask of this dose: how loud a unit of it is on average and what it costs. "
        "Controls to the left of the top are quieter than it is.",
        say_figure(results, massive, losses),
    )
    told = [which(massive, results.headline_percent), answer(results, massive, losses, what)]
    return [Section("Is it loud units?", [figure], told)]


def _losses(results: Results, folder: Path) -> tuple[Mapping[str, float], str]:
    """By mask, what running text costs where it was measured, or the adjusted effect."""
    if results.perplexity:
        text = results.perplexity[0]
        rises = {entry.mask: entry.rise for entry in text.ablations}
        return rises, f"nats a token lost on {text.text}"
    return adjusted_effects(folder, results), "adjusted effect (units of the margin)"


def which(massive: Massive, dose: float) -> str:
    """Which units are massive, and how many of them the top mask of a dose holds."""
    left = " Masks and controls were chosen without them." if massive.excluded else ""
    said = (
        f"A unit counts as massive from {massive.threshold:g} times the loudness of the median "
        f"unit of its site on; loudness is {massive.measure}."
    )
    if not massive.n:
        return f"{said} No unit of this model is.{left}"
    first = massive.units[0]
    most = [*massive.channels.items()][:5]
    channels = ", ".join(f"{channel} (at {n_sites(n)})" for channel, n in most)
    several = "s are" if len(massive.channels) > 1 else " is"
    many = f" {len(massive.channels)} channel{several} so: {channels}." if channels else ""
    in_top = massive.in_top.get(f"{dose:g}", 0)
    one = massive.n == 1
    where = f" (position {first.position})" if first.position else ""
    return (
        f"{said} {massive.n:,} {'unit is' if one else 'units are'}, at {n_sites(massive.n_sites)}; "
        f"the loudest is unit {first.unit} of {first.site}{where}, {first.times:.0f} times as loud."
        f"{many} "
        f"The top {dose:g} % holds {in_top} of them.{left}"
    )


def answer(results: Results, massive: Massive, losses: Mapping[str, float], what: str) -> str:
    """Whether the loss of the top is that of loud units, cautiously."""
    dose = results.headline_percent

    def of(rule: str) -> float | None:
        entries = results.at(dose, rule)
        return losses[entries[0].mask] if entries else None

    top, quiet, loud = of("top"), of(WITHOUT_MASSIVE), of(MASSIVE)
    told = [
        f"Is it just a product of a few loud units? In {what}: the top costs {amount(top or 0.0)}"
    ]
    if quiet is not None:
        told[0] += f", the same without its massive units {amount(quiet)}"
    if loud is not None:
        told[0] += f", all massive units of the model alone {amount(loud)}"
    told[0] += "."
    told.append(_weighed(top or 0.0, quiet, loud, massive, dose))
    told.append(_matched(results))
    told.append(
        "These are single masks without an interval of their own, so small differences say "
        "nothing; what the verdict rests on is the matched controls."
    )
    return " ".join(each for each in told if each)


def _weighed(
    top: float, quiet: float | None, loud: float | None, massive: Massive, dose: float
) -> str:
    if top <= 0:
        return "The top costs nothing, so there is no loss to explain."
    if quiet is not None:
        share = quiet / top
        if share >= MOST:
            left = _part(share)
            if loud is not None and loud / top >= MOST:
                return (
                    f"So {left} of it is left without them, but they alone cost "
                    f"{_part(loud / top)} of it, too: harms do not add up, and either "
                    "would do, so it cannot be said whose it is."
                )
            return f"So {left} of it is left without them: it is mostly not theirs."
        if share >= SOME:
            return f"So {percent(share)} of it is left without them: it is mostly theirs."
        return "So hardly any of it is left without them: it is theirs."
    if not massive.n:
        return "The model has no massive units that could explain it."
    if massive.in_top.get(f"{dose:g}", 0):
        return "The top holds nothing else, so they cannot be told apart here."
    return "The top holds none of them, so what it costs is not theirs."


def _part(share: float) -> str:
    return "all" if share >= 1 else percent(share)


def _judged(results: Results) -> Judgement:
    """The judgement on what the losses are of."""
    if results.perplexity:
        return results.text_judgements.get(results.perplexity[0].text, results.judgement)
    return results.judgement


def _matched(results: Results) -> str:
    """What equally loud units of the same sites say."""
    judgement = _judged(results)
    part = judgement.matched_part
    entries = (part or judgement.verdict).comparisons
    rule = next((entry for entry in entries if entry.rule == "magnitude-matched"), None)
    if rule is None:
        return "No equally loud units were drawn to hold it against."
    own = (part or judgement.verdict).adjusted.effect
    whose = "the matched part of the top" if part is not None else "the top"
    return (
        f"Against equally loud units of the same sites ({rule.draws} draws): {whose} costs "
        f"{amount(own)}, they {amount(rule.mean)} on average "
        f"(p = {rule.p:.3f})."
    )


def say_figure(results: Results, massive: Massive, losses: Mapping[str, float]) -> str:
    """The figure, as told to who cannot see it."""
    told = []
    for rule in results.rules(results.headline_percent):
        names = [e.mask for e in results.at(results.headline_percent, rule)]
        names = [name for name in names if name in massive.masks]
        if names:
            loud = float(np.mean([massive.masks[name] for name in names]))
            lost = float(np.mean([losses[name] for name in names]))
            told.append(f"{rule} {amount(lost)} at {loud:.3g} times the median")
    return f"Loss by loudness of the masks: {'; '.join(told)}."
