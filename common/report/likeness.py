"""How like the control masks are to what they stand against, as tables of the report."""

from __future__ import annotations

from common.effects.nouns import all_in_words_of
from common.effects.results import Results
from common.measure.balance import LARGEST_GAP, LARGEST_OVERLAP, LARGEST_SHARE, Balance, SiteBalance
from common.measure.control_rules import is_matched
from common.report.parts import Cell, Table

NOTE = (
    "Gap: how much louder the masked units of a site are than those of the draws, in standard "
    "deviations of the site’s log loudness. Overlap: units of a draw that are the mask’s own. "
    "Unmatched: masked units without an equally loud partner in their site. Marked with !: a gap "
    f"above {LARGEST_GAP} sd, an overlap above {100 * LARGEST_OVERLAP:.0f} % or a site of which "
    f"more than {100 * LARGEST_SHARE:.0f} % is masked, where the control says less than it seems."
)


def likeness(results: Results) -> list[Table]:
    """One table of all matched rules and sites, or none for a run without matched controls."""
    matched = [each for each in results.balances if is_matched(each.rule)]
    rows = [row for each in matched for row in _rows(each)]
    if not rows:
        return []
    heads = ["dose and rule", "overlap", "site", "masked", "unmatched", "gap"]
    tables = [Table("How like the controls are", NOTE, heads, rows)]
    return all_in_words_of(results.selectivity.unit, tables)


def _rows(balance: Balance) -> list[list[Cell]]:
    rule = Cell(f"{balance.percent:g} % {balance.rule}", f"×{balance.draws}")
    overlap = _share(balance.overlap, LARGEST_OVERLAP)
    return [[rule, overlap, *_site_cells(site)] for site in balance.sites]


def _site_cells(site: SiteBalance) -> list[Cell]:
    masked = _share(site.share, LARGEST_SHARE)
    gap = Cell("–")
    if site.gap is not None:
        gap = Cell(f"{site.gap:+.2f}{_mark(abs(site.gap) > LARGEST_GAP)}")
    counted = Cell(masked.value, f"{site.n_masked:,} of {site.n_units:,}")
    return [Cell(site.site), counted, Cell(str(site.n_unmatched)), gap]


def _share(share: float, largest: float) -> Cell:
    return Cell(f"{100 * share:.0f} %{_mark(share > largest)}")


def _mark(marked: bool) -> str:
    return " !" if marked else ""
