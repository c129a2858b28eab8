"""Pieces of HTML with which numbers show themselves in a notebook; every word is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def table_html(heading: str, names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table under a heading, as a notebook shows it.

    Parameters
    ----------
    heading : str
        What is above it.
    names : sequence of str
        Of the columns.
    rows : iterable of sequence
        As many cells each; numbers are told as they print.

    Examples
    --------
    >>> table_html("two", ["<a>"], [[1], [2]])
    '<p><b>two</b></p><table><tr><th>&lt;a&gt;</th></tr><tr><td>1</td></tr><tr><td>2</td></tr></table>'
    """
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<p><b>{escape(heading)}</b></p><table><tr>{head}</tr>{body}</table>"


def paragraphs_html(sentences: Iterable[str]) -> str:
    """Sentences, a paragraph each."""
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)
