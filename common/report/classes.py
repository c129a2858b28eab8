"""The report's section on classes: which of them the chosen units serve."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from common.effects.by_class import LEAST_CLASSES, ByClass, Serving
from common.effects.results import Results
from common.report.figures.classes import loss_by_response
from common.report.parts import Section
from common.report.shown import shown


def class_section(results: Results) -> list[Section]:
    """Response against loss, class by class; nothing where items have too few classes."""
    found = results.by_class
    if found is None:
        return []
    figure = shown(
        loss_by_response(found, results.evaluation.target),
        f"A mark a class: mean response of the top {results.headline_percent:g} % to half of its "
        "items, and what the other half loses without them.",
        f"Scatter of {len(found.classes)} classes: "
        f"{'; '.join(map(said, found.correlations)) or 'nothing to rank'}.",
    )
    told = [f"{said(each)[0].upper()}{said(each)[1:]}." for each in found.correlations]
    told += [f"{each}." for each in _untold(results, found)]
    about = (
        "No item serves both axes; correlations are Spearman’s, the mean of both ways round. "
        "Classes that are harder may lose more under any mask: a small p says that the response "
        "goes with this mask’s loss more than with that of matched ones."
    )
    return [Section("Which classes", [figure], [*told, about])]


def _untold(results: Results, found: ByClass) -> Iterator[str]:
    """Groups with classes enough, among which nothing can be ranked."""
    known = {each.among for each in found.correlations}
    sizes = Counter(each.group for each in found.classes)
    where = [("all", "Over all classes", len(found.classes))]
    where += [(group, f"Among those of {group}", sizes[group]) for group in results.groups]
    for among, told, n in where:
        is_all = among != "all" and n == len(found.classes)
        if n >= LEAST_CLASSES and among not in known and not is_all:
            yield (
                f"{told} ({n}) no correlation can be told: in one half of the items at least all "
                "of them answer alike, or lose alike"
            )


def said(each: Serving) -> str:
    """A correlation in words."""
    low, high = each.ci
    where = "over all classes" if each.among == "all" else f"among those of {each.among}"
    told = f"{where} ({each.n}) r = {each.correlation:.2f} [{low:.2f}, {high:.2f}]"
    beside = "; ".join(
        f"with the loss under {entry.rule} draws {entry.mean:.2f} on average (p = {entry.p:.3f} "
        f"among {entry.draws})"
        for entry in each.matched
    )
    return f"{told}{'; ' if beside else ''}{beside}"
