"""The whole path, from pictures to verdict, on networks whose answer is known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from common.base.errors import DataError, FunclocError, RunError, SettingError
from common.measure.masks import load_masks, top_percent
from common.measure.scores import CONTRACT, SelectivityMap
from common.study.declared import read_setting
from common.study.settings import read_controls
from vision_loc import phantom
from vision_loc.experiment import Settings, evaluate_map, localize_only, run

PLANTED = Settings(
    model="phantom/planted",
    localizer="phantom-planted:pattern",
    evaluation="phantom-planted",
    top=(6.25,),
    controls=read_controls("random:2,layer-matched:2"),
    device="cpu",
)
N_CHANNELS = 4 * 64
N_PLANTED = sum(len(channels) for channels in phantom.PLANTED.values())


def planted_units(found: SelectivityMap) -> set[int]:
    units: set[int] = set()
    for site, start in zip(found.sites, found.offsets, strict=False):
        grid = np.arange(start, start + site.n_units(found.unit)).reshape(
            site.unit_shape(found.unit)
        )
        units |= set(grid[..., list(phantom.PLANTED[site.module])].ravel().tolist())
    return units


@pytest.mark.parametrize(
    ("unit", "pooling"),
    [("channel", "mean"), ("channel", "max"), ("channel", "cls"), ("neuron", "none")],
)
@pytest.mark.parametrize("statistic", ["magnitude", "signed"])
def test_the_planted_units_are_found_exactly(
    unit: str, pooling: str, statistic: str, tmp_path: Path
) -> None:
    settings = replace(PLANTED, unit=unit, pooling=pooling, statistic=statistic)
    _, found, _ = localize_only(settings, tmp_path / "run")
    mask = top_percent(found, 100 * N_PLANTED / N_CHANNELS)
    assert set(mask.units.tolist()) == planted_units(found)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planted") / "run"
    run(PLANTED, folder)
    return folder


def test_without_the_planted_units_the_target_is_lost_and_nothing_else(finished: Path) -> None:
    results = json.loads((finished / "results.json").read_text())
    top, *controls = results["ablations"]
    assert results["intact"]["target"]["accuracy"] == results["intact"]["control"]["accuracy"] == 1
    assert top["groups"]["target"]["drop"] == 1
    assert top["groups"]["control"]["drop"] == 0
    bottom = [entry for entry in controls if entry["rule"] == "bottom"]
    assert all(entry["interaction"] == 0 for entry in bottom)
    drawn = [entry["interaction"] for entry in controls if entry["rule"] == "random"]
    assert max(drawn, default=0) < 1  # they may hold planted units, never all of them
    assert results["area"]["share"]["6.25"] == {"of_top": 1, "of_area": 1}


@pytest.mark.parametrize(
    ("localizer", "kind", "told"),
    [("phantom:faces", "block", True), ("phantom:objects", "block", False),
     ("phantom:faces", "op", False)],
)  # fmt: skip
def test_a_built_in_area_is_told_where_it_is_looked_for_at_its_own_sites(
    localizer: str, kind: str, told: bool, tmp_path: Path
) -> None:
    settings = Settings(
        model="phantom/cnn", localizer=localizer, kind=kind, items=2, top=(1.0,),
        controls=read_controls("random:1"), untrained_seeds=0, device="cpu",
    )  # fmt: skip
    results, _, _ = run(settings, tmp_path / "run")
    assert (results.area is not None) is told


def test_results_json_has_the_names_of_the_contract(finished: Path) -> None:
    results = json.loads((finished / "results.json").read_text())
    assert {
        "model", "localizer", "selectivity", "intact", "ablations", "judgement", "verdict"
    } <= set(results)  # fmt: skip
    assert {"n_units", "n_sites", "split_half"} <= set(results["selectivity"])
    assert set(results["intact"]["target"]) == {"accuracy", "ci", "n"}
    for entry in results["ablations"]:
        assert {
            "mask", "percent", "seed", "n_units", "groups", "interaction", "interaction_ci"
        } <= set(entry)  # fmt: skip
        for effect in entry["groups"].values():
            assert {"accuracy", "drop", "drop_ci", "mcnemar_p"} <= set(effect)


def test_arrays_have_the_names_types_and_shapes_of_the_contract(finished: Path) -> None:
    maps = load_file(finished / "selectivity.safetensors")
    masks = load_file(finished / "masks.safetensors")
    sites = [f"{path}:output" for path in phantom.PLANTED]
    for site in sites:
        for column in CONTRACT:
            assert maps[f"{site}/{column}"].dtype == np.float64
            assert maps[f"{site}/{column}"].shape == (64,)
    names = {name.split("/")[0] for name in masks}
    results = json.loads((finished / "results.json").read_text())
    assert names == {entry["mask"] for entry in results["ablations"]}
    for entry in results["ablations"]:
        arrays = [masks[f"{entry['mask']}/{site}"] for site in sites]
        assert all(array.dtype == bool and array.shape == (64,) for array in arrays)
        assert sum(array.sum() for array in arrays) == entry["n_units"]


def test_items_csv_has_one_row_an_item_and_mask(finished: Path) -> None:
    items = pd.read_csv(finished / "items.csv")
    results = json.loads((finished / "results.json").read_text())
    n_masks = len(results["ablations"]) + 1
    assert len(items) == n_masks * results["evaluation"]["n_items"]
    assert not items.duplicated(["item", "mask"]).any()
    right = items[items["mask"] == "intact"]
    assert ((right["prediction"] == right["label"]) == (right["correct"] == 1)).all()
    assert ((right["margin"] > 0) == (right["correct"] == 1)).all()


def test_masks_can_be_loaded_for_their_model_only(finished: Path) -> None:
    found = SelectivityMap.load(finished / "selectivity.safetensors")
    fingerprint = json.loads((finished / "results.json").read_text())["model"]["fingerprint"]
    masks = load_masks(finished / "masks.safetensors", found, fingerprint)
    assert len(masks["top-6.25"]) == N_PLANTED
    with pytest.raises(FunclocError, match="another model"):
        load_masks(finished / "masks.safetensors", found, "0" * 32)


def test_results_do_not_depend_on_the_batch_size(finished: Path, tmp_path: Path) -> None:
    results, _, _ = run(replace(PLANTED, batch_size=7), tmp_path / "run")
    whole = json.loads((finished / "results.json").read_text())
    assert results.as_json()["ablations"] == whole["ablations"]
    one = SelectivityMap.load(finished / "selectivity.safetensors")
    two = SelectivityMap.load(tmp_path / "run" / "selectivity.safetensors")
    np.testing.assert_allclose(one.t, two.t, rtol=1e-6, atol=1e-6)


def test_another_setting_is_refused_in_the_same_folder(finished: Path) -> None:
    with pytest.raises(RunError, match="differs in top"):
        run(replace(PLANTED, top=(3,)), finished)


def test_another_setting_gets_another_folder_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _, one, _ = run(PLANTED)
    _, two, _ = run(replace(PLANTED, controls=read_controls("random:2")))
    assert one != two


def test_evaluate_on_the_map_of_a_run_gives_the_numbers_of_the_run(
    finished: Path, tmp_path: Path
) -> None:
    results, _, _ = evaluate_map(
        finished,
        tmp_path / "again",
        evaluation=PLANTED.evaluation,
        top=PLANTED.top,
        controls=PLANTED.controls,
        device="cpu",
    )
    whole = json.loads((finished / "results.json").read_text())
    assert results.as_json()["ablations"] == whole["ablations"]


def test_ablation_by_the_mean_and_by_a_factor_run_through(tmp_path: Path) -> None:
    small = replace(PLANTED, controls=read_controls("bottom:1"))
    by_mean, _, _ = run(replace(small, ablation="mean"), tmp_path / "mean")
    by_one, _, _ = run(replace(small, ablation=1.0), tmp_path / "scale")
    assert by_mean.ablations[0].groups["target"].drop == 1
    assert by_one.ablations[0].groups["target"].drop == 0


def test_untrained_weights_are_another_run_and_say_so(tmp_path: Path) -> None:
    settings = Settings(
        model="phantom/cnn",
        localizer="phantom:faces",
        evaluation="phantom",
        controls=read_controls("random:2"),
        untrained=True,
        device="cpu",
    )
    results, _, _ = run(settings, tmp_path / "run")
    assert results.model.untrained
    assert any("untrained" in warning for warning in results.warnings)
    assert results.intact["face"].accuracy < 0.2


def test_stimuli_that_the_localizer_used_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vision_loc import experiment, stimuli

    def same_stream(*_: object, **__: object) -> stimuli.Benchmark:
        target, control = (
            tuple(stimuli.drawn(what, what, 4, "localizer")) for what in ("target", "control")
        )
        return stimuli.Benchmark("same", (*target, *control), "target", "control")

    monkeypatch.setattr(experiment, "benchmark", same_stream)
    with pytest.raises(DataError, match="8 of its pictures were shown to the localizer"):
        run(PLANTED, tmp_path / "run")
    results, _, _ = run(replace(PLANTED, allow_overlap=True), tmp_path / "run")
    assert any("in the localizer too" in warning for warning in results.warnings)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"localizer": None}, "`localizer`, or both"),
        ({"target": Path("a")}, "`localizer`, or both"),
        ({"localizer": "phantom-planted:faces"}, "name one of its contrasts"),
        ({"localizer": "nowhere:faces"}, "no manifest"),
        ({"evaluation": "floc"}, "no labelled items"),
        ({"model": "phantom/cat"}, "the phantoms are"),
        ({"model": "cat"}, "write phantom/"),
        (
            {"model": "local/nowhere"},
            r"nothing there \(looked for nowhere, models/nowhere; FUNCLOC_MODELS\)",
        ),
        ({"model": "timm/no_such_net"}, "no architecture"),
        ({"model": "torchvision/no_such_net"}, "no classifier"),
        ({"ablation": "noise"}, "zero, mean"),
        ({"device": "tpu9"}, "not on this machine"),
        ({"dtype": "int4"}, "choose one of"),
        ({"sites": "nothing.*"}, "no such module"),
        ({"kind": "attn"}, "no site of kind attn"),
    ],
)
def test_bad_settings_get_one_line_that_names_the_culprit(
    changed: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(FunclocError, match=message) as caught:
        run(replace(PLANTED, **changed), tmp_path / "run")  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("top", "0", "above 0"),
        ("top", "101", "at most 100"),
        ("top", "1,1", "twice"),
        ("controls", "nearest:3", "RULE:DRAWS"),
    ],
)
def test_texts_that_are_no_setting(name: str, text: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        read_setting(Settings, name, text)


def test_a_class_token_is_asked_of_models_that_have_one(tmp_path: Path) -> None:
    settings = Settings(model="phantom/cnn", localizer="phantom:faces", pooling="cls", device="cpu")
    with pytest.raises(SettingError, match="no class token"):
        localize_only(settings, tmp_path / "run")
