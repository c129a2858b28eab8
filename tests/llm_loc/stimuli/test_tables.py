"""Files of texts, by their kinds: read as they are meant, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.base.errors import DataError
from common.data.manifest import Pairs
from llm_loc.stimuli.benchmarks import _pairs_in, benchmark
from llm_loc.stimuli.tables import LINES, items_in, texts_in


def file(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", " Hello, world; \n\nno\u2028news\x0c \r\n"),
        ("a.csv", 'text\n"Hello, world;"\n\nno\u2028news\n'),
        ("a.csv", 'text;kind\n"Hello, world;";x\n\nno\u2028news;\n'),
        ("a.tsv", "kind\tsentence\nx\tHello, world;\n\n\tno\u2028news\n"),
    ],
)
def test_a_text_is_what_was_meant(tmp_path: Path, name: str, text: str) -> None:
    found = texts_in(file(tmp_path / name, text))
    assert [each for _, each in found] == ["Hello, world;", "no\u2028news"]
    assert [row for row, _ in found] == ([1, 3] if name == "a.txt" else [2, 4])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "text\nHello, world\n", "row 2 has 2 cells"),
        (
            "a.csv",
            "The first of my sentences.\nThe second.\n",
            "name the column of its texts 'text'",
        ),
        ("a.csv", "text|kind\none|a\n", "name the column"),
        (
            "a.txt",
            "text\tkind\none\ta\n",
            "has 1 tabs in every line, so it is a table; call it a.tsv",
        ),
        ("a.jsonl", '{"text": "one"}\n', r"texts are read from files called \.txt"),
        ("a.xlsx", "PK", r"texts are read from files called \.txt"),
    ],
)
def test_what_would_be_misread_is_refused(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        texts_in(file(tmp_path / name, text))


def test_pairs_are_read_by_their_rows(tmp_path: Path) -> None:
    found = items_in(
        file(tmp_path / "a.csv", "good;bad\nHe, too, is.;He are.\n\nShe is.;She are.\n")
    )
    assert found["name"].tolist() == ["a.csv:2", "a.csv:4"]
    assert found["choices"].tolist() == [("He, too, is.", "He are."), ("She is.", "She are.")]
    with pytest.raises(DataError, match=r"a.csv: row 3 has 3 cells"):
        items_in(file(tmp_path / "a.csv", "good,bad\nHe is.,He are.\nWell, yes.,yes well.\n"))


def test_a_line_of_running_text_ends_at_a_newline(tmp_path: Path) -> None:
    pairs = file(tmp_path / "pairs.tsv", "good\tbad\nHe is.\tHe are.\n")
    prose = file(tmp_path / "prose.txt", "one\u2028still\x0cone\ntwo\n")
    found = benchmark(f"{pairs},{prose}")
    assert [name for name, _ in found.digests() if name.startswith("prose")] == [
        "prose:1",
        "prose:2",
    ]


def test_the_docs_say_which_files_of_texts_are_read() -> None:
    docs = (Path(__file__).parents[3] / "docs" / "data.md").read_text()
    rows = [line.split("|")[2].strip() for line in docs.splitlines() if line.startswith("| ")]
    assert rows.count(", ".join(f"`{suffix}`" for suffix in LINES)) == 2


@pytest.mark.parametrize(
    "good", ['"a", "good": "b"', "3", "null", '["x"]', '{"a": 1}', '" "', "[" * 100_000]
)
def test_a_pair_that_is_no_text_is_named_by_its_line(good: str, tmp_path: Path) -> None:
    entry = Pairs(files="*.jsonl", levels={"kind": "kind"}, good="good", bad="bad")
    whole = '{"good": "a", "bad": "b", "kind": "k"}'
    path = file(tmp_path / "a.jsonl", f'{whole}\n{{"good": {good}, "bad": "b", "kind": "k"}}\n')
    with pytest.raises(DataError, match=r"a.jsonl: line 2 is no pair"):
        _pairs_in(path, entry)
