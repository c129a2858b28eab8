"""Pieces of HTML that show a run on a page. Whatever comes from outside is escaped."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape as escaped
from typing import Any

from common.base.paths import without_paths
from common.effects.results import Results
from common.report import outcome_table
from common.report.dissociation import BADGES as DISSOCIATIONS
from common.report.glossary import explained
from common.report.parts import Cell, Table
from common.report.site_kinds import BADGES as KINDS
from common.report.strip import Card, Strip
from common.report.verdicts import BADGES, Badge, Said, beside, verdict_said, verdict_tables
from common.study.comparison import Compared
from common.study.listing import ORDERS, Entry, table_of
from common.study.side_by_side import HEADS, NOTE, SideBySide
from common.study.so_far import Known

OUTCOMES: Mapping[str, Badge] = dict([*KINDS.items(), *DISSOCIATIONS.items(), *BADGES.items()])


def escape(text: str) -> str:
    """Text for a page: no mark-up of its own, and no path of this machine."""
    return escaped(without_paths(text))


def note(text: str) -> str:
    """One line of small print."""
    return f"<p class='fl-note'>{escape(text)}</p>"


def finding(results: Results) -> str:
    """The verdict, what is judged beside it, and what to know before believing it."""
    notes = "".join(f"<p class='fl-warn'>{escape(line)}</p>" for line in results.warnings)
    area = results.area
    share = area and area.at(results.headline_percent)
    if area and share:
        notes += note(
            f"This phantom has an area by construction: {100 * share.of_top:.0f} % of the top "
            f"{results.headline_percent:g} % lie in it; by chance it would be "
            f"{area.percent:.0f} %."
        )
    also = "".join(_said(said, "fl-also") for said in beside(results))
    return _said(verdict_said(results), "fl-finding") + also + notes


def _said(said: Said, style: str) -> str:
    """One verdict: outcome by mark, word and colour, plain line, sentence, what it rests on."""
    title = f"<h3>{escape(said.title)}</h3>" if said.title else ""
    plain = f"<p class='fl-plain'>{escape(said.plain)}</p>" if said.plain else ""
    small = "".join(note(line) for line in (said.rests, *said.notes))
    role = "" if said.title else " role='status'"
    return (
        f"<div class='fl-said {style} fl-{said.badge.style}'{role}>{title}{badge(said.badge)}"
        f"{plain}<p>{escape(said.sentence)}</p>{small}</div>"
    )


def badge(of: Badge) -> str:
    """An outcome."""
    return f"<p class='fl-badge fl-{of.style}'><span>{of.mark}</span> {of.word}</p>"


def outcome_tables(results: Results) -> str:
    """The table of the command line, with all its intervals, and the verdict dose by dose."""
    columns = outcome_table.columns(results)
    rows, strong = [("intact", *outcome_table.intact_row(results))], [False]
    for dose in outcome_table.doses(results):
        for row in dose.rows:
            rows.append((_mask(row), *row.cells))
            strong.append(row.top)
    heads = ["mask", *(column.name for column in columns)]
    shown = table(heads, rows, outcome_table.note(results), strong=strong)
    return shown + "".join(map(report_table, verdict_tables(results)))


def words(results: Results) -> str:
    """The words of the field that a finding needs, each with its line, folded."""
    lines = "".join(
        f"<div><dt>{escape(word)}</dt><dd>{escape(line)}</dd></div>"
        for word, line in explained(results).items()
    )
    folded = f"<summary>What these words mean</summary><dl>{lines}</dl>"
    return f"<details class='fl-words'>{folded}</details>"


def _mask(row: outcome_table.Row) -> Cell:
    size = f"×{row.draws}" if row.draws > 1 else f"({row.n_units:,})"
    return Cell(f"{row.called} {row.percent:g} %", size)


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[Any]],
    caption: str,
    style: str = "",
    strong: Sequence[bool] = (),
) -> str:
    """A table that scrolls by itself, so that the page need not; on a phone each row is a card.

    Parameters
    ----------
    heads : sequence of str
        Of the columns. The first column is the heads of the rows.
    rows : iterable of sequences
        Cells, as text or as :class:`~common.report.parts.Cell`.
    caption : str
        What the table shows.
    style : str, optional
        A further class.
    strong : sequence of bool, optional
        Which rows stand out.
    """
    every = list(rows)
    marks = strong or [False] * len(every)
    body = "".join(_row(heads, cells, mark) for cells, mark in zip(every, marks, strict=True))
    return (
        f"<div class='fl-scroll {style}' tabindex='0' role='group' aria-label='{escape(caption)}'>"
        # The roles are those of the elements, which lose them where they are laid out as cards.
        f"<table class='fl-table' role='table'><caption>{escape(caption)}</caption>"
        f"<thead role='rowgroup'><tr role='row'>{''.join(map(_head, heads))}</tr></thead>"
        f"<tbody role='rowgroup'>{body}</tbody></table></div>"
    )


def _head(name: str) -> str:
    return f"<th scope='col' role='columnheader'>{escape(name)}</th>"


def _row(heads: Sequence[str], cells: Sequence[Any], strong: bool) -> str:
    first, *others = (each if isinstance(each, Cell) else Cell(str(each)) for each in cells)
    said = "".join(
        f"<td role='cell' data-label='{escape(head)}'>{_words(cell)}</td>"
        for head, cell in zip(heads[1:], others, strict=True)
    )
    style = " class='fl-strong'" if strong else ""
    return f"<tr role='row'{style}><th scope='row' role='rowheader'>{_words(first)}</th>{said}</tr>"


def _words(cell: Cell) -> str:
    beside = f" <small>{escape(cell.beside)}</small>" if cell.beside else ""
    return escape(cell.value) + beside


def runs(entries: Sequence[Entry], order: str = "newest", of: int | None = None) -> str:
    """The list of runs, and a link to have it as a table.

    Parameters
    ----------
    entries : sequence of Entry
        Those that are shown.
    order : str
        One of :data:`~common.study.listing.ORDERS`, in which they are.
    of : int, optional
        How many there are; left out, these are all.
    """
    if not entries:
        none_yet = "No runs yet. Start one under Faces or Language."
        return note(f"None of {of} runs has these words." if of else none_yet)
    rows = [
        (
            Cell(each.called.name or each.name, _beside(each)),
            each.model,
            each.localizer,
            Cell(str(OUTCOMES[each.outcome]) if each.outcome else "", each.effect),
            each.verdict,
        )
        for each in entries
    ]
    heads = ("run", "model", "localizer", "outcome", "verdict")
    how_many = "All runs" if of in (None, len(entries)) else f"{len(entries)} of {of} runs"
    shown = table(heads, rows, f"{how_many}, {ORDERS[order]}", "fl-runs")
    return shown + _download(table_of(entries).to_csv(index=False), "runs.csv", "These runs as CSV")


def _beside(entry: Entry) -> str:
    """Beneath a run's name: its folder, if that is another one, when it was, and its note."""
    folder = entry.name if entry.called.name else ""
    note = " ".join(entry.called.note.split())
    return " · ".join(filter(None, (folder, entry.started[:16].replace("T", " "), note)))


def _download(text: str, name: str, said: str) -> str:
    """A link that holds the file itself."""
    data = base64.b64encode(text.encode()).decode()
    return (
        f"<p class='fl-note'><a class='fl-file' download='{escape(name)}' "
        f"href='data:text/csv;base64,{data}'>{escape(said)}</a></p>"
    )


def together(sides: SideBySide) -> str:
    """Any number of runs beneath each other, what makes them hard to compare, and their mean."""
    rows = [side.cells for side in sides.sides]
    shown = table(HEADS, rows, f"{len(rows)} runs, the largest effect first. {NOTE}", "fl-together")
    warnings = "".join(f"<p class='fl-warn'>{escape(line)}</p>" for line in sides.warnings)
    mean = "" if sides.mean_said is None else note(sides.mean_said)
    csv = _download(sides.table.to_csv(index=False), "compared.csv", "This table as CSV")
    return shown + warnings + mean + csv


def report_table(shown: Table) -> str:
    """A table of the report, with its note."""
    body = table(shown.columns, shown.rows, shown.note)
    return f"<h2 class='fl-part'>{escape(shown.heading)}</h2>{body}"


def gallery(shown: Mapping[str, Any]) -> str:
    """Pictures that a front end kept, with what each shows, under their heading.

    Parameters
    ----------
    shown : mapping
        One of :func:`common.report.sections.galleries`.
    """
    figures = "".join(
        f"<figure><img alt='{escape(each['alt'])}' src='data:image/jpeg;base64,{each['data']}'>"
        f"<figcaption>{escape(each['caption'])}</figcaption></figure>"
        for each in shown["pictures"]
    )
    heading = f"<h2>{escape(shown['heading'])}</h2>"
    return f"{heading}{note(shown['caption'])}<div class='fl-pictures'>{figures}</div>"


def strip(shown: Strip | None) -> str:
    """A few items with what the model answers: intact, without the top units, and a control."""
    if shown is None:
        return ""
    cards = "".join(map(_card, shown.cards))
    heading = f"<h2>{escape(shown.heading)}</h2>{note(shown.note)}"
    return f"{heading}<div class='fl-strip'>{cards}</div>"


def _card(card: Card) -> str:
    picture = f"<img alt='{escape(card.name)}' src='data:image/jpeg;base64,{card.data}'>"
    answers = "".join(
        f"<span>{escape(each.when)}: <b>{each.mark} {escape(each.said)}</b></span>"
        for each in card.answers
    )
    return (
        f"<figure>{picture if card.data else ''}<figcaption><span>{escape(card.group)}</span>"
        f"{answers}</figcaption></figure>"
    )


def so_far(known: Sequence[Known]) -> str:
    """What a run that goes on knows by now: nothing of it is a finding yet."""
    if not known:
        return ""
    groups = [*known[0].groups]
    rows = [(_known_mask(each), *(_right(each.groups[g]) for g in groups)) for each in known]
    caption = (
        "So far: right answers (%), of how many under all masks of a kind. A verdict waits for all "
        "of them."
    )
    return table(["mask", *groups], rows, caption, "fl-so-far")


def _known_mask(each: Known) -> Cell:
    dose = "" if each.percent is None else f" {each.percent:g} %"
    return Cell(f"{each.rule}{dose}", f"×{each.draws}" if each.draws > 1 else "")


def _right(counts: tuple[int, int]) -> Cell:
    right, n = counts
    return Cell(f"{100 * right / n:.1f}" if n else "", f"of {n:,}" if n else "not yet")


def side_by_side(parts: Sequence[tuple[str, str]]) -> str:
    """Pieces of HTML under their names, beside each other where there is room."""
    columns = "".join(
        f"<div><h2 class='fl-part'>{escape(name)}</h2>{piece}</div>" for name, piece in parts
    )
    return f"<div class='fl-beside'>{columns}</div>"


def comparison(lines: Sequence[Compared], runs: Sequence[str], caption: str) -> str:
    """Two runs line by line; what differs is marked by a sign too, not by its colour alone."""
    rows = [
        (f"≠ {each.name}" if each.differs else each.name, each.left, each.right) for each in lines
    ]
    differs = [each.differs for each in lines]
    return table(("what", *runs), rows, f"{caption} (≠: differs)", "fl-compared", differs)


def report_frame(name: str, page: str) -> str:
    """A report in a frame that runs no script and reads nothing of the page around it."""
    return (
        f"<iframe class='fl-report' title='Report of {escape(name)}' sandbox='' "
        f'srcdoc="{escaped(page)}"></iframe>'
    )
