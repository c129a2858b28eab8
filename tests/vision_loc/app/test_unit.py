"""A unit's page: what it answers to the localizer's pictures, and what is lost without it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.base.errors import RunError
from common.measure.masks import units_mask
from common.study.single_unit import Answers, effect_alone
from vision_loc.app.unit import answers
from vision_loc.app.visit import Found, found_in
from vision_loc.experiment import FRONT, Settings, localize_only
from vision_loc.models import VisionModel, load_model
from vision_loc.stimuli import Picture

PLANTED = Settings(
    model="phantom/planted",
    localizer="phantom-planted:pattern",
    evaluation="phantom-planted",
    top=(6.25,),
    device="cpu",
)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    folder = tmp_path_factory.mktemp("unit") / "map"
    localize_only(PLANTED, folder)
    return found_in(folder)


@pytest.fixture(scope="module")
def model() -> VisionModel:
    return load_model("phantom/planted")


@pytest.fixture(scope="module")
def known(model: VisionModel, found: Found) -> Answers[Picture]:
    return answers(model, found.settings, found.map, found.top)


def test_answers_have_the_means_of_the_map(known: Answers[Picture], found: Found) -> None:
    assert known.responses.shape == (len(known.stimuli), len(found.top))
    for unit in found.top.units.tolist():
        own = known.of(unit)
        assert own[known.target].mean() == pytest.approx(found.map.mean_target[unit], rel=1e-4)
        assert own[~known.target].mean() == pytest.approx(found.map.mean_control[unit], abs=1e-4)


def test_extremes_are_the_most_and_the_least(known: Answers[Picture], found: Found) -> None:
    unit = int(found.top.units[0])
    most, least = known.extremes(unit, 3)
    own = known.of(unit)
    assert own[most].tolist() == sorted(own.tolist(), reverse=True)[:3]
    assert own[least].tolist() == sorted(own.tolist())[:3]
    assert known.target[most].all()


def test_another_model_than_the_maps_is_refused(found: Found) -> None:
    other = load_model("phantom/planted", untrained=True, seed=3)
    with pytest.raises(RunError, match="no longer those of this run"):
        answers(other, found.settings, replace(found.map, mean_target=found.map.mean_control),
                found.top)  # fmt: skip


def test_a_stop_ends_it_between_batches(model: VisionModel, found: Found) -> None:
    def stop(step: str, done: int, total: int) -> None:
        assert step == "respond"
        assert done <= total
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answers(model, found.settings, found.map, found.top, stop)
    assert not any(each._forward_hooks for each in model.module.modules())


def test_one_unit_alone_is_what_an_evaluation_under_its_mask_says(
    model: VisionModel, found: Found, tmp_path: Path
) -> None:
    unit = int(found.map.ranking[0])
    steps: list[str] = []
    alone = effect_alone(
        FRONT, found.settings, model, found.map, unit, lambda step, *_: steps.append(step), draws=2
    )
    assert {"decode", "evaluate", "part"} <= set(steps)
    tested = FRONT.evaluating(found.settings, model)
    mask = units_mask(found.map, [unit])
    tested.prepare(tmp_path)
    correct = [tested.outcome(each, found.map).correct for each in (None, mask)]
    inside = tested.items.groups == "target"
    assert alone.target == "target"
    assert alone.intact["target"].accuracy == correct[0][inside].mean()
    drop = correct[0][inside].mean() - correct[1][inside].mean()
    effect = alone.effects.groups["target"]
    assert effect.drop == pytest.approx(drop)
    assert effect.drop_ci[0] <= effect.drop <= effect.drop_ci[1]
    assert len(alone.controls) == 2
    assert np.isfinite([each.interaction for each in alone.controls]).all()
