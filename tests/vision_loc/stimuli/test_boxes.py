"""Boxes: as cells of a table, over pixels, and put where there is room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common.base.errors import DataError
from common.base.files import sha256_of
from common.data.manifest import FoundBoxes, load_manifest
from vision_loc.stimuli.boxes import (
    GREY,
    Box,
    boxes_of,
    elsewhere,
    greyed,
    in_pixels,
    known_boxes,
    read,
    written,
)

FACE = Box(10, 10, 30, 34)


def test_what_is_written_is_read() -> None:
    boxes = (Box(0.125, 0.25, 0.5, 1.0), Box(0, 0, 0.1, 0.1))
    assert read(written(boxes)) == boxes
    assert written(()) == ""
    assert read("") == read(None) == read(float("nan")) == ()


@pytest.mark.parametrize(
    "cell",
    ["0 0 1", "0 0 1 x", "0 0 1.5 1", "0.5 0 0.5 1", "0.5 0 0.2 1", "-0.1 0 1 1", "10 10 40 40"],
)
def test_a_cell_that_is_no_box_names_the_file(cell: str) -> None:
    with pytest.raises(DataError, match=r"labels\.csv: column 'boxes' of a\.png is not 'x0 y0"):
        boxes_of(Path("labels.csv"), ["a.png"], [cell])


def test_a_box_in_pixels_covers_every_pixel_that_it_touches() -> None:
    assert in_pixels(Box(0.1, 0.5, 0.26, 1.0), (10, 64)) == (1, 32, 3, 64)


def test_grey_is_where_the_box_is_and_nowhere_else() -> None:
    rng = np.random.default_rng(0)
    before = Image.fromarray(rng.integers(0, 100, (40, 50, 3), dtype=np.uint8))
    after = np.asarray(greyed(before, [FACE]))
    inside = np.zeros((40, 50), dtype=bool)
    inside[10:34, 10:30] = True
    assert (after[inside] == GREY).all()
    assert (after[~inside] == np.asarray(before)[~inside]).all()
    assert np.asarray(before).max() < 100


@pytest.mark.parametrize("size", [(64, 64), (500, 375)])
def test_boxes_elsewhere_have_the_same_size_and_meet_nothing(size: tuple[int, int]) -> None:
    faces = (FACE, Box(40, 2, 52, 20))
    seen = set()
    for seed in range(30):
        found = elsewhere(faces, size, np.random.default_rng(seed))
        assert found is not None
        for old, new in zip(faces, found, strict=True):
            assert (new.x1 - new.x0, new.y1 - new.y0) == (old.x1 - old.x0, old.y1 - old.y0)
            assert 0 <= new.x0 < new.x1 <= size[0]
            assert 0 <= new.y0 < new.y1 <= size[1]
        covered = np.zeros(size[::-1], dtype=int)
        for box in (*faces, *found):
            covered[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)] += 1
        assert covered.max() == 1
        seen.add(found)
    assert len(seen) > 20
    again = elsewhere(faces, size, np.random.default_rng(29))
    assert again == found


def test_the_only_place_is_found_and_no_place_is_none() -> None:
    rng = np.random.default_rng(0)
    assert elsewhere([Box(0, 0, 32, 64)], (64, 64), rng) == (Box(32, 0, 64, 64),)
    assert elsewhere([Box(0, 0, 33, 64)], (64, 64), rng) is None
    assert elsewhere([Box(0, 0, 30, 64), Box(30, 0, 64, 64)], (64, 64), rng) is None


@pytest.mark.parametrize(("name", "n"), [("tinyimagenet100", 214), ("imagenet-sample", 79)])
def test_the_boxes_that_come_with_the_program_are_whole(name: str, n: int) -> None:
    entry = load_manifest(name).evaluation
    assert entry is not None
    found = known_boxes(entry.boxes)
    assert len(found) == n
    assert all(found.values())


def test_a_table_of_boxes_that_was_changed_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "boxes.csv"
    table.write_text("file,boxes\na.png,0 0 0.5 0.5\n")
    entry = FoundBoxes(table=table, sha256=sha256_of(table))
    assert known_boxes(entry) == {"a.png": (Box(0, 0, 0.5, 0.5),)}
    assert known_boxes(None) == {}
    table.write_text("file,boxes\na.png,0 0 0.5 0.6\n")
    with pytest.raises(DataError, match=r"boxes\.csv: SHA-256 should be"):
        known_boxes(entry)
    table.unlink()
    with pytest.raises(DataError, match="cannot be read as a table of boxes"):
        known_boxes(entry)
