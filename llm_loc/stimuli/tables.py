"""Reading files of text: running text, tables, and the items of somebody's own evaluation."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from common.base.errors import DataError
from common.base.tables import TABLES, is_table, lines_of, read_table, read_text

TEXT_COLUMNS = ("text", "sentence", "stimulus")
LINES = (".txt", ".text")  # files of one text a line
OLD_ENCODING = "cp1252"  # of files that were written before everything was UTF-8
PAIR, CHOICE = ("good", "bad"), ("prompt", "answer")


def texts_in(path: Path) -> list[tuple[int, str]]:
    """Number and text of each line of a text file, or of each row of a table.

    Raises
    ------
    DataError
        If the file cannot be read or is empty, or nobody could tell which column holds the texts.
    """
    if not is_table(path):
        return _lines_in(path)
    table = read_table(path)
    column = next((c for c in TEXT_COLUMNS if c in table.columns), None)
    if column is None:
        raise DataError(
            f"{path}: name the column of its texts {TEXT_COLUMNS[0]!r}, in its first row; it has "
            f"{', '.join(table.columns)[:80]}"
        )
    cells = zip(table.index.tolist(), table[column].str.strip(), strict=True)
    return [(row, cell) for row, cell in cells if cell]


def _lines_in(path: Path) -> list[tuple[int, str]]:
    """Number and text of each line that says something."""
    if path.suffix.lower() not in LINES:
        raise DataError(
            f"{path}: texts are read from files called {', '.join(LINES)} (one a line) or "
            f"{', '.join(TABLES)} (a table)"
        )
    stripped = enumerate(map(str.strip, lines_of(read_text(path))), 1)
    lines = [(number, line) for number, line in stripped if line]
    tabs = {line.count("\t") for _, line in lines}
    if len(lines) > 1 and len(tabs) == 1 and 0 not in tabs:
        raise DataError(
            f"{path}: has {tabs.pop()} tabs in every line, so it is a table; call it "
            f"{path.with_suffix('.tsv').name}, its first row the names of its columns"
        )
    return lines


def items_in(path: Path) -> pd.DataFrame:
    """Somebody's own items: pairs (``good``, ``bad``) or choices (``prompt``, ``answer``, others).

    Returns
    -------
    DataFrame
        Columns ``name`` (file and line), ``choices`` (a tuple of whole texts, the right one first),
        and ``group`` where the file has it.

    Raises
    ------
    DataError
        If the columns are none of these, or an item has nothing to choose between; names the line.
    """
    table = read_table(path)
    columns = [c for c in table.columns if c != "group"]
    if set(PAIR) <= set(columns):
        choices = [tuple(row) for row in table[[*PAIR]].to_numpy()]
    elif set(CHOICE) <= set(columns) and len(columns) > len(CHOICE):
        others = [c for c in columns if c not in CHOICE]
        rows = table[[*CHOICE, *others]].to_numpy()
        choices = [alternatives(row[0], row[1], row[2:]) for row in rows]
    else:
        raise DataError(
            f"{path}: has the columns {', '.join(table.columns)}; it needs good and bad for pairs, "
            "or prompt, answer and one more column for each wrong choice; group is optional"
        )
    for row, item in zip(table.index, choices, strict=True):
        if len(set(item)) < 2 or not all(text.strip() for text in item):
            raise DataError(f"{path}: row {row} leaves nothing to choose between")
    found = pd.DataFrame({"name": [f"{path.name}:{row}" for row in table.index]})
    found["choices"] = choices
    return found if "group" not in table else found.assign(group=[*table["group"].str.strip()])


def alternatives(prompt: str, answer: str, wrong: Iterable[str]) -> tuple[str, ...]:
    """A prompt with each of its answers, the right one first.

    Gaps among the wrong answers are left out, as is the right one where it is listed again.
    """
    others = [each for each in dict.fromkeys(wrong) if each.strip() not in ("", answer.strip())]
    gap = "" if not prompt or prompt[-1].isspace() else " "
    return tuple(f"{prompt}{gap}{each.strip()}" for each in (answer, *others))
