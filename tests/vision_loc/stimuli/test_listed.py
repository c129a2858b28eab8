"""Lists that name pictures: by their paths, and never two pictures by one name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from common.base.errors import DataError
from vision_loc.stimuli import benchmark
from vision_loc.stimuli.groups import groups_of
from vision_loc.stimuli.listed import by_path

from .test_folders import picture

LIST = Path("list")
BOX = [{"x0": 0, "y0": 0, "x1": 1, "y1": 1}]


@pytest.mark.parametrize(
    ("entries", "files", "found"),
    [
        ([("a", 1), ("b", 2)], ["x/a.png", "y/b.png", "c.png"], [1, 2, None]),
        ([("val/a.JPEG", 1)], ["val/x/a.png", "b.png"], [1, None]),
        ([("x/a.png", 1), ("y/a.png", 2)], ["y/a.png", "x/a.png"], [2, 1]),
        ([("x/a.png", 1)], ["x/a.png", "y/a.png"], [1, None]),
        ([("x/a.png", 1)], ["a.png"], [1]),
        ([("a", 1), ("a", 1)], ["a.png"], [1]),
    ],
)
def test_a_file_is_the_entry_with_its_path_or_its_name(
    entries: list[tuple[str, int]], files: list[str], found: list[int | None]
) -> None:
    assert by_path(LIST, entries, files) == found


@pytest.mark.parametrize(
    ("entries", "files"),
    [
        ([("a", 1)], ["x/a.png", "y/a.png"]),
        ([("x/a", 1), ("y/a", 2)], ["a.png"]),
        ([("a", 1)], ["a.png", "a.jpg"]),
        ([("a", 1)], ["a.png", "x/a.png"]),
        ([("x/a", 1)], ["x/a.png", "x/a.jpg"]),
    ],
)
def test_what_could_be_two_is_refused(entries: list[tuple[str, int]], files: list[str]) -> None:
    with pytest.raises(DataError, match=r"list: which picture .* is cannot be told"):
        by_path(LIST, entries, files)


def test_two_things_of_one_picture_are_refused() -> None:
    with pytest.raises(DataError, match="says two things of val/a"):
        by_path(LIST, [("a.png", 1), ("val/a.png", 2)], ["a.png"])


def test_the_same_name_in_two_class_folders_has_two_groups(tmp_path: Path) -> None:
    for file in ("0/a.png", "1/a.png"):
        picture(tmp_path / file)
    notes = tmp_path / "face_annotations_ILSVRC.json"
    notes.write_text(
        json.dumps([{"url": "0/a.png", "bboxes": BOX}, {"url": "1/a.png", "bboxes": []}])
    )
    groups = {p.name: p.condition for p in benchmark(str(tmp_path)).pictures}
    assert groups == {"0/a.png": "face", "1/a.png": "nonface"}
    notes.write_text(json.dumps([{"url": "a.png", "bboxes": BOX}]))
    with pytest.raises(DataError, match="which picture a is cannot be told"):
        benchmark(str(tmp_path))


def test_the_same_name_in_two_class_folders_has_no_ground_truth(tmp_path: Path) -> None:
    for file in ("x/a.png", "y/a.png"):
        picture(tmp_path / file)
    (tmp_path / "groups.csv").write_text("file,group\nx/a.png,face\ny/a.png,thing\n")
    (tmp_path / "val.txt").write_text("a.png 3\n")
    with pytest.raises(DataError, match=r"val.txt: which picture a is cannot be told"):
        benchmark(str(tmp_path))
    (tmp_path / "val.txt").write_text("y/a.png 3\nx/a.png 7\n")
    assert {p.name: p.label for p in benchmark(str(tmp_path)).pictures} == {
        "x/a.png": 7,
        "y/a.png": 3,
    }


def test_a_group_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "groups.csv").write_text("folder,group\n0,face\n0,thing\n")
    with pytest.raises(DataError, match=r"groups.csv: 0 is both face and thing"):
        groups_of(tmp_path, ["0/a.png"])
