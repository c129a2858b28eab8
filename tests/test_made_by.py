"""A map is held against the stimuli that it was made of, whatever an evaluation of it is set to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import llm_loc.experiment as language
import vision_loc.experiment as vision
from common.base.errors import RunError
from common.measure.donors import CONTROL, offered
from common.measure.scores import SelectivityMap
from common.study.declared import completed

PART = {"stimuli": "8", "untrained_seeds": "0", "controls": "", "device": "cpu"}
HOW = {"ablation": "resample", "controls": "", "items": 1, "device": "cpu"}


@pytest.mark.parametrize(
    ("front", "model"), [(language, "phantom/lm"), (vision, "phantom/planted")]
)
def test_donors_are_those_that_the_map_saw_under_another_seed(
    front: Any, model: str, tmp_path: Path
) -> None:
    settings = completed(front.Settings, {"model": model, "top": "5", **PART})
    front.localize_only(settings, tmp_path / "map", report=False)
    shown = pd.read_csv(tmp_path / "map" / "stimuli.csv")
    control = set(shown.loc[shown["side"] == "control", "stimulus"])
    results, *_ = front.evaluate_map(tmp_path / "map", tmp_path / "e", seed=1, top="5", **HOW)
    assert len(control) == 8
    assert {*results.donors} <= control


def test_other_control_stimuli_than_the_maps_are_no_donors(tmp_path: Path) -> None:
    settings = completed(vision.Settings, {"model": "phantom/planted", "top": "5", **PART})
    _, found, _ = vision.localize_only(settings, tmp_path / "map", report=False)
    shown = pd.read_csv(tmp_path / "map" / "stimuli.csv")
    digests = shown.loc[shown["side"] == "control", "digest"].tolist()
    assert len(offered(digests, [], found, 0)) == 8
    with pytest.raises(RunError, match="are not those that the map was made of"):
        offered([*digests[:-1], "another"], [], found, 0)
    older = replace(found, about={k: v for k, v in found.about.items() if k != CONTROL})
    assert isinstance(older, SelectivityMap)
    assert len(offered([*digests[:-1], "another"], [], older, 0)) == 8
