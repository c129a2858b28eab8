"""Groups that differ in nothing else: within classes, and the same pictures with grey in them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common.base.errors import DataError
from common.data.manifest import Within
from vision_loc.stimuli import benchmark, fingerprint, occluded, within_class
from vision_loc.stimuli.boxes import GREY

MANIFEST = """
name: set
about: Two classes of pictures.
source: {{url: https://example.org}}
warning: Groups differ in their classes.
evaluation:
  table: labels.csv
  target: face
  other: nonface
  within: {{{within}}}
"""
ROWS = (
    *("0,face,0.9", "0,face,0.9", "0,nonface,0", "0,ambiguous,0.1"),
    *("1,face,0.9", "1,nonface,0", "1,nonface,0", "1,ambiguous,0.6"),
    *("2,nonface,0", "2,nonface,0", "2,ambiguous,"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures of 40 x 30 pixels that are nowhere grey, and their table."""
    place = tmp_path / "set"
    place.mkdir()
    lines = ["file,class_index,group,face_conf"]
    for number, row in enumerate(ROWS):
        pixels = np.random.default_rng(number).integers(0, 100, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{number}.png")
        lines.append(f"{number}.png,{row}")
    (place / "labels.csv").write_text("\n".join(lines))
    return place


def manifest(folder: Path, within: str) -> str:
    path = folder.parent / "set.yaml"
    path.write_text(MANIFEST.format(within=within))
    return str(path)


MORE = "others: ambiguous, column: face_conf, below: 0.5, at_least: 2, warning: Seen by nobody."


# --- within classes ---


def test_only_classes_with_enough_of_both_groups_stay(folder: Path) -> None:
    name = manifest(folder, MORE)
    found = within_class(benchmark(name, folder.parent, more_others=True))
    assert [picture.name for picture in found.pictures] == ["0.png", "1.png", "2.png", "3.png"]
    assert [picture.condition for picture in found.pictures] == [
        "face",
        "face",
        "nonface",
        "nonface",
    ]
    assert found.within_class is not None
    assert found.within_class.classes == {"0": (2, 2)}
    assert found.within_class.n_left_out == 5  # of both groups; the ambiguous ones never counted
    assert found.warning == "Seen by nobody."


def test_more_others_count_within_classes_alone(folder: Path) -> None:
    name = manifest(folder, MORE)
    plain = benchmark(name, folder.parent)
    assert "3.png" not in {picture.name for picture in plain.pictures}
    assert plain.warning == "Groups differ in their classes."
    with pytest.raises(DataError, match="no class has 2 pictures of face and as many of nonface"):
        within_class(plain)


def test_how_many_a_class_needs_is_declared(folder: Path) -> None:
    found = benchmark(manifest(folder, "at_least: 1"), folder.parent)
    assert [*within_class(found).within_class.classes] == ["0", "1"]
    assert benchmark(str(folder)).within == Within()  # of somebody's own pictures: three


def test_a_column_that_is_not_there_is_named(folder: Path) -> None:
    name = manifest(folder, "others: ambiguous, column: sure, below: 0.5")
    with pytest.raises(DataError, match="has no column 'sure'"):
        benchmark(name, folder.parent, more_others=True)


# --- occlusion ---


@pytest.fixture
def boxed(folder: Path) -> Path:
    """The same with boxes: of picture 0 a small one, of picture 1 one that leaves no room."""
    lines = (folder / "labels.csv").read_text().splitlines()
    cells = {1: ",0.1 0.2 0.35 0.5", 2: ",0 0 0.9 0.9"}
    (folder / "labels.csv").write_text(
        "\n".join(
            [
                f"{lines[0]},boxes",
                *(f"{row}{cells.get(i, ',')}" for i, row in enumerate(lines[1:], 1)),
            ]
        )
    )
    return folder


def grey(picture: Image.Image) -> np.ndarray:
    return (np.asarray(picture) == GREY).all(axis=2)


def test_a_picture_is_shown_whole_and_with_grey_elsewhere_and_over_the_face(boxed: Path) -> None:
    found = occluded(benchmark(str(boxed)))
    assert (found.name, found.target, found.other) == ("occlusion:set", "face shown", "face greyed")
    whole, shown, covered = found.pictures
    assert [picture.name for picture in found.pictures] == [
        *("0.png:whole", "0.png:shown", "0.png:greyed")
    ]
    assert (whole.condition, shown.condition, covered.condition) == (
        *("whole", "face shown", "face greyed"),
    )
    assert {picture.label for picture in found.pictures} == {0}
    face = np.zeros((30, 40), dtype=bool)
    face[6:15, 4:14] = True
    assert not grey(whole.open()).any()
    assert (grey(covered.open()) == face).all()
    beside = grey(shown.open())
    assert beside.sum() == face.sum()
    assert not (beside & face).any()
    told = found.occlusion
    assert told is not None
    assert (told.n_pictures, told.n_without_room, told.n_without_box) == (1, 1, 1)
    assert found.warning is None


def test_where_the_grey_is_is_drawn_by_the_seed_and_part_of_the_fingerprint(boxed: Path) -> None:
    items = benchmark(str(boxed))
    one, again, other = (occluded(items, seed) for seed in (0, 0, 1))
    assert one.pictures[1].greyed == again.pictures[1].greyed != other.pictures[1].greyed
    first, each = fingerprint(one.pictures)
    assert first == fingerprint(again.pictures)[0] != fingerprint(other.pictures)[0]
    assert len(set(each)) == 1  # one file, for the localizer that may have seen it
    alone = replace(items, pictures=tuple(p for p in items.pictures if p.name != "1.png"))
    assert occluded(alone).pictures[1].greyed == one.pictures[1].greyed


def test_pictures_without_boxes_say_where_boxes_come_from(folder: Path) -> None:
    with pytest.raises(DataError, match=r"occlusion:set: none of its 3 pictures .* tag-faces"):
        occluded(benchmark(str(folder)))


def test_a_box_that_is_none_names_its_picture(boxed: Path) -> None:
    path = boxed / "labels.csv"
    path.write_text(path.read_text().replace("0 0 0.9 0.9", "0 0 40 30"))
    with pytest.raises(DataError, match=r"column 'boxes' of 1\.png"):
        benchmark(str(boxed))
