"""The page about the run folder says what the types say."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.base.errors import RunError
from common.effects.parts import Part
from common.effects.results import Results
from common.study.results_table import results_table, with_table

PAGE = Path(__file__).parents[3] / "docs" / "run-folder.md"


def parts(kind: type[Part]) -> set[type[Part]]:
    return {kind}.union(*(parts(each) for each in kind.__subclasses__()))


def test_the_page_has_the_table_of_the_types() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_table(page), "run: python -m common.study.results_table docs/run-folder.md"


def test_every_key_of_the_results_has_a_row_and_says_something() -> None:
    rows = [row.split(" | ") for row in results_table().splitlines()[2:]]
    keys = [key.removeprefix("| ").strip("`") for key, _ in rows]
    assert all(len(says) > 3 for _, says in rows)
    assert len(set(keys)) == len(keys)
    assert {key.rstrip("[]").removesuffix(".*") for key in keys} >= set(Results.model_fields)


@pytest.mark.parametrize("kind", sorted(parts(Part), key=lambda each: each.__name__))  # type: ignore[attr-defined]
def test_every_attribute_has_its_words(kind: type[Part]) -> None:
    assert [name for name, field in kind.model_fields.items() if not field.description] == []


def test_a_part_that_comes_again_is_told_once() -> None:
    table = results_table()
    assert "| `intact.*.accuracy` | The share of items that are right |" in table
    assert "keys as under `intact.*`" in table
    assert "`breakdown[].intact.accuracy`" not in table


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(RunError, match="lacks the marks"):
        with_table("# A page\n")
