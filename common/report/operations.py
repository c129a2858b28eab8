"""Selectivity by operation and depth: a figure of every map that knows its operations."""

from __future__ import annotations

from common.measure.masks import Mask
from common.measure.operations import OPERATIONS
from common.measure.scores import SelectivityMap
from common.report.figures.depth import by_operation, extremes
from common.report.parts import Shown
from common.report.shown import shown

FEWEST = 3  # operations that are worth a figure


def operation_figures(found: SelectivityMap, mask: Mask) -> list[Shown]:
    """The figure, where a map knows its operations and has some of them."""
    several = OPERATIONS in found.about and len(found.sites) >= FEWEST
    return [operation_figure(found, mask)] if several else []


def operation_figure(found: SelectivityMap, mask: Mask) -> Shown:
    """Selectivity by operation and depth, where a map knows its operations."""
    best: dict[str, float] = {}
    highest, _ = extremes(found, range(len(found.sites)))
    for site, value in zip(found.sites, highest.tolist(), strict=True):
        name = found.about[OPERATIONS].get(str(site), "others")
        best[name] = max(best.get(name, value), value)
    told = sorted(best.items(), key=lambda pair: -pair[1])
    return shown(
        by_operation(found, mask),
        "The best unit of every operation (line: down to the median one), by the class of its "
        "module, full where the top mask has units.",
        f"Highest {found.score.words.symbol} by operation: "
        + ", ".join(f"{name} {value:.3g}" for name, value in told),
    )
