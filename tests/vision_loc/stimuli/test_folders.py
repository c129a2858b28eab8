"""Folders of somebody's own pictures: what is read of them, and what is told of the rest."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from common.base.errors import DataError
from vision_loc.experiment import FRONT, Settings
from vision_loc.models import load_model
from vision_loc.stimuli import benchmark, localizer_of_folders, open_picture
from vision_loc.stimuli.files import SUFFIXES, files_in, passed_over


def picture(path: Path, grey: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (grey, grey, grey)).save(path, format="PNG")
    return path


def names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in files_in(folder)]


def test_what_is_hidden_is_passed_over_and_a_folder_is_a_folder(tmp_path: Path) -> None:
    for file in ("a.png", ".git/b.png", ".ipynb_checkpoints/a-checkpoint.png", "x.png/c.jpe"):
        picture(tmp_path / file)
    assert names(tmp_path) == ["a.png", "x.png/c.jpe"]
    assert passed_over(tmp_path) is None


def test_linked_folders_are_read_once(tmp_path: Path) -> None:
    picture(tmp_path / "there" / "a.png")
    folder = tmp_path / "mine"
    picture(folder / "b.png")
    (folder / "link").symlink_to(tmp_path / "there")
    assert names(folder) == ["b.png", "link/a.png"]
    (folder / "again").symlink_to(tmp_path / "there")
    with pytest.raises(DataError, match=r"link: is a link to .*again, whose pictures are read"):
        files_in(folder)
    (folder / "again").unlink()
    (folder / "link" / "round").symlink_to(folder)
    with pytest.raises(DataError, match=r"round: is a link to .*mine, whose pictures are read"):
        files_in(folder)


def test_what_is_no_picture_is_counted_and_named(tmp_path: Path) -> None:
    picture(tmp_path / "a.jfif")
    for file in ("b.heic", "c.HEIC", "d.pdf", "e", "labels.csv", "notes.txt", "Thumbs.db"):
        (tmp_path / file).write_bytes(b"")
    told = passed_over(tmp_path)
    assert told is not None
    assert told.startswith(f"4 files in {tmp_path} are no pictures by their names")
    assert "(2 .heic, 1 .pdf, 1 without a suffix), the first: b.heic, c.HEIC, d.pdf." in told
    (tmp_path / "a.jfif").unlink()
    with pytest.raises(DataError, match=r"holds no pictures; 4 files .*\(2 .heic"):
        files_in(tmp_path)


def test_the_warning_reaches_whoever_reads_the_results(tmp_path: Path) -> None:
    for side, grey in (("one", 0), ("two", 9)):
        for number in range(4):
            picture(tmp_path / side / f"{number}.png", grey + number)
    (tmp_path / "two" / "x.heic").write_bytes(b"")
    sides = (tmp_path / "one", tmp_path / "two")
    found = localizer_of_folders(*sides)
    assert found.warning is not None
    assert "1 .heic" in found.warning
    read = benchmark(f"a={sides[0]},b={sides[1]}", labelled=False)
    assert read.warning is not None
    assert "1 .heic" in read.warning


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_what_is_said_to_be_read_is_read(tmp_path: Path, suffix: str) -> None:
    try:
        Image.new("RGB", (4, 4), "red").save(tmp_path / f"a{suffix}")
    except (KeyError, OSError, ValueError):
        pytest.skip("this Pillow cannot write it")
    pixel = open_picture(tmp_path / f"a{suffix}").getpixel((1, 1))
    assert isinstance(pixel, tuple)
    assert pixel[0] > 70 or suffix in (".pgm", ".pbm")


def test_the_docs_say_which_pictures_are_read() -> None:
    docs = (Path(__file__).parents[3] / "docs" / "data.md").read_text()
    row = next(line for line in docs.splitlines() if line.startswith("| pictures |"))
    assert {each.strip(" `") for each in row.split("|")[2].split(",")} == SUFFIXES


def test_a_pipe_is_no_picture(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.png")
    with pytest.raises(DataError, match=r"x.png: broken, or no picture \(it is no file\)"):
        open_picture(tmp_path / "x.png")
    picture(tmp_path / "one" / "0.png")
    for number in range(4):
        picture(tmp_path / "two" / f"{number}.png", number)
        os.mkfifo(tmp_path / "one" / f"{number + 1}.png")
    found = localizer_of_folders(tmp_path / "one", tmp_path / "two")
    with pytest.raises(DataError, match=r"1.png: cannot be read \(it is no file\)"):
        found.target[1].digest()


def test_a_name_that_no_text_can_hold_is_named(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xff.png")).write_bytes(b"")
    except OSError:
        pytest.skip("this file system has no such names")
    with pytest.raises(DataError, match=r"its name is not UTF-8; rename it") as caught:
        files_in(tmp_path)
    assert "b" + chr(92) + "udcff.png" in str(caught.value)


# --- both sides alike ---


def test_one_folder_is_not_two(tmp_path: Path) -> None:
    for number in range(4):
        picture(tmp_path / "one" / "in" / f"{number}.png", number)
    (tmp_path / "link").symlink_to(tmp_path / "one")
    for other in (tmp_path / "one", tmp_path / "link"):
        with pytest.raises(DataError, match="are the same folder"):
            localizer_of_folders(tmp_path / "one", other)
    with pytest.raises(DataError, match="one of the two folders holds the other"):
        localizer_of_folders(tmp_path / "one", tmp_path / "one" / "in")


def test_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for side in "ab":
        for number in range(4):
            picture(tmp_path / side / "faces" / f"{number}.png", number)
    found = localizer_of_folders(tmp_path / "a" / "faces", tmp_path / "b" / "faces")
    assert {p.condition for p in found.target} == {str(tmp_path / "a" / "faces")}
    assert {p.condition for p in found.control} == {str(tmp_path / "b" / "faces")}


def test_pictures_on_both_sides_are_refused_or_told(tmp_path: Path) -> None:
    for number in range(5):
        picture(tmp_path / "one" / f"{number}.png", number)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    told = {"target": tmp_path / "one", "control": tmp_path / "two"}
    with pytest.raises(DataError, match="one-vs-two: both sides are the same pictures"):
        FRONT.localizing(Settings(model="phantom/planted", **told))
    picture(tmp_path / "two" / "5.png", 99)
    found = FRONT.localizing(Settings(model="phantom/planted", **told))
    assert found.localizer.warning == "5 pictures are on both sides of one-vs-two."
    evaluation = f"a={tmp_path / 'one'},b={tmp_path / 'two'}"
    agreed = Settings(model="phantom/planted", evaluation=evaluation, measure="agreement", **told)
    model = load_model("phantom/planted")
    warning = FRONT.evaluating(agreed, model).described.warning
    assert warning is not None
    assert "5 pictures are on both sides of a=one,b=two." in warning
    (tmp_path / "two" / "5.png").unlink()
    with pytest.raises(DataError, match="both sides are the same pictures"):
        FRONT.evaluating(agreed, model)
