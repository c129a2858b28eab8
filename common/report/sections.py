"""The report's figures with their captions, and the pictures that a front end kept."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from common.base.errors import MaskError
from common.base.files import read_json
from common.effects.breakdown import LostPart
from common.effects.finding import amount, amount_within
from common.effects.nouns import all_in_words_of, in_words_of
from common.effects.perplexity import TextPerplexity
from common.effects.results import Localized, Results
from common.effects.words import between, percent, points
from common.measure.control_rules import CONTROL_RULES, control
from common.measure.masks import Mask, top_percent
from common.measure.scores import SelectivityMap
from common.measure.sites import WEIGHT
from common.report import figures
from common.report.classes import class_section
from common.report.draws import adjusted_effects
from common.report.loud import loud_section
from common.report.operations import operation_figures
from common.report.parts import Section, Shown, found_part, part_of, profile_of
from common.report.shown import shown
from common.report.words import area, n_sites, reliability

if TYPE_CHECKING:
    pass


def sections(results: Results, found: SelectivityMap, folder: Path) -> list[Section]:
    """All figures, in the order in which a reader asks: what was lost, and then by which units."""
    return all_in_words_of(found.unit, _sections(results, found, folder))


def _sections(results: Results, found: SelectivityMap, folder: Path) -> list[Section]:
    top: Mask = top_percent(found, results.headline_percent)
    drawn = found.unit != WEIGHT
    rival = map_control(found, top, _seed_of(results)) if drawn else None
    return [
        _effect(results, folder),
        *_lost_parts(results),
        *class_section(results),
        *_perplexities(results),
        *loud_section(results, folder),
        *_profile(folder),
        lying(results, found, top, rival),
        selective(results, found, sorted(results.doses), results.headline_percent, area(results)),
    ]


def lying(
    results: Localized, found: SelectivityMap, top: Mask, rival: Mask | None = None
) -> Section:
    """Where the top units lie, beside those of a control, and how selective all units are."""
    target = results.localizer.name
    where = shown(
        figures.units_by_site(found, top, target),
        f"{len(top):,} {'unit' if len(top) == 1 else 'units'} in all (numbers: units of a site).",
        say_sites(found, top),
    )
    every = shown(
        figures.selectivity_by_site(found),
        "All units of each site, not only the chosen ones.",
        f"Heat map: {found.score.words.prose} of every site’s units, sorted within the site.",
    )
    places = _map_of_units(found, top, rival)
    figures_of = [where, *places, every, *operation_figures(found, top)]
    return Section("Where the units lie", figures_of)


def selective(
    results: Localized,
    found: SelectivityMap,
    doses: list[float],
    headline: float,
    more: Sequence[str] = (),
) -> Section:
    """The score over all units, and how reliable it is."""
    said = found.score.words.said
    spread = shown(
        figures.t_distribution(found, doses),
        "The threshold of every dose is marked: units to its right are in the mask.",
        f"Histogram of {found.score.words.prose} over {found.n_units:,} units, from "
        f"{said(found.score.value.min())} to {said(found.score.value.max())}.",
    )
    told = [*reliability(results, headline), *more]
    return Section("How selective, how reliable", [spread], told)


def _effect(results: Results, folder: Path) -> Section:
    """The adjusted effect beside the draws, and both scales by dose."""
    compared = any(verdict.comparisons for verdict in results.judgement.doses)
    beside = shown(
        figures.adjusted(results, adjusted_effects(folder, results)),
        "The adjusted effect of the top mask with its 95 % interval"
        + (
            ", and of each control draw (bar: mean of a rule)."
            if compared
            else "; no control masks were drawn to hold it against."
        ),
        say_adjusted(results),
    )
    if len(results.doses) == 1:
        return Section("Against the controls" if compared else "Effect", [beside])
    by_dose = shown(
        figures.adjusted_by_dose(results),
        "The effect that the verdict rests on as more units are ablated"
        + (", and that of the control draws." if compared else "."),
        say_adjusted_by_dose(results),
    )
    heading = "Dose, and the controls" if compared else "Dose"
    return Section(heading, [beside, by_dose, _dose_curve(results)])


def _dose_curve(results: Results) -> Shown:
    return shown(
        figures.dose_curve(results),
        "What is left as more units are ablated. Dashed: mean of the control draws; band: their "
        "range.",
        say_doses(results),
    )


def say_doses(results: Results) -> str:
    tops = [results.top(dose) for dose in sorted(results.doses)]
    told = []
    for group in results.groups:
        at = [f"{percent(top.groups[group].accuracy)} at {top.percent:g} %" for top in tops]
        told.append(f"{group} {', '.join(at)}")
    name = results.evaluation.measure.capitalize()
    return f"{name} by dose of the top mask: {'; '.join(told)}."


def say_adjusted(results: Results) -> str:
    """The adjusted effect beside the controls, as told to who cannot see the figure."""
    verdict = results.judgement.verdict
    rest = "".join(
        f"; {entry.rule} {amount(entry.mean)} on average of {entry.draws} draws"
        for entry in verdict.comparisons
    )
    return f"Adjusted effect, in units of the margin: {amount_within(verdict.adjusted)}{rest}."


def say_adjusted_by_dose(results: Results) -> str:
    """The adjusted effect by dose, as told to who cannot see the figure."""
    doses = sorted(results.judgement.doses, key=lambda verdict: verdict.percent)
    told = ", ".join(f"{amount_within(each.adjusted)} at {each.percent:g} %" for each in doses)
    return f"Adjusted effect by dose of the top mask: {told}."


def say_sites(found: SelectivityMap, top: Mask) -> str:
    counts = sorted(top.counts().items(), key=lambda pair: -pair[1])[:3]
    most = ", ".join(f"{count:,} in {site}" for site, count in counts if count)
    told = f"Bar chart of the top mask’s units over {n_sites(len(found.sites))}; most are {most}."
    return in_words_of(found.unit, told)


def _map_of_units(found: SelectivityMap, top: Mask, rival: Mask | None) -> list[Shown]:
    """The map of all units; of weights there are too many to be seen."""
    if found.unit == WEIGHT:
        return []
    return [
        shown(
            figures.unit_map(found, top, rival),
            "Every unit at its place: a row a site, units in the order of their tensor. Of a site "
            f"with more than {figures.MOST_COLUMNS:,} units each column shows the strongest of its "
            "own.",
            say_map(found, top, rival),
        )
    ]


def map_control(found: SelectivityMap, top: Mask, seed: int) -> Mask | None:
    """The first draw of the closest matched control, to be marked beside the top mask."""
    for rule in reversed([each.name for each in CONTROL_RULES.values() if each.matched]):
        try:
            return control(found, rule, top.percent, seed)
        except MaskError:
            continue
    return None


def _seed_of(results: Results) -> int:
    """The seed of a run's first draws."""
    seeds = [entry.seed for entry in results.ablations if entry.seed is not None]
    return min(seeds, default=0)


def say_map(found: SelectivityMap, top: Mask, rival: Mask | None) -> str:
    """The map of all units, as told to who cannot see it."""
    score, marked = found.score.words.prose, f"the {len(top):,} of the top mask are marked"
    if rival is not None:
        marked += f", and the {len(rival):,} of one {rival.rule} draw"
    return f"Map of {score} of all {found.n_units:,} units by site; {marked}."


def _lost_parts(results: Results) -> list[Section]:
    """What every level's parts lost, where the evaluation has levels."""
    figures_of = [
        shown(
            figures.lost_parts(parts),
            f"{len(parts)} parts were looked at: the largest of so many drops is large by chance "
            "too, and no interval is corrected for that.",
            say_lost(level, parts),
        )
        for level, parts in results.lost_parts().items()
        if len(parts) > 1
    ]
    return [Section("What lost most", figures_of)] if figures_of else []


def say_lost(level: str, parts: Sequence[LostPart]) -> str:
    """What lost most, as told to who cannot see the figure."""
    worst = sorted(parts, key=lambda entry: -entry.drop)[:3]
    told = ", ".join(f"{e.part} {points(e.drop)} {between(e.drop_ci)}" for e in worst)
    return f"Drop by {level} in percentage points; the largest: {told}."


def _perplexities(results: Results) -> list[Section]:
    """Perplexity by dose, where texts were measured."""
    figures_of = [
        shown(
            figures.perplexity_curve(text, results.selectivity.unit),
            f"How badly {text.text} is predicted as more units are ablated; lower is better. "
            f"Bars: 95 % bootstrap interval of the rise over intact, paired by window "
            f"(n = {text.n:,}).",
            _say_perplexity(text),
        )
        for text in results.perplexity
    ]
    told = [_say_rise(text, results.headline_percent) for text in results.perplexity]
    return [Section("Perplexity by dose", figures_of, told)] if figures_of else []


def _say_rise(text: TextPerplexity, dose: float) -> str:
    """By how much one text is predicted worse at a dose, and under the controls of that dose."""
    under = text.drawn(dose)
    (top,) = under.pop("top")
    low, high = top.rise_ci
    rises = {rule: [entry.rise for entry in drawn] for rule, drawn in under.items()}
    told = [
        f"{rule} {np.mean(drawn):+.3f} on average"
        for rule, drawn in rises.items()
        if len(drawn) > 1
    ]
    against = f"; {'; '.join(told)}" if told else ""
    return (
        f"{text.text} under the top {dose:g} %: {top.rise:+.3f} nats a token [{low:+.3f}, "
        f"{high:+.3f}]{against}. Windows of one text are neighbours and not independent, so the "
        "interval is somewhat too narrow."
    )


def _say_perplexity(text: TextPerplexity) -> str:
    told = ", ".join(f"{top.perplexity:.4g} at {top.percent:g} %" for top in text.tops)
    intact = f"intact {text.intact.perplexity:.4g}"
    return f"Perplexity of {text.text} by dose of the top mask: {intact}, {told}."


def _profile(folder: Path) -> list[Section]:
    """How strongly the chosen units answer to each kind of text, where that was measured."""
    table = profile_of(folder)
    if table is None:
        return []
    figure = shown(
        figures.response_profile(table),
        "Each unit’s activation over its own average in the localizer, averaged over the units "
        "and then over the texts of a condition.",
        say_profile(table),
    )
    words = [
        "The localizer says that the units tell its two sides apart, not what else they answer "
        "to. Control masks are drawn from the same sites; where their range is wide, a condition "
        "differs from the localizer’s texts in every unit there, for its form or its length."
    ]
    if table["own"].any():
        words.append(
            "The units were chosen by the texts that are marked as the localizer’s own, so that "
            "they answer to one side of these more than to the other is no finding."
        )
    return [Section("What the chosen units answer to", [figure], words)]


def say_profile(table: pd.DataFrame) -> str:
    """The response profile, as told to who cannot see the figure."""
    top = table[table["rule"] == "top"]
    told = ", ".join(
        f"{row.set} {row.condition} {row.response:.2f}" for row in top.itertuples(index=False)
    )
    return f"Bar chart of the top units’ mean response: {told}."


def continuations(folder: Path) -> dict[str, Any] | None:
    """How the model went on from a few prompts, where the front end kept that."""
    path = found_part(folder, "gallery/continuations.json")
    kept: dict[str, Any] | None = None if path is None else read_json(path)
    return kept if kept and kept["rows"] else None


def galleries(folder: Path, name: str = "gallery") -> list[dict[str, Any]]:
    """What the front end kept to show: an index in ``gallery/`` and the pictures beside it."""
    index = found_part(folder, f"gallery/{name}.json")
    if index is None:
        return []
    galleries: list[dict[str, Any]] = [each for each in read_json(index) if "pictures" in each]
    for gallery in galleries:
        for entry in gallery["pictures"]:
            # Only the name counts: an index made by somebody else cannot reach outside the folder.
            picture = part_of(folder, f"gallery/{Path(entry['file']).name}")
            entry["data"] = base64.b64encode(picture.read_bytes()).decode()
    return [gallery for gallery in galleries if gallery["pictures"]]
