"""Several seeds of one run: folders that go on, and how alike they are, against plain loops."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from common.base.errors import RunError, SettingError
from common.effects.agreement import said
from common.measure.masks import load_masks
from common.measure.scores import SelectivityMap
from common.study import dissociation_file, seeds, sites_file
from common.study.results import OTHERS, load_results
from common.study.seeds import run_seeds
from common.study.settings import read_controls
from tests.common.study.test_toy_front import FRONT, SETTINGS

N = 3


def test_random_networks_differ_by_the_seed_and_are_compared_two_by_two(tmp_path: Path) -> None:
    settings = replace(SETTINGS, top=(5,), controls=(), untrained=True)
    sides, found, folder = run_seeds(FRONT, settings, N, tmp_path / "seeds")
    paths = [folder / f"seed-{seed}" for seed in (0, 10_000, 20_000)]
    assert [side.folder for side in sides.sides] == paths
    maps = [SelectivityMap.load(path / "selectivity.safetensors") for path in paths]
    tops = [set(np.argsort(-m.t, kind="stable")[: found.n_units].tolist()) for m in maps]
    pairs = [*combinations(range(N), 2)]
    rs = [np.corrcoef(maps[a].t, maps[b].t)[0, 1] for a, b in pairs]
    assert found.percent == 5
    assert found.n_units == 6
    assert found.correlation.mean == pytest.approx(np.mean(rs))
    assert (found.correlation.low, found.correlation.high) == pytest.approx((min(rs), max(rs)))
    assert found.shared.mean == pytest.approx(
        np.mean([len(tops[a] & tops[b]) for a, b in pairs]) / 6
    )
    assert found.n_all == len(tops[0] & tops[1] & tops[2])
    assert found.chance == 6 / 128
    effects = [load_results(path).judgement.adjusted.effect for path in paths]
    assert found.effect.mean == pytest.approx(np.mean(effects))
    assert found.effect_sd == pytest.approx(np.std(effects, ddof=1))
    assert sum(found.outcomes.values()) == N
    assert said(found)[1].startswith("Maps of two seeds correlate with r = ")
    assert json.loads((folder / "seeds.json").read_text()) == found.as_json()


def test_a_trained_model_has_one_map_and_every_seed_draws_of_its_own(tmp_path: Path) -> None:
    settings = replace(SETTINGS, top=(5,), controls=read_controls("random:2"))
    _, found, folder = run_seeds(FRONT, settings, 2, tmp_path / "seeds")
    assert (found.correlation.low, found.n_all, found.effect_sd) == (1, 6, 0)
    assert said(found)[1] == "The map and its masks do not depend on the seed here."
    drawn = []
    for seed in (0, 10_000):
        path = folder / f"seed-{seed}"
        own = SelectivityMap.load(path / "selectivity.safetensors")
        masks = load_masks(path / "masks.safetensors", own).values()
        drawn += [tuple(sorted(m.units.tolist())) for m in masks if m.rule == "random"]
    assert len(set(drawn)) == 4
    stamps = {file: file.stat().st_mtime_ns for file in folder.rglob("results.json")}
    run_seeds(FRONT, settings, 2, tmp_path / "seeds")  # finished: nothing is computed
    assert stamps == {file: file.stat().st_mtime_ns for file in folder.rglob("results.json")}


def test_one_seed_is_no_comparison(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="`seeds` 1: give 2 or more"):
        run_seeds(FRONT, SETTINGS, 1, tmp_path)


def test_the_folder_of_a_run_is_no_place_for_seeds(tmp_path: Path) -> None:
    run_seeds(FRONT, replace(SETTINGS, controls=()), 2, tmp_path / "seeds")
    with pytest.raises(
        RunError, match=r"seed-0: holds other results; seeds have a folder around theirs"
    ):
        run_seeds(FRONT, SETTINGS, 2, tmp_path / "seeds" / "seed-0")


def test_a_folder_that_is_no_run_is_known_by_the_file_that_it_has() -> None:
    assert {*OTHERS} == {dissociation_file.NAME, sites_file.NAME, seeds.NAME}
