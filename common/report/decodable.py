"""Decodable here, needed here: the probes of single sites beside what ablation costs."""

from __future__ import annotations

from common.effects.finding import amount_within
from common.effects.results import Results
from common.effects.words import percent
from common.measure.masks import top_percent
from common.measure.scores import SelectivityMap
from common.report.parts import Cell, Table


def decodable(results: Results, found: SelectivityMap) -> list[Table]:
    """How well each site's probe tells held-out stimuli apart, where the score is by probe."""
    told = results.selectivity.decodable
    if told is None:
        return []
    counts = top_percent(found, results.headline_percent).counts()
    needed = results.judgement.verdict.adjusted
    note = (
        f"Decodable: the mean share of {told.n[0]:,} target and {told.n[1]:,} control stimuli that "
        "a linear probe of the site, fitted to other stimuli, gets right (50 % is chance). That a "
        "difference can be read there does not say that the model reads it there. Needed: the top "
        f"{results.headline_percent:g} % of all sites together, ablated, have an adjusted effect "
        f"of {amount_within(needed)}."
    )
    rows = []
    for site, count in counts.items():
        share, interval = told.accuracy(str(site))
        rows.append(
            [
                Cell(str(site)),
                Cell(f"{site.n_units(found.unit):,}"),
                Cell(percent(share), _span(interval)),
                Cell(f"{count:,}"),
            ]
        )
    columns = ["site", "units", "decodable", "in the mask"]
    return [Table("Decodable here, needed here", note, columns, rows)]


def _span(interval: tuple[float, float]) -> str:
    low, high = interval
    return f"[{100 * low:.1f}, {100 * high:.1f}]"
