"""Reading files of text: running text, tables, and the items of somebody's own evaluation."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from common.base.errors import DataError

TEXT_COLUMNS = ("text", "sentence", "stimulus")
OLD_ENCODING = "cp1252"  # of files that were written before everything was UTF-8
PAIR, CHOICE = ("good", "bad"), ("prompt", "answer")


def read_table(path: Path) -> pd.DataFrame:
    """A CSV table, every cell of it text: ``NA`` is a word here and no gap.

    Raises
    ------
    DataError
        If it cannot be read or has no rows.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path}: is empty") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a table ({one_line(error)})") from error
    if table.empty:
        raise DataError(f"{path}: has a header and no rows")
    return table


def read_text(path: Path, otherwise: str | None = None) -> str:
    """A text file.

    Parameters
    ----------
    path : Path
        Where it is.
    otherwise : str, optional
        The encoding of a file that is not UTF-8, where old ones are to be expected.

    Raises
    ------
    DataError
        If it cannot be read, or holds nothing.
    """
    try:
        content = path.read_bytes()
        text = _decoded(content, otherwise)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as text ({one_line(error)})") from error
    if not text.strip():
        raise DataError(f"{path}: is empty")
    return text.replace("\r\n", "\n")


def _decoded(content: bytes, otherwise: str | None) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        if otherwise is None:
            raise
        return content.decode(otherwise)


def one_line(error: Exception) -> str:
    """What an exception says, in one line."""
    return " ".join(str(error).split())


def texts_in(path: Path) -> list[tuple[int, str]]:
    """Number and text of each line of a text file, or of each row of a CSV table.

    Raises
    ------
    DataError
        If the file cannot be read or is empty, or nobody could tell which column holds the texts.
    """
    if path.suffix.lower() != ".csv":
        lines = enumerate(read_text(path).splitlines(), 1)
        return [(number, line.strip()) for number, line in lines if line.strip()]
    table = read_table(path)
    column = next((c for c in TEXT_COLUMNS if c in table.columns), None)
    if column is None:
        if len(table.columns) > 1:
            raise DataError(f"{path}: name the column of its texts {TEXT_COLUMNS[0]!r}")
        column = table.columns[0]
    return [(row, cell) for row, cell in enumerate(table[column].str.strip(), 2) if cell]


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
    for line, item in enumerate(choices, 2):
        if len(set(item)) < 2 or not all(text.strip() for text in item):
            raise DataError(f"{path}: line {line} leaves nothing to choose between")
    found = pd.DataFrame({"name": [f"{path.name}:{line}" for line in range(2, len(table) + 2)]})
    found["choices"] = choices
    return found if "group" not in table else found.assign(group=table["group"].str.strip())


def alternatives(prompt: str, answer: str, wrong: Iterable[str]) -> tuple[str, ...]:
    """A prompt with each of its answers, the right one first.

    Gaps among the wrong answers are left out, as is the right one where it is listed again.
    """
    others = [each for each in dict.fromkeys(wrong) if each.strip() not in ("", answer.strip())]
    gap = "" if not prompt or prompt[-1].isspace() else " "
    return tuple(f"{prompt}{gap}{each.strip()}" for each in (answer, *others))
