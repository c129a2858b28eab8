"""Texts from manifests and from somebody's own files, and the lines that bad ones get."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from common.errors import DataError, ManifestError, SettingError
from llm_loc import arithmetic
from llm_loc.stimuli import benchmark, localizer, localizer_of_files

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


def test_sums_are_all_different_within_their_range_and_the_same_every_time() -> None:
    for what, (low, high) in arithmetic.OPERANDS.items():
        sums = arithmetic.draw(what, 100, 0)
        assert sums == arithmetic.draw(what, 100, 0) != arithmetic.draw(what, 100, 1)
        assert len(set(sums)) == 100
        operands = [int(n) for text in sums for n in re.findall(r"\d+", text)]
        assert min(operands) >= low
        assert max(operands) <= high
    with pytest.raises(ManifestError, match="there are 361 sums"):
        arithmetic.draw("easy-arithmetic", 400, 0)


def test_multiple_demand_needs_no_files(tmp_path: Path) -> None:
    found = localizer("multiple-demand", tmp_path)
    assert found.name == "multiple-demand:difficulty"
    assert len(found.target) == len(found.control) == 100


def test_blimp_is_sorted_by_the_groups_that_are_named(root: Path) -> None:
    plain = benchmark("blimp", root)
    assert (plain.target, plain.other) == ("morphology", "rest")
    assert (plain.groups == "rest").sum() == 6
    assert set(plain.levels["field"]) == {"morphology", "syntax", "syntax_semantics"}
    assert list(plain.levels) == ["field", "phenomenon", "paradigm"]
    chosen = benchmark("blimp", root, "binding", "syntax")
    assert np.unique(chosen.groups).tolist() == ["binding", "neither", "syntax"]
    assert chosen.fingerprint() != plain.fingerprint()


@pytest.mark.parametrize(
    ("target", "other", "message"),
    [
        ("phonology", None, "--target-group phonology: blimp has none such; it has field: morph"),
        ("syntax", "nowhere", "--other-group nowhere"),
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
        ("prose", "give one benchmark of pairs"),
        ("blimp,blimp", "give one benchmark of pairs"),
        ("floc", "neither pairs nor a text"),
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


def test_rows_of_a_table_become_texts_and_na_is_a_word(tmp_path: Path) -> None:
    folder = tmp_path / "emotion"
    folder.mkdir()
    (folder / "anger.csv").write_text("text,angry\n" + "NA,1\n" * 275 + "fine,0\n" * 275)
    found = localizer("emotion", tmp_path)
    assert {text.text for text in found.target} == {"NA"}
    assert found.target[0].name == "anger.csv:2"
    (folder / "anger.csv").write_text("text,angry\n" + "NA,1\n" * 275)
    with pytest.raises(DataError, match=r"0 texts of other where emotion has 275"):
        localizer("emotion", tmp_path)


def test_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no texts"):
        localizer("floc:faces", tmp_path)


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda d: d / "none.txt", "no such file"),
        (lambda d: write(d / "a.csv", ""), "is empty"),
        (lambda d: write(d / "a.txt", " \n"), "is empty"),
        (lambda d: write(d / "a.csv", "text\n"), "no rows"),
        (lambda d: write(d / "a.csv", "x,y\n1,2\n"), "name the column"),
        (lambda d: write(d / "a.txt", b"\xff\xfe\x00"), "cannot be read as text"),
        (lambda d: write(d / "a.txt", "one\ntwo\n"), "2 target texts"),
    ],
)
def test_own_files_that_cannot_be_read(
    make: Callable[[Path], Path], message: str, own_files: tuple[Path, ...], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        localizer_of_files(make(tmp_path), own_files[1])
    assert "\n" not in str(caught.value)


def test_one_file_is_one_condition_only(own_files: tuple[Path, ...]) -> None:
    with pytest.raises(DataError, match="one condition only"):
        localizer_of_files(own_files[0], own_files[0])
