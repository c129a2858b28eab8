"""The report of a comparison of kinds of sites, by the same page as a dissociation's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from common.effects.claim import UNTOLD, YES
from common.effects.finding import amount, amount_within, between_amounts
from common.effects.judgement import Estimate
from common.effects.kinds_words import (
    NONE,
    ONE,
    SEVERAL,
    UNKNOWN,
    Outcome,
    outcome,
    plainly,
    sentences,
)
from common.effects.site_kinds import AskedKinds, ComparedSites, KindEffect, MappedKind
from common.effects.words import between, points
from common.measure.masks import Mask, top_percent
from common.measure.scores import SelectivityMap
from common.report.figures.depth import by_kind
from common.report.figures.kinds import effects_by_kind
from common.report.operations import operation_figures
from common.report.parts import Cell, Section, Shown, Table, part_of
from common.report.several import make_several_report, references_of
from common.report.shown import shown
from common.report.verdicts import BADGES as VERDICTS
from common.report.verdicts import Badge
from common.report.words import model_fact

BADGES: Mapping[Outcome, Badge] = {
    ONE: Badge("●", "One kind is largest", "evidence"),
    SEVERAL: Badge("◐", "Evidence, but at no single kind", "difficulty"),
    NONE: Badge("○", "No evidence at any kind", "none"),
    UNKNOWN: Badge("?", "Cannot tell", "unknown"),
}
SHOWN = 3  # sites of a mask that are named
REFERENCES = references_of("other kinds", "kind", "kinds")


def make_sites_report(folder: Path, found: ComparedSites) -> Path:
    """Write ``report.html`` into a finished folder of ``compare-sites``.

    Parameters
    ----------
    folder : Path
        The folder.
    found : ComparedSites
        What its ``sites.json`` holds.

    Raises
    ------
    RunError
        If a part of it is gone.
    """
    return make_several_report(
        folder,
        found,
        title=f"{found.localizer.name} by kind of site in {found.model.name}",
        badge=BADGES[outcome(found)],
        plain=plainly(found),
        sentences=sentences(found),
        facts=_facts(found),
        section=Section("By kind of site", [*_effects(found), *_depth(folder, found)]),
        tables=[*effect_tables(found), *_leads(found), where_table(found)],
        method=_method(found),
        references=REFERENCES,
    )


def _facts(found: ComparedSites) -> list[tuple[str, str]]:
    model, told = found.model, found.localizer
    groups = found.asked[0].kinds[0].judgement.verdict.groups
    return [
        model_fact(model),
        ("Localizer", f"{told.name}: {told.n_target:,} target, {told.n_control:,} control"),
        ("Units", f"{found.n_units:,} of each of {len(found.kinds)} kinds, replaced by "
         f"{found.ablation}"),
        ("Evaluated on", f"{found.evaluation.name}: "
         + ", ".join(f"{group.n:,} {name}" for name, group in groups.items())),
    ]  # fmt: skip


def _effects(found: ComparedSites) -> list[Shown]:
    return [
        shown(
            effects_by_kind(found, asked),
            f"{'The' if asked.name == 'items' else f'{asked.name}: the'} top mask of every kind "
            "with its 95 % interval (full: evidence over all kinds), and below it each matched "
            "draw of the same kind (bar: mean of a rule).",
            "; ".join(
                f"{each.kind} {amount_within(each.adjusted)}"
                + "".join(f", {rule.rule} {amount(rule.mean)} on average" for rule in each.drawn)
                for each in asked.ranked
            ),
        )
        for asked in found.asked
    ]


def _depth(folder: Path, found: ComparedSites) -> list[Shown]:
    """Where selective units lie, by kind; and by operation where operations were read."""
    maps: dict[str, SelectivityMap] = {}
    masks: dict[str, Mask] = {}
    for each in found.kinds:
        path = part_of(folder, f"maps/{each.kind}.safetensors")
        maps[each.kind] = SelectivityMap.load(path)
        masks[each.kind] = top_percent(maps[each.kind], each.percent)
    figures = [
        shown(
            by_kind(maps, masks),
            "The best unit of every site (line: down to the median one), full where the top mask "
            "of the kind has units.",
            "; ".join(f"{each.kind}: highest {each.selectivity.t_max:.3g}" for each in found.kinds),
        )
    ]
    for kind, own in maps.items():
        figures += operation_figures(own, masks[kind])
    return figures


def effect_tables(found: ComparedSites) -> list[Table]:
    """One line a kind, the largest effect first; a table for every question."""
    return [_effect_table(found, asked) for asked in found.asked]


def _effect_table(found: ComparedSites, asked: AskedKinds) -> Table:
    rows = [_effect_row(each) for each in asked.ranked]
    about = "" if asked.name == "items" else f"{asked.name}: "
    scale = "margin lost" if asked.other is None else "adjusted effect"
    return Table(
        f"{about}{found.n_units:,} units of each kind",
        f"The {scale}, in units of the margin, with its 95 % interval; the mean of matched draws "
        "of the same kind, with p over all kinds by the maximum statistic (the strictest rule); "
        f"what is beyond {asked.rule or 'matched'} ones; p of being larger than at every other "
        "kind, after Holm; the verdict on the kind alone.",
        ["kind", scale, "drop", "matched", "p", "beyond matched", "p largest",
         "verdict alone"],
        rows,
    )  # fmt: skip


def _effect_row(each: KindEffect) -> list[Cell]:
    worst = max(each.drawn, key=lambda rule: rule.p, default=None)
    interaction = each.judgement.interaction
    mark = {YES: "● ", UNTOLD: "? "}.get(each.more_than_matched, "○ ")
    return [
        Cell(f"{mark}{each.kind}"),
        _cell(each.adjusted),
        Cell() if interaction is None else Cell(points(interaction.effect),
                                                between(interaction.ci)),
        Cell() if worst is None else Cell(amount(worst.mean), f"×{len(worst.effects)}"),
        Cell() if worst is None else Cell(f"{worst.p:.3f}"),
        Cell() if each.beyond is None else _cell(each.beyond),
        Cell(f"{each.p:.2g}"),
        Cell(str(VERDICTS[each.judgement.outcome])),
    ]  # fmt: skip


def _cell(known: Estimate) -> Cell:
    return Cell(amount(known.effect), between_amounts(known.ci))


def _leads(found: ComparedSites) -> list[Table]:
    """Every kind against the one that comes nearest."""
    tables = []
    for asked in found.asked:
        rows = []
        for each in asked.ranked:
            row = [Cell(each.kind), _cell(each.rival.more), Cell(each.rival.other),
                   Cell(f"{each.p:.2g}", f"alone {each.p_alone:.2g}")]  # fmt: skip
            if each.beyond is not None and each.beyond_p is not None:
                ahead = each.rival_beyond
                assert ahead.beyond is not None
                row += [_cell(ahead.beyond), Cell(ahead.other), Cell(f"{each.beyond_p:.2g}")]
            rows.append(row)
        about = "" if asked.name == "items" else f"{asked.name}: "
        beyond = [f"beyond {asked.rule}: more than the rival", "rival", "p"] if asked.rule else []
        tables.append(
            Table(
                f"{about}Each kind against the one that comes nearest",
                "Adjusted effect of what one mask takes more than the other from the same items; p "
                "one-sided, the largest against any other kind, corrected for the number of kinds "
                "after Holm.",
                ["kind", "more than the rival", "rival", "p", *beyond],
                rows,
            )
        )
    return tables


def where_table(found: ComparedSites) -> Table:
    """Where the units of every kind lie."""
    rows = [_where_row(found, each) for each in found.kinds]
    return Table(
        "Where the units lie",
        "All units of the kind and the share that the mask is; the highest score; how well two "
        "halves of the stimuli agree over units; the sites that have most of the mask.",
        ["kind", "sites", "units", "share", "highest", "halves r", "most units in"],
        rows,
    )


def _where_row(found: ComparedSites, each: MappedKind) -> list[Cell]:
    own, half = each.selectivity, each.selectivity.split_half
    named = ", ".join(f"{site} {n}" for site, n in [*each.sites.items()][:SHOWN])
    more = len(each.sites) - SHOWN
    return [
        Cell(each.kind),
        Cell(f"{own.n_sites:,}"),
        Cell(f"{own.n_units:,}"),
        Cell(f"{100 * found.n_units / own.n_units:.2g} %"),
        Cell(f"{own.t_max:.3g}"),
        Cell("" if half is None else f"{half.correlation:.2f}"),
        Cell(named, f"and {more} more" if more > 0 else ""),
    ]


def _method(found: ComparedSites) -> list[str]:
    n = len(found.kinds)
    return [
        f"The localizer was shown once, and read at {n} kinds of sites. Of each kind the "
        f"{found.n_units:,} units with the highest score were replaced by {found.ablation}, and so "
        "were matched units of the same kind, drawn for each kind by itself; every mask was tried "
        "on all items.",
        "The adjusted effect is what the target loses more than the other group at equal intact "
        "margin (or what it loses, where there is one group). A kind’s mask is more than matched "
        "units if the verdict on it alone is evidence and its rank among its own draws, over all "
        f"{n} kinds by the maximum statistic, is at most 0.05. Its effect is the largest if it is "
        "above that of every other kind on the same items (Student’s t of the paired difference, "
        f"clustered by class or paradigm; Holm over {n} kinds) and the intervals of the effect and "
        "of every lead lie above 0. Beyond matched draws the same is asked of what a mask takes "
        "more, item by item, than the mean of its own draws: units of one kind may cost more than "
        "those of another whatever they are selective for.",
    ]
