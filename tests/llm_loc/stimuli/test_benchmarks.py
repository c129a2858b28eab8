"""Items from manifests and of somebody's own, and the lines that bad ones get."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from common.base.errors import DataError, SettingError
from llm_loc.stimuli import (
    benchmark,
    digest_of_text,
)
from tests.llm_loc.stimuli.test_localizers import write

PAIR = (
    '{{"sentence_good": "a b {i}", "sentence_bad": "b a {i}", "field": "{field}", '
    '"linguistics_term": "{term}", "UID": "{uid}"}}'
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a BLiMP of nine pairs."""
    folder = tmp_path / "blimp" / "data"
    folder.mkdir(parents=True)
    for field, term, uid in (
        ("morphology", "agreement", "one"),
        ("syntax", "islands", "two"),
        ("syntax/semantics", "binding", "three"),
    ):
        lines = [PAIR.format(i=i, field=field, term=term, uid=uid) for i in range(3)]
        (folder / f"{uid}.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_blimp_is_sorted_by_the_groups_that_are_named(root: Path) -> None:
    plain = benchmark("blimp", root)
    assert (plain.target, plain.other) == ("blimp", None)  # what is lost at large
    assert plain.groups.tolist() == ["blimp"] * 9
    against_rest = benchmark("blimp", root, "morphology")
    assert (against_rest.target, against_rest.other) == ("morphology", "rest")
    assert (against_rest.groups == "rest").sum() == 6
    assert set(plain.levels["field"]) == {"morphology", "syntax", "syntax_semantics"}
    assert list(plain.levels) == ["field", "phenomenon", "paradigm"]
    chosen = benchmark("blimp", root, "binding", "syntax")
    assert np.unique(chosen.groups).tolist() == ["binding", "neither", "syntax"]
    assert chosen.fingerprint() != plain.fingerprint()


@pytest.mark.parametrize(
    ("target", "other", "message"),
    [
        ("phonology", None, "`target_group` phonology: blimp has none such; it has field: morph"),
        ("syntax", "nowhere", "`other_group` nowhere"),
        ("syntax", "islands", "shares pairs"),
    ],
)
def test_groups_that_there_are_not(
    target: str, other: str | None, message: str, root: Path
) -> None:
    with pytest.raises(SettingError, match=message):
        benchmark("blimp", root, target, other)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("prose", "give a benchmark of items"),
        ("blimp,blimp", "each once"),
        ("floc", "floc is a set of pictures; vision-loc reads it"),
        ("langloc", "holds no items and no running text"),
        ("nowhere", "no manifest"),
        ("nowhere.csv", "no such file"),
    ],
)
def test_benchmarks_that_there_are_not(name: str, message: str, root: Path) -> None:
    (root / "prose").mkdir()
    (root / "prose" / "heldout.txt").write_text("Once.")
    with pytest.raises((DataError, SettingError), match=message):
        benchmark(name, root)


def test_a_line_that_is_no_pair_is_named(root: Path) -> None:
    (root / "blimp" / "data" / "two.jsonl").write_text('{"sentence_good": "a"}\n')
    with pytest.raises(DataError, match=r"two\.jsonl: line 1 is no pair"):
        benchmark("blimp", root)


def test_own_multiple_choice(tmp_path: Path) -> None:
    path = write(
        tmp_path / "mine.csv",
        "prompt,answer,choice1,choice2,group\n"
        "The sky is,blue,red,green,colour\n"
        "Two and two,make four,make four,make five,sum\n"
        '"It rained; ",so we left,so we,,other\n',
    )
    found = benchmark(str(path), target="sum")
    assert found.choices == (
        ("The sky is blue", "The sky is red", "The sky is green"),
        ("Two and two make four", "Two and two make five"),
        ("It rained; so we left", "It rained; so we"),
    )
    assert found.groups.tolist() == ["rest", "sum", "rest"]
    assert found.chances == pytest.approx({"sum": 1 / 2, "rest": (1 / 3 + 1 / 2) / 2})
    seen = {digest for _, digest in found.digests()}
    read = ["the sky is", "Two and two make", "it rained; so we", "The sky is red"]
    assert {digest_of_text(text) for text in read} <= seen
    assert len(found.digests()) == 7 + 3


def test_sets_without_groups_are_groups_of_each_other(root: Path, tmp_path: Path) -> None:
    mine = write(tmp_path / "mine.csv", "good,bad\none two,two one\na b c,c b a\n")
    alone = benchmark(str(mine))
    assert (alone.target, alone.other) == ("mine", None)
    with pytest.raises(SettingError, match="`other_group` mine: say the `target_group` too"):
        benchmark(str(mine), other="mine")
    found = benchmark(f"{mine},blimp", root)
    assert (found.target, found.other) == ("mine", "blimp")
    assert [*found.levels] == ["set", "field", "phenomenon", "paradigm"]
    assert set(found.levels["field"]) == {"mine", "morphology", "syntax", "syntax_semantics"}
    assert (found.groups == "mine").sum() == 2
    assert (benchmark(f"{mine},blimp", root, "morphology").groups == "rest").sum() == 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("good,bad,group\n", "no rows"),
        ("good,worse\na,b\n", "it needs good and bad for pairs, or prompt, answer"),
        ("prompt,answer\na,b\n", "it needs good and bad"),
        ("good,bad\na,b\nsame,same\n", "row 3 leaves nothing to choose between"),
        ("good,bad\na,\n", "row 2 leaves nothing"),
        ("prompt,answer,other\na,b,b\n", "row 2 leaves nothing"),
    ],
)
def test_own_items_that_cannot_be_read(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises((DataError, SettingError), match=message):
        benchmark(str(write(tmp_path / "mine.csv", text)))
