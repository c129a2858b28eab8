"""Texts, lines and tables that people bring: the one place that says which are read, and how.

A text is UTF-8. Its lines end at ``\\n`` or ``\\r\\n`` and nowhere else: a form feed, U+0085 and
U+2028 are characters. A table (:data:`TABLES`) begins with a row of names, and every other row has
as many cells as that one; a row that has not is refused by its number, for nobody knows which of
its cells belongs where. Cells are parted by what parts the names: commas, semicolons or tabs.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from common.base.errors import DataError
from common.base.files import check_regular

TABLES = (".csv", ".tsv")
PARTED = {",": "a comma", ";": "a semicolon", "\t": "a tab"}
LONGEST = 1 << 24  # characters of a cell; csv takes 131,072 of its own accord
HEADER = 1
LONGEST_HEADER = 1 << 16  # characters
QUOTED = re.compile(r'(?:(?<=[,;\t\n])|^)"(?:[^"]|"")*"')  # a cell between quotes


def is_table(path: Path) -> bool:
    """Whether a file is read as a table, by its name."""
    return path.suffix.lower() in TABLES


def one_line(error: BaseException) -> str:
    """What an exception says, in one line."""
    return " ".join(str(error).split())


def _reason(error: BaseException) -> str:
    """Why a file cannot be read; of what the system says no number and no name."""
    return getattr(error, "strerror", None) or one_line(error)


def lines_of(text: str) -> list[str]:
    """The lines of a text, which end at ``\\n`` or ``\\r\\n`` alone."""
    lines = text.replace("\r\n", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]


def read_text(path: Path, otherwise: str | None = None) -> str:
    """A text file, its lines ending at ``\\n``.

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
        text = _decoded(_content(path), otherwise)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as text ({_reason(error)})") from error
    if not text.strip():
        raise DataError(f"{path}: is empty")
    if "\0" in text:
        raise DataError(f"{path}: holds NUL characters, so it is no text in UTF-8")
    return text.replace("\r\n", "\n")


def _content(path: Path) -> bytes:
    check_regular(path)
    return path.read_bytes()


def _decoded(content: bytes, otherwise: str | None) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        if otherwise is None:
            raise
        return content.decode(otherwise)


def read_table(path: Path, columns: Sequence[str] = ()) -> pd.DataFrame:
    """A table, every cell of it text: ``NA`` is a word here, and a gap is an empty text.

    Parameters
    ----------
    columns : sequence of str
        Names that it must have.

    Returns
    -------
    DataFrame
        Its index is the number of the row, as a spreadsheet counts them: the names are row 1.

    Raises
    ------
    DataError
        If it cannot be read, a row does not fit the names, there are no rows, two columns have one
        name or one has none, or a column is missing.
    """
    text = read_text(path)
    sign = _parted_by(path, text)
    rows = _rows(path, text, sign)
    names = _header(rows)
    _check_names(path, names)
    found = {number: row for number, row in rows if _fits(path, number, row, names, sign)}
    if not found:
        raise DataError(f"{path}: has a header and no rows")
    if missing := [name for name in columns if name not in names]:
        raise DataError(f"{path}: has no column {missing[0]!r}; it has {', '.join(names)}")
    return pd.DataFrame([*found.values()], columns=names, index=[*found], dtype=str)


def read_large(path: Path, **how: Any) -> pd.DataFrame:
    """A table of very many rows, by :func:`pandas.read_csv`, whose options it takes.

    Raises
    ------
    DataError
        As :func:`read_table`, which looks for the row where something is wrong.
    """
    try:
        check_regular(path)
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            beginning = file.read(LONGEST_HEADER)
        sign = _parted_by(path, beginning)
        _check_names(path, _header(_rows(path, beginning, sign)))
        found: pd.DataFrame = pd.read_csv(path, sep=sign, **how)
    except (OSError, ValueError) as error:
        if path.is_file():
            read_table(path)
        raise DataError(f"{path}: cannot be read as a table ({_reason(error)})") from error
    if not isinstance(found.index, pd.RangeIndex):  # rows have more cells than there are names
        read_table(path)
    return found


def _parted_by(path: Path, text: str) -> str:
    """What parts the cells of a table: what parts its names, quoted ones aside."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    bare = QUOTED.sub("name", text[:LONGEST_HEADER])
    header = next((line for line in lines_of(bare) if line.strip()), "")
    there = [sign for sign in PARTED if sign in header]
    if len(there) > 1:
        told = " and ".join(PARTED[sign] for sign in there)
        raise DataError(
            f"{path}: {told} part the names in its first row; put names that hold one in quotes"
        )
    return there[0] if there else ","


def _rows(path: Path, text: str, sign: str) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of each row that is not empty."""
    csv.field_size_limit(LONGEST)
    reader = csv.reader(io.StringIO(text, newline="\n"), delimiter=sign, strict=True)
    number = HEADER - 1
    try:
        for number, row in enumerate(reader, HEADER):
            if row:
                yield number, row
    except csv.Error as error:
        reason = str(error).partition(" - do you need")[0]
        raise DataError(f"{path}: row {number + 1} cannot be read ({reason})") from error


def _header(rows: Iterator[tuple[int, list[str]]]) -> list[str]:
    """The names in the first of the rows."""
    return [name.strip() for name in next((row for _, row in rows), [])]


def _check_names(path: Path, names: Sequence[str]) -> None:
    if "" in names:
        raise DataError(f"{path}: column {names.index('') + 1} has no name in the first row")
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataError(f"{path}: has the column {twice[0]!r} twice")


def _fits(path: Path, number: int, row: Sequence[str], names: Sequence[str], sign: str) -> bool:
    if len(row) != len(names):
        raise DataError(
            f"{path}: row {number} has {len(row)} cells where the first row has {len(names)} "
            f"({', '.join(names)}); put a cell that holds {PARTED[sign]} in quotes"
        )
    return True
