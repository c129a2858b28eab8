"""Texts from manifests and from somebody's own files, and the lines that bad ones get."""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import yaml

from common.base.errors import DataError, ManifestError, SettingError
from common.data.download import STAMP, sha256_of
from common.data.manifest import bundled_folder, load_manifest
from llm_loc import arithmetic, formal
from llm_loc.stimuli import (
    benchmark,
    condition,
    digest_of_text,
    localizer,
    localizer_of_files,
)
from llm_loc.tables import read_table
from tests.common.data.test_download import Server

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
    with pytest.raises(ManifestError, match="floc is a set of pictures; vision-loc reads it"):
        localizer("floc:faces", tmp_path)
    with pytest.raises(ManifestError, match="math: holds no contrast; it is a control set"):
        localizer("math", tmp_path)
    with pytest.raises(ManifestError, match="blimp: holds no contrast; it is for --eval"):
        localizer("blimp", tmp_path)


# --- stories ---


def write_stories(folder: Path) -> Path:
    """A folder in the layout of the public archive, one file in Windows' old encoding."""
    folder.mkdir(parents=True)
    for number in range(1, 11):
        for kind in "bp":
            story = folder / f"{number}{kind}_story.txt"
            story.write_bytes(f"Story {number}{kind}:\r\nshe\x92s gone.\r\n".encode("latin-1"))
            question = folder / f"{number}{kind}_question.txt"
            question.write_text(f"Is this question {number}{kind}?\n")
    return folder


def test_stories_are_read_with_question_and_a_drawn_answer(tmp_path: Path) -> None:
    write_stories(tmp_path / "theory-of-mind")
    found = localizer("theory-of-mind", tmp_path)
    assert found.name == "theory-of-mind:belief"
    for side, letter in ((found.target, "b"), (found.control, "p")):
        assert len(side) == 10
        assert [text.text.split()[-1] for text in side].count("True") == 5
        for text in side:
            number = text.name.removesuffix(f"{letter}_story.txt")
            story, question, answer = text.text.split("\n")
            assert story == f"Story: Story {number}{letter}: she’s gone."
            assert question == f"Question: Is this question {number}{letter}?"
            assert answer in ("Answer: True", "Answer: False")
    assert localizer("theory-of-mind", tmp_path) == found
    (tmp_path / "theory-of-mind" / "3p_question.txt").unlink()
    with pytest.raises(DataError, match=r"3p_question\.txt: no such file"):
        localizer("theory-of-mind", tmp_path)


def test_stories_are_downloaded_and_the_checksum_that_came_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUNCLOC_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FUNCLOC_DATA", raising=False)
    write_stories(tmp_path / "made" / "tomloc")
    archive = Path(shutil.make_archive(str(tmp_path / "tomloc"), "zip", tmp_path / "made"))
    server = Server()
    try:
        server.files["/tomloc.zip"] = archive.read_bytes()
        text = resources.files("data_manifests").joinpath("theory-of-mind.yaml").read_text()
        entry = yaml.safe_load(text)
        entry["download"]["archive"] = server.url + "tomloc.zip"
        own = write(tmp_path / "theory-of-mind.yaml", yaml.safe_dump(entry))
        assert len(localizer(str(own)).target) == 10
    finally:
        server.close()
    stamp = json.loads((tmp_path / "cache" / "theory-of-mind" / STAMP).read_text())
    assert stamp["sha256"] == sha256_of(archive)
    assert len(localizer(str(own)).control) == 10  # the server is gone; the cache is enough


# --- texts that come with the program ---


def test_facts_are_whole_matched_and_sourced(tmp_path: Path) -> None:
    table = read_table(bundled_folder() / "facts.csv")
    assert len(table) >= 100
    for column in ("fact", "matched"):
        assert table[column].is_unique
        assert table[column].str.endswith(".").all()
    assert table["source"].str.match(r"https://en\.wikipedia\.org/wiki/\S+$").all()
    words = table[["fact", "matched"]].map(lambda text: len(text.split()))
    assert (words["fact"] - words["matched"]).abs().max() <= 2
    assert abs(words["fact"].mean() - words["matched"].mean()) < 0.5
    for fact, matched in zip(table["fact"], table["matched"], strict=True):
        last = fact.split()[-1]
        assert matched.split()[-1] == last  # the same word is read last
        assert last[:-1] in matched.split()[:-1]  # and was given before
        assert last[:-1] not in fact.split()[:-1]
    found = localizer("facts", tmp_path)
    assert len(found.target) == len(found.control) == len(table)


def test_mathematics_and_code_are_many_and_well_formed(monkeypatch: pytest.MonkeyPatch) -> None:
    for what in ("math", "code"):
        manifest = load_manifest(what)
        texts = [text.text for text in condition(manifest, what)]
        assert len(set(texts)) == len(texts) >= 60
        assert texts != formal.draw(what, len(texts), 1)
    for text in formal.draw("code", 80, 0):
        ast.parse(text)
    sums = [t.split(" = ") for t in formal.draw("math", 80, 0) if t.startswith("1 + 2 + 3")]
    assert sums
    for left, right in sums:
        assert sum(range(int(left.split()[-1]) + 1)) == int(right)
    monkeypatch.setitem(formal.PATTERNS, "math", (formal._series,))
    with pytest.raises(ManifestError, match="do not give 40 different"):
        formal.draw("math", 40, 0)


def test_problems_are_new_to_the_localizer_and_have_near_wrong_answers() -> None:
    found = benchmark("multiple-demand")
    used = localizer("multiple-demand")
    seen = {text.text for text in (*used.target, *used.control)}
    assert (found.target, found.other) == ("hard", "easy")
    assert found.chances == {"hard": 0.25, "easy": 0.25}
    assert (found.groups == "hard").sum() == (found.groups == "easy").sum() == 200
    assert len(set(found.good)) == 400
    for texts in found.choices:
        assert len(set(texts)) == 4
        assert len({len(text) for text in texts}) == 1
        sums, _, results = zip(*(text.rpartition(" ") for text in texts), strict=True)
        assert len(set(sums)) == 1
        assert sums[0] not in seen
        one, two = map(int, re.findall(r"\d+", sums[0]))
        right, *wrong = map(int, results)
        assert right == one + two
        assert all(0 < abs(each - right) <= 10 for each in wrong)


# --- somebody's own items ---


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
    with pytest.raises(SettingError, match=r"one group.* a second set, as in --eval mine,blimp"):
        benchmark(str(mine))
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
        ("good,bad\na,b\nsame,same\n", "line 3 leaves nothing to choose between"),
        ("good,bad\na,\n", "line 2 leaves nothing"),
        ("prompt,answer,other\na,b,b\n", "line 2 leaves nothing"),
        ("good,bad,group\na,b,one\nc,d,one\n", "all items are of one group"),
    ],
)
def test_own_items_that_cannot_be_read(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises((DataError, SettingError), match=message):
        benchmark(str(write(tmp_path / "mine.csv", text)))


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
