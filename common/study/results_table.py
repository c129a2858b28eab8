"""The table of ``results.json`` in ``docs/run-folder.md``, made from the types themselves.

``python -m common.study.results_table docs/run-folder.md`` writes it anew between its two marks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

from common.base.errors import RunError
from common.base.files import save_text
from common.effects.parts import Part
from common.effects.results import Results

BEGIN = "<!-- made by common.study.results_table, from the types -->"
END = "<!-- end of what is made -->"


def results_table() -> str:
    """A row for every key, in the order of the file.

    ``[]`` stands for the entries of a list and ``*`` for a name: a group, a dose, a rule. A part
    that comes again is told once.
    """
    rows = ["| key | holds |", "| --- | --- |"]
    rows.append("| `schema` | number of this layout; without it a file is older than the number |")
    told: dict[type[Part], str] = {}
    rows += [f"| `{key}` | {says} |" for key, says in _keys(Results, "", told)]
    return "\n".join(rows)


def with_table(page: str) -> str:
    """A page with the table of today between its marks.

    Raises
    ------
    RunError
        If the page lacks the marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise RunError("the page lacks the marks between which the table of results stands")
    return f"{before}{BEGIN}\n{results_table()}\n{END}{after}"


def _keys(part: type[Part], prefix: str, told: dict[type[Part], str]) -> Iterator[tuple[str, str]]:
    for name, field in part.model_fields.items():
        inner, marks = _inner(field.annotation)
        key = f"{prefix}{name}"
        says = " ".join((field.description or "").split()).removesuffix(".").replace("|", r"\|")
        if inner is None:
            yield key, _plain(says)
        elif inner in told:
            yield f"{key}{marks}", f"{_plain(says)}; keys as under `{told[inner]}`"
        else:
            told[inner] = f"{key}{marks}"
            yield f"{key}{marks}", _plain(says)
            yield from _keys(inner, f"{key}{marks}.", told)


def _plain(says: str) -> str:
    """As the page writes code: with single marks."""
    return says.replace("``", "`")


def _inner(kind: Any) -> tuple[type[Part] | None, str]:
    """The part that a type holds, if any, and how its place is written."""
    if isinstance(kind, type) and issubclass(kind, Part):
        return kind, ""
    marks = {tuple: "[]", dict: ".*"}.get(get_origin(kind), "")
    for each in get_args(kind):
        inner, more = _inner(each)
        if inner is not None:
            return inner, marks + more
    return None, ""


if __name__ == "__main__":
    page = Path(sys.argv[1])
    save_text(page, with_table(page.read_text(encoding="utf-8")))
