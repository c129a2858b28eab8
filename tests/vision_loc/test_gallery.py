"""The pictures that a report shows: which ones, in which order, with which words."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from common.effects.items import Outcome
from vision_loc.gallery import SHOWN, SIDE, jpeg, save_gallery
from vision_loc.stimuli import Benchmark, Picture

pytestmark = pytest.mark.draws_report

N, CLASSES = 40, 4


def benchmark() -> Benchmark:
    pictures = tuple(
        Picture(
            f"p{n}",
            "face" if n % 2 else "house",
            lambda: Image.new("RGB", (4, 4)),
            None,
            n % CLASSES,
        )
        for n in range(N)
    )
    return Benchmark("own", pictures, "face", "house", classes={n: f"kind {n}" for n in range(3)})


PIXELS = np.random.default_rng(0).integers(0, 255, (N, 3, 16, 8), dtype=np.uint8)
LABELS = np.arange(N) % CLASSES


def outcome(wrong: list[int], margin: np.ndarray | None = None) -> Outcome:
    right = np.ones(N, dtype=bool)
    right[wrong] = False
    return Outcome(
        np.where(right, LABELS, (LABELS + 1) % CLASSES),
        right,
        np.ones(N, dtype=np.float32) if margin is None else margin,
    )


def saved(folder: Path, driven: np.ndarray, intact: Outcome, ablated: Outcome) -> list[Any]:
    save_gallery(folder, benchmark(), PIXELS, driven, intact, ablated)
    galleries: list[Any] = json.loads((folder / "gallery.json").read_text())
    for gallery in galleries:
        for entry in gallery["pictures"]:
            assert (folder / entry["file"]).is_file()
    return galleries


def files(gallery: dict[str, Any]) -> list[int]:
    return [int(Path(entry["file"]).stem) for entry in gallery["pictures"]]


def test_most_and_least_driving(tmp_path: Path) -> None:
    driven = np.random.default_rng(1).permutation(N) / 10
    most, least, changed = saved(tmp_path, driven, outcome([]), outcome([]))
    assert files(most) == np.argsort(-driven)[:SHOWN].tolist()
    assert files(least) == np.argsort(driven)[:SHOWN].tolist()
    first = files(most)[0]
    assert most["pictures"][0]["caption"] == f"{'face' if first % 2 else 'house'}, answer 3.90"
    assert most["pictures"][0]["alt"] == f"p{first}"
    assert least["caption"] == ""
    assert changed["pictures"] == []


def test_ties_are_told(tmp_path: Path) -> None:
    driven = np.where(np.arange(N) < 12, 0.0, 1.0)
    _, least, _ = saved(tmp_path, driven, outcome([]), outcome([]))
    assert files(least) == list(range(SHOWN))
    assert least["caption"].startswith("12 pictures tie at 0.00")


def test_what_changed_is_counted_both_ways_and_every_class_has_its_turn(tmp_path: Path) -> None:
    margin = np.ones(N, dtype=np.float32)
    margin[[0, 4, 8, 1]] = [-9, -8, -7, -1]  # three of class 0 fell further than the one of class 1
    *_, changed = saved(tmp_path, np.ones(N), outcome([2, 3]), outcome([0, 4, 8, 1], margin))
    assert files(changed) == [0, 1, 4, 8]
    assert "4 pictures (1 face, 3 house)" in changed["caption"]
    assert "the other way round: 2 pictures (1 face, 1 house)" in changed["caption"]
    assert changed["pictures"][0]["caption"] == "house: kind 0 → kind 1"


def test_by_agreement_a_class_is_what_the_intact_model_saw(tmp_path: Path) -> None:
    unlabelled = replace(
        benchmark(), pictures=tuple(replace(each, label=-1) for each in benchmark().pictures)
    )
    shown = (unlabelled, PIXELS, np.ones(N), outcome([]), outcome([0, 4, 1]))
    save_gallery(tmp_path, *shown, measure="agreement")
    *_, changed = json.loads((tmp_path / "gallery.json").read_text())
    assert files(changed) == [0, 1, 4]  # 0 and 4 were of one class
    assert changed["caption"].startswith("Another class without the top units: 3 pictures (1 face,")
    assert "Right" not in changed["caption"]


def test_a_class_without_a_name_is_no_bare_number(tmp_path: Path) -> None:
    *_, changed = saved(tmp_path, np.ones(N), outcome([]), outcome([2]))
    assert changed["pictures"][0]["caption"] == "house: kind 2 → class 3"


def test_no_more_than_two_rows_of_changes(tmp_path: Path) -> None:
    *_, changed = saved(tmp_path, np.ones(N), outcome([]), outcome(list(range(N))))
    assert len(changed["pictures"]) == 2 * SHOWN
    assert "the other way round: none" in changed["caption"]


@pytest.mark.parametrize("shape", [(3, 16, 8), (3, 500, 300)])
def test_pictures_are_small_and_keep_their_proportions(shape: tuple[int, int, int]) -> None:
    with Image.open(io.BytesIO(jpeg(np.full(shape, 99, dtype=np.uint8)))) as picture:
        assert picture.height == SIDE
        assert picture.width == round(SIDE * shape[2] / shape[1])
