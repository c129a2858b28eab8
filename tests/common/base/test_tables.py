"""Tables and lines that people bring: read as they are meant, or refused by the row."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.base.errors import DataError
from common.base.tables import TABLES, lines_of, read_large, read_table, read_text

DOCS = Path(__file__).parents[3] / "docs" / "data.md"


def table(tmp_path: Path, text: str, name: str = "a.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", 'good,bad\n"Yes, she is.",no; "no"\nNA,\n'),
        ("a.csv", '\ufeffgood;bad\r\nYes, she is.;"no; ""no"""\r\n\r\nNA;\r\n'),
        ("a.csv", 'good\tbad\nYes, she is.\tno; "no"\n\nNA\t\n'),
        ("a.tsv", 'good\tbad\nYes, she is.\tno; "no"\n\nNA\t\n'),
    ],
)
def test_cells_are_parted_by_what_parts_the_names(tmp_path: Path, name: str, text: str) -> None:
    found = read_table(table(tmp_path, text, name))
    assert found.to_numpy().tolist() == [["Yes, she is.", 'no; "no"'], ["NA", ""]]
    assert found.columns.tolist() == ["good", "bad"]
    assert found.index.tolist() == [2, 4 if "\n\n" in text.replace("\r", "") else 3]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('"one\nname";b\n1;2\n', ["one\nname", "b"]),
        ('5" disk;b\n1;2\n', ['5" disk', "b"]),
        ('"a, ""b;"\tc\n1\t2\n', ['a, "b;', "c"]),
        ('\n"only, one"\n"1,2"\n', ["only, one"]),
    ],
)
def test_quotes_and_line_ends_in_names(tmp_path: Path, text: str, names: list[str]) -> None:
    path = table(tmp_path, text)
    assert read_table(path).columns.tolist() == names
    assert [name.strip() for name in read_large(path).columns] == names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("text\nHello, world\n", r"row 2 has 2 cells where the first row has 1 \(text\)"),
        ("good,bad\na,b\nc,d,\n", r"row 3 has 3 cells where the first row has 2"),
        ("good,bad\na,b,\nc,d,\n", r"row 2 has 3 cells"),
        ("good,bad\na,b\nc\n", r"row 3 has 1 cells"),
        ("good,bad,\na,b,\n", "column 3 has no name"),
        ("a,a\n1,2\n", "has the column 'a' twice"),
        ("file;a,b\n1;2\n", "a comma and a semicolon part the names"),
        ('text\n"open\n', r"row 2 cannot be read"),
        ('text\n"one" two\n', r"row 2 cannot be read"),
        ("text\none\rtwo\n", r"row 2 cannot be read \(new-line character"),
        ("text\none\0two\n", "holds NUL"),
        ("text\n", "no rows"),
    ],
)
def test_a_row_that_does_not_fit_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = table(tmp_path, text)
    with pytest.raises(DataError, match=f"a.csv: .*{message}") as caught:
        read_table(path)
    assert "\n" not in str(caught.value)


def test_a_message_is_one_line_whatever_a_column_is_called(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_table(table(tmp_path, '"one\u2028or\ntwo",b\n1\n'))
    assert len(str(caught.value).splitlines()) == 1
    assert "row 2 has 1 cells where the first row has 2 (one or two, b)" in str(caught.value)


def test_a_large_table_is_held_to_the_same(tmp_path: Path) -> None:
    fine = table(tmp_path, "item;margin\na;0.1\n")
    assert read_large(fine).to_numpy().tolist() == [["a", 0.1]]
    with pytest.raises(DataError, match="has the column 'margin' twice"):
        read_large(table(tmp_path, "item,margin,margin\na,0.1,0.2\n"))
    for text in ("item,margin\na,b,0.1\n", "item,margin\na,0.1\nc,0.1,2\n"):
        with pytest.raises(DataError, match="has 3 cells where the first row has 2"):
            read_large(table(tmp_path, text))


def test_lines_end_at_newlines_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("one\u2028still\x0cone\x85\r\ntwo\x1c\n\nfour".encode())
    assert lines_of(read_text(path)) == ["one\u2028still\x0cone\x85", "two\x1c", "", "four"]
    assert lines_of("one\n") == ["one"]
    assert lines_of("") == []
    cells = read_table(table(tmp_path, "text\none\u2028still\x0cone\x85\n"))
    assert cells["text"].tolist() == ["one\u2028still\x0cone\x85"]


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be read as text \(it is no file\)"):
        read_text(tmp_path)


def test_the_docs_say_which_tables_are_read() -> None:
    row = next(line for line in DOCS.read_text().splitlines() if line.startswith("| a table |"))
    assert row.split("|")[2].strip() == ", ".join(f"`{suffix}`" for suffix in TABLES)
