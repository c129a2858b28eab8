"""What results say of the map, of a built-in area, and of an ablation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.effects.localized import Area, AreaShare, describe_map
from common.measure.ablate import Ablation
from common.measure.rules import Score
from common.measure.scores import RECORDED, SelectivityMap
from common.measure.sites import Site
from common.measure.welch import WORDS
from common.study.experiment import run_experiment
from common.study.folder import RunFolder
from common.study.plan import Plan
from tests.common.conftest import MapMaker
from tests.common.study.bench import DESCRIBED, PLAN, Bench


@pytest.mark.parametrize(
    ("ablation", "text"),
    [("zero", "zero"), ("mean", "mean"), (0.5, "scale:0.5"), (-2.0, "scale:-2")],
)
def test_the_ablation_is_in_the_results(
    bench, tmp_path: Path, ablation: Ablation, text: str
) -> None:
    assert bench().run(tmp_path, Plan((1.0,), [], ablation=ablation)).ablation == text


def test_a_run_without_controls_has_no_p(bench, tmp_path: Path) -> None:
    results = bench().run(tmp_path, Plan((1.0,), []))
    assert results.judgement.adjusted.p is None
    assert results.judgement.outcome == "cannot tell"
    assert "no matched control was drawn" in results.verdict


def test_the_map_is_described_by_its_units_in_favour_of_the_target(make_map: MapMaker) -> None:
    q = np.full(100, 0.5)
    q[:10], q[10] = 0.01, 0.05
    t = np.where(np.arange(100) < 6, 4.0, -4.0)
    found = make_map()
    described = describe_map(replace(found, score=replace(found.score, q=q, value=t)))
    assert described.n_selective_q05 == 6
    assert described.t_max == 4.0
    assert (described.n_units, described.n_sites) == (100, 2)
    assert (described.n_target, described.n_control) == (12, 15)
    assert described.model_fingerprint == "model-a"


def test_units_are_counted_from_the_thresholds_on(make_map: MapMaker) -> None:
    found = make_map()
    plain = describe_map(found)
    assert plain.n_d_prime == (found.d_prime >= 1).sum()
    assert plain.n_index == (found.column("index") >= 1 / 3).sum()
    assert plain.thresholds == ("d′ ≥ 1", "index ≥ 1/3")
    asked = {"least_d_prime": float(np.sort(found.d_prime)[-7]), "least_index": 0.02}
    told = describe_map(replace(found, about=asked))
    assert told.n_d_prime == 7  # the threshold itself counts
    assert told.n_index == (found.column("index") >= 0.02).sum() > plain.n_index
    assert (told.as_json()["least_index"], told.thresholds[1]) == (0.02, "index ≥ 0.02")
    assert told.effect_sizes.startswith("7 with d′ ≥ ")
    assert plain.as_json()["least_d_prime"] == 1.0


def test_the_share_of_a_built_in_area_is_counted_both_ways(bench, tmp_path: Path) -> None:
    one = bench()
    # All of the top 1 % (three units), and as many units again that are never chosen.
    area = np.concatenate([one.found.ranking[:3], one.found.ranking[-3:]])
    first = {"layer0": area[area < 200], "layer1": area[area >= 200] - 200}
    described = replace(DESCRIBED, area=first)
    with RunFolder(tmp_path, {}, {}) as folder:
        results = run_experiment(folder, PLAN, one.tested, described, one.localize)
    assert results.area is not None
    assert results.area.as_json() == {
        "n_units": 6,
        "percent": 2.0,
        "share": {
            "1": {"of_top": 1.0, "of_area": 0.5},
            "5": {"of_top": 3 / 15, "of_area": 0.5},
        },
    }


def test_an_area_of_channels_holds_all_their_neurons(tmp_path: Path) -> None:
    site = Site("layer", axis=2, shape=(4, 5))
    t = np.zeros((4, 5))
    t[:, 3] = 1.0  # one channel at its four tokens
    zeros = {name: np.zeros(20) for name in RECORDED}
    score = Score(WORDS, t.ravel())
    found = SelectivityMap((site,), "neuron", "none", "magnitude", 4, 4, score=score, **zeros)
    one = Bench(found)
    described = replace(DESCRIBED, area={"layer": np.array([3])})
    with RunFolder(tmp_path, {}, {}) as folder:
        plan = Plan((20.0,), [])
        results = run_experiment(folder, plan, one.tested, described, one.localize)
    assert results.area == Area(
        n_units=4, percent=20.0, share={"20": AreaShare(of_top=1.0, of_area=1.0)}
    )


def test_a_run_without_a_built_in_area_says_nothing_of_one(bench, tmp_path: Path) -> None:
    assert "area" not in bench().run(tmp_path).as_json()
