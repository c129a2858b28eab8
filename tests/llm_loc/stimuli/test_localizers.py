"""Contrasts of texts: rows, stories, facts, somebody's own files, and the lines bad ones get."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest
import yaml

from common.base.cache import STAMP
from common.base.errors import DataError, ManifestError
from common.base.files import sha256_of
from common.base.tables import read_table
from common.data.manifest import bundled_folder
from llm_loc.stimuli import (
    localizer,
    localizer_of_files,
)
from tests.common.data.server import Server


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


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
    with pytest.raises(ManifestError, match="blimp: holds no contrast; it is for `evaluation`"):
        localizer("blimp", tmp_path)


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
