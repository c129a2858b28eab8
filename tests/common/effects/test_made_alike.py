"""What is said of groups that were made alike."""

from __future__ import annotations

from common.effects.described import Evaluation
from common.effects.words import made_alike

PLAIN = {"name": "pictures", "target": "face", "other": "object", "n_items": 100}
ALIKE = {
    "within_class": {"at_least": 3, "classes": {"a": [3, 9], "b": [4, 1000]}, "n_left_out": 77},
    "occlusion": {"n_pictures": 170, "n_without_box": 8, "n_without_room": 44},
    "within_margin": {"caliper": 0.2, "n_pairs": 60, "n_left_out": 5, "gap": [-1.234, 0.004]},
}


def test_how_groups_were_made_alike_is_said() -> None:
    assert not made_alike(Evaluation.model_validate(PLAIN))
    first, second, third = made_alike(Evaluation.model_validate({**PLAIN, **ALIKE}))
    assert "within 2 classes that have at least 3 items of either: 7 of face, 1,009 of" in first
    assert "77 items of other classes were left out" in first
    assert "170 pictures were shown three times" in second
    assert "8 without a box around a face and 44 without room" in second
    assert "60 pairs within 0.2 standard deviations, 5 items left out" in third
    assert third.endswith("The mean margins were -1.23 apart, and are +0.00.")
