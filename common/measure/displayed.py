"""How maps and masks show themselves in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.base.html import paragraphs_html, table_html

if TYPE_CHECKING:
    from common.measure.masks import Mask
    from common.measure.scores import SelectivityMap

MOST = 40  # sites that are shown


def map_html(found: SelectivityMap) -> str:
    """A row a site: its units, and the highest score among them."""
    words, selective = found.score.words, found.score.selective()
    tested = [] if selective is None else [f"q < 0.05 and {words.symbol} > 0"]
    rows = []
    for number, site in enumerate(found.sites[:MOST]):
        own = slice(*found.offsets[number : number + 2])
        value = found.score.value[own]
        counted = [] if selective is None else [f"{int(selective[own].sum()):,}"]
        rows.append([site, f"{value.size:,}", words.said(value.max()), *counted])
    heading = (
        f"Map of {found.n_units:,} units by {words.prose} ({found.n_target:,} target, "
        f"{found.n_control:,} control stimuli; {found.statistic}, {found.pooling})"
    )
    names = ["site", "units", f"highest {words.symbol}", *tested]
    return table_html(heading, names, rows) + _more(len(found.sites))


def mask_html(mask: Mask) -> str:
    """A row a site that has units in the mask."""
    counts = {site: n for site, n in mask.counts().items() if n}
    rows = [
        [site, f"{n:,}", f"{site.n_units(mask.unit):,}"] for site, n in [*counts.items()][:MOST]
    ]
    heading = f"Mask {mask.name}: {len(mask):,} units ({mask.percent:.3g} %)"
    return table_html(heading, ["site", "in the mask", "units"], rows) + _more(len(counts))


def _more(n: int) -> str:
    return paragraphs_html([f"… and {n - MOST:,} more sites"] if n > MOST else [])
