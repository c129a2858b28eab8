"""Pieces of HTML that show a run on a page. Whatever comes from outside is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from common.comparison import Compared
from common.listing import Entry
from common.options import results_table
from common.report.parts import Table
from common.verdict import has_evidence


def note(text: str) -> str:
    """One line of small print."""
    return f"<p class='fl-note'>{escape(text)}</p>"


def finding(results: dict[str, Any]) -> str:
    """The finding in one sentence, and what to know before believing it."""
    style = "fl-yes" if has_evidence(results) else "fl-no"
    notes = "".join(f"<p class='fl-warn'>{escape(line)}</p>" for line in results["warnings"])
    area = results.get("area")
    if area:
        share = area["share"][f"{results['headline_percent']:g}"]["of_top"]
        notes += note(
            f"This phantom has an area by construction: {100 * share:.0f} % of the top "
            f"{results['headline_percent']:g} % lie in it; by chance it would be "
            f"{area['percent']:.0f} %."
        )
    return f"<p class='fl-finding {style}'>{escape(results['verdict'])}</p>{notes}"


def outcome_table(results: dict[str, Any]) -> str:
    """The table of the command line, with all its intervals."""
    shown = results_table(results, intervals=True)
    rows = list(zip(*(column.cells for column in shown.columns), strict=True))
    return table(
        [str(column.header) for column in shown.columns],
        rows,
        str(shown.caption),
        strong=[str(cells[0]).startswith("top") for cells in rows],
    )


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[Any]],
    caption: str = "",
    style: str = "",
    strong: Sequence[bool] = (),
) -> str:
    """A table that scrolls by itself, so that the page need not.

    Parameters
    ----------
    heads, rows
        Its cells, as text.
    caption : str, optional
        Below it.
    style : str, optional
        A further class.
    strong : sequence of bool, optional
        Which rows stand out.
    """
    classes = [" class='fl-top'" if each else "" for each in strong]
    body = "".join(
        f"<tr{classes[number] if classes else ''}>"
        + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells)
        + "</tr>"
        for number, cells in enumerate(rows)
    )
    said = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f"<div class='fl-scroll' tabindex='0'><table class='fl-table {style}'>{said}"
        f"{_heads(heads)}<tbody>{body}</tbody></table></div>"
    )


def _heads(names: Iterable[str]) -> str:
    cells = "".join(f"<th scope='col'>{escape(name)}</th>" for name in names)
    return f"<thead><tr>{cells}</tr></thead>"


def runs(entries: Sequence[Entry]) -> str:
    """The list of runs."""
    if not entries:
        return note("No runs yet. Start one under Faces or Language.")
    rows = "".join(
        f"<tr><td>{escape(each.name)}<br><small>{escape(each.started[:16])}</small></td>"
        f"<td>{escape(each.model)}</td><td>{escape(each.localizer)}</td>"
        f"<td class='fl-words'>{escape(each.verdict)}</td></tr>"
        for each in entries
    )
    heads = _heads(("run", "model", "localizer", "verdict"))
    return (
        f"<div class='fl-scroll fl-runs-box' tabindex='0'><table class='fl-table fl-runs'>{heads}"
        f"<tbody>{rows}</tbody></table></div>"
    )


def report_table(shown: Table) -> str:
    """A table of the report, with its note."""
    rows = [
        [" ".join(filter(None, (cell.value, cell.beside))) for cell in row] for row in shown.rows
    ]
    body = table(shown.columns, rows, shown.note)
    return f"<h3 class='fl-heading'>{escape(shown.heading)}</h3>{body}"


def side_by_side(parts: Sequence[tuple[str, str]]) -> str:
    """Pieces of HTML under their names, beside each other where there is room."""
    columns = "".join(f"<div><h3>{escape(name)}</h3>{piece}</div>" for name, piece in parts)
    return f"<div class='fl-beside'>{columns}</div>"


def comparison(lines: Sequence[Compared], runs: Sequence[str], caption: str) -> str:
    """Two runs line by line; what differs is marked by a sign too, not by its colour alone."""
    rows = "".join(
        f"<tr{' class=fl-differs' if each.differs else ''}>"
        f"<td>{'<abbr title=differs>≠</abbr> ' if each.differs else ''}{escape(each.name)}</td>"
        f"<td>{escape(each.left)}</td><td>{escape(each.right)}</td></tr>"
        for each in lines
    )
    return (
        f"<div class='fl-scroll' tabindex='0'><table class='fl-table fl-compared'>"
        f"<caption>{escape(caption)} (≠: differs)</caption>"
        f"{_heads(('', *runs))}<tbody>{rows}</tbody></table></div>"
    )


def report_frame(name: str, page: str) -> str:
    """A report in a frame that runs no script and reads nothing of the page around it."""
    return (
        f"<iframe class='fl-report' title='Report of {escape(name, quote=True)}' sandbox='' "
        f'srcdoc="{escape(page, quote=True)}"></iframe>'
    )
