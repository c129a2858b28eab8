"""Runs whose groups were made alike, on a network whose answer is known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from common.base.errors import RunError, SettingError
from common.effects.matching import UNMATCHED
from common.study.settings import read_controls
from vision_loc import phantom
from vision_loc.experiment import Settings, run

PLANTED = Settings(
    model="phantom/planted",
    localizer="phantom-planted:pattern",
    evaluation="phantom-planted",
    top=(6.25,),
    controls=read_controls("layer-matched:2"),
    device="cpu",
)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Both kinds of noise, class by class, with a box in those of the target."""
    folder = tmp_path / "mine"
    folder.mkdir()
    lines = ["file,class_index,group,boxes"]
    for label, what in enumerate(phantom.CONDITIONS):
        for i in range(6):
            phantom.draw_planted(what, i, "eval").save(folder / f"{what}{i}.png")
            group = "face" if i % 2 else "nonface"
            lines.append(f"{what}{i}.png,{label},{group},0.1 0.1 0.4 0.3")
    (folder / "labels.csv").write_text("\n".join(lines))
    return folder


def test_a_run_within_classes_says_which(mine: Path, tmp_path: Path) -> None:
    settings = replace(PLANTED, evaluation=str(mine), within="class")
    results, folder, _ = run(settings, tmp_path / "run")
    told = results.evaluation.within_class
    assert told is not None
    assert told.classes == {"0": (3, 3), "1": (3, 3)}
    assert any("within 2 classes" in warning for warning in results.warnings)
    assert "--within class" in (folder / "run.json").read_text()


def test_an_occlusion_run_keeps_three_versions_of_every_picture(mine: Path, tmp_path: Path) -> None:
    settings = replace(PLANTED, evaluation=f"occlusion:{mine}")
    results, folder, _ = run(settings, tmp_path / "run")
    assert results.groups == ("face shown", "face greyed")
    assert {name: rate.n for name, rate in results.intact.items()} == {
        **{"face shown": 6, "face greyed": 6, "whole": 6}
    }
    items = pd.read_csv(folder / "items.csv")
    items["picture"] = items["item"].str.rpartition(":")[0]
    margins = items.pivot_table(index=["picture", "mask"], columns="group", values="margin")
    intact = margins.xs("intact", level="mask")
    # Grey over a part of a picture, wherever it is, changes what the network makes of it.
    assert (intact["whole"] != intact["face greyed"]).all()
    assert (intact["face shown"] != intact["face greyed"]).any()
    assert (items.groupby("picture")["label"].nunique() == 1).all()
    assert any("shown three times" in warning for warning in results.warnings)


def test_within_margin_leaves_out_what_has_no_partner(mine: Path, tmp_path: Path) -> None:
    plain, folder, _ = run(replace(PLANTED, evaluation=str(mine)), tmp_path / "plain")
    settings = replace(PLANTED, evaluation=str(mine), within="margin")
    results, matched, _ = run(settings, tmp_path / "matched")
    told = results.evaluation.within_margin
    assert told is not None
    assert results.intact["face"].n == results.intact["nonface"].n == told.n_pairs
    assert 0 < told.n_pairs <= 6
    assert told.n_left_out == 12 - 2 * told.n_pairs
    before, after = (pd.read_csv(each / "items.csv") for each in (folder, matched))
    assert (before["margin"] == after["margin"]).all()
    groups = after.groupby("item")["group"]
    assert (groups.nunique() == 1).all()  # the same under every mask
    assert (after["group"] == UNMATCHED).sum() == told.n_left_out * after["mask"].nunique()
    assert plain.evaluation.within_margin is None


def test_occlusion_is_not_within_classes(mine: Path, tmp_path: Path) -> None:
    settings = replace(PLANTED, evaluation=f"occlusion:{mine}", within="class")
    with pytest.raises(SettingError, match="a picture is its own rival"):
        run(settings, tmp_path / "run")


def test_items_takes_as_many_of_each_class_and_says_so(mine: Path, tmp_path: Path) -> None:
    settings = replace(PLANTED, evaluation=str(mine), within="class", items=3)
    results, folder, _ = run(settings, tmp_path / "run")
    table = pd.read_csv(folder / "items.csv")
    intact = table[table["mask"] == "intact"]
    assert intact["label"].value_counts().to_dict() == {0: 3, 1: 3}
    assert intact["group"].value_counts().to_dict() == {"face": 3, "nonface": 3}
    told = results.evaluation
    assert (told.n_items, told.subset and told.subset.n_left_out) == (6, 6)
    assert told.within_class is not None
    assert sorted(told.within_class.classes.values()) == [(1, 2), (2, 1)]
    assert any("3 of each of 2 classes" in warning for warning in results.warnings)
    entry = json.loads((folder / "run.json").read_text())
    assert entry["identity"]["items"] == 3
    assert " --items 3 " in entry["command"]
    with pytest.raises(RunError, match=r"differs in .*items\)"):
        run(replace(settings, items=7), folder)


def test_versions_of_a_picture_are_taken_together(mine: Path, tmp_path: Path) -> None:
    settings = replace(PLANTED, evaluation=f"occlusion:{mine}", items=2)
    results, folder, _ = run(settings, tmp_path / "run")
    table = pd.read_csv(folder / "items.csv")
    shown = table[table["mask"] == "intact"]["item"].str.rpartition(":")
    assert shown[0].value_counts().tolist() == [3] * 4
    assert results.evaluation.occlusion is not None
    assert results.evaluation.occlusion.n_pictures == 4
