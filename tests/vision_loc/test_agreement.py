"""Two folders of pictures without a class: what stays of the intact model's own predictions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from browser import unit_fragments
from common import ablate, judge
from common.base.errors import DataError, FunclocError, SettingError
from common.base.files import read_json
from common.effects.paired import rate
from common.effects.results import Results
from common.measure.masks import Mask, load_masks
from common.measure.scores import SelectivityMap
from common.report import words
from common.report.outcome_table import columns, doses, intact_row, note
from common.report.sections import say_doses
from common.report.tables import losers
from common.study.declared import read_settings
from common.study.results import load_results
from common.study.settings import read_controls
from common.study.single_unit import effect_alone
from vision_loc import phantom
from vision_loc.evaluate import evaluate_masks
from vision_loc.experiment import FRONT, Settings, run
from vision_loc.models import load_model
from vision_loc.stimuli import benchmark, named_folders, open_picture

N = 40
PLANTED = Settings(
    model="phantom/planted",
    localizer="phantom-planted:pattern",
    top=(6.25,),
    controls=read_controls("random:1,layer-matched:2"),
    device="cpu",
    untrained_seeds=0,
    batch_size=7,
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders in one, drawn for no localizer; one picture lies deeper."""
    root = tmp_path_factory.mktemp("pictures")
    for group, condition in (("celeba", "target"), ("coco", "control")):
        (root / group / "deeper").mkdir(parents=True)
        for n in range(N):
            picture = phantom.draw_planted(condition, 500 + n, "eval")
            picture.save(root / group / ("deeper" if n == 0 else "") / f"{n:02d}.png")
    return root


@pytest.fixture(scope="module")
def settings(folders: Path) -> Settings:
    return replace(PLANTED, evaluation=f"celeba={folders}/celeba,coco={folders}/coco")


@pytest.fixture(scope="module")
def finished(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("agreement") / "run"
    run(settings, folder)
    return folder


def results_of(folder: Path) -> Results:
    return load_results(folder)


def masks_of(folder: Path) -> list[Mask]:
    found = SelectivityMap.load(folder / "selectivity.safetensors")
    return [*load_masks(folder / "masks.safetensors", found).values()]


def items_of(folder: Path) -> pd.DataFrame:
    """The table of items, margins as Python reads numbers, to the last bit."""
    return pd.read_csv(folder / "items.csv", converters={"margin": float})


def test_every_row_is_what_a_picture_by_itself_gives(finished: Path, folders: Path) -> None:
    model = load_model("phantom/planted")
    items = items_of(finished)
    masks = {mask.name: mask for mask in masks_of(finished)}
    assert len(items) == 2 * N * (1 + len(masks))
    for name in masks:
        own, intact = items[items["mask"] == name], items[items["mask"] == "intact"]
        for row, before in list(zip(own.itertuples(), intact.itertuples(), strict=True))[::5]:
            picture = open_picture(folders / str(row.item))
            pixels = torch.tensor(np.asarray(picture)).permute(2, 0, 1)[None]
            with torch.no_grad():
                whole = model.logits(pixels)[0]
                with ablate(model.module, masks[name]):
                    logits = model.logits(pixels)[0]
            first = int(whole.argmax())
            rivals = torch.cat([logits[:first], logits[first + 1 :]])
            assert (row.label, before.label, before.prediction) == (first, first, first)
            assert row.prediction == int(logits.argmax())
            assert row.correct == (row.prediction == first)
            assert row.margin == pytest.approx(float(logits[first] - rivals.max()), abs=1e-4)


def test_the_results_are_shares_of_predictions_that_stay(finished: Path) -> None:
    results, items = (
        results_of(finished),
        items_of(finished),
    )
    assert results.evaluation.measure == results.judgement.measure == "agreement"
    assert results.groups == ("celeba", "coco")
    assert {entry.accuracy for entry in results.intact.values()} == {1.0}
    for entry in results.ablations:
        for group, effect in entry.groups.items():
            inside = (items["group"] == group) & (items["mask"] == entry.mask)
            intact = (items["group"] == group) & (items["mask"] == "intact")
            stays = items[inside]["prediction"].to_numpy() == items[intact]["prediction"].to_numpy()
            assert (effect.accuracy, effect.ci, effect.n) == tuple(dict(rate(stays)).values())
            assert (effect.agreement, effect.agreement_ci) == (effect.accuracy, effect.ci)
            assert effect.drop == pytest.approx(1 - effect.accuracy)
    top = results.top(6.25)
    assert top.groups["celeba"].accuracy == 0  # without all of its units no pattern is seen
    assert top.groups["coco"].accuracy == 1


def test_the_verdict_comes_from_the_items_alone(finished: Path) -> None:
    again = judge(items_of(finished), "celeba", "coco")
    assert again == results_of(finished).judgement


def test_intact_is_told_as_what_it_is_and_nothing_is_called_accuracy(finished: Path) -> None:
    results = results_of(finished)
    assert any("all of them by definition" in warning for warning in results.warnings)
    assert {cell.value for cell in intact_row(results)[:3:2]} == {"all"}
    assert not any(column.name.startswith("agreement") for column in columns(results))
    assert results.chance("celeba") is None
    for told in (note(results), results.verdict, *results.warnings):
        assert "accuracy" not in told.lower()
        assert "right answer" not in told
    assert results.verdict.startswith("Celeba: 0 % of predictions stay. Coco: 100 % of predictions")
    method = " ".join(words.method(results, read_json(finished / "run.json")))
    assert "Items have no label. Agreement (the share" in method
    assert dict(words.facts(results))["Measure"].startswith("agreement")
    assert say_doses(results).startswith("Agreement by dose")


def test_a_run_stopped_after_the_intact_pass_ends_in_the_same_bytes(
    finished: Path, settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run(settings, folder, stopped)
    assert (folder / "partial" / "intact.safetensors").exists()
    run(settings, folder)
    for name in ("results.json", "items.csv"):
        assert (folder / name).read_bytes() == (finished / name).read_bytes()


def stopped(step: str, done: float, _: float) -> None:
    if step == "evaluate" and done == 2:
        raise KeyboardInterrupt


def test_a_folder_of_two_folders_is_the_same_once_the_measure_is_said(
    finished: Path, settings: Settings, folders: Path, tmp_path: Path
) -> None:
    whole = replace(settings, evaluation=str(folders), measure="agreement")
    results, _, _ = run(whole, tmp_path / "run")
    before = results_of(finished)
    assert results.judgement == before.judgement
    with pytest.raises(DataError, match=r"its folders celeba and coco .* `measure` agreement"):
        run(replace(whole, measure="accuracy"), tmp_path / "other")


def test_labelled_runs_have_the_same_agreement_beside_accuracy(tmp_path: Path) -> None:
    labelled = replace(PLANTED, evaluation="phantom-planted", top=(2,), items=20)
    one, _, _ = run(labelled, tmp_path / "accuracy")
    two, _, _ = run(replace(labelled, measure="agreement"), tmp_path / "agreement")
    assert (one.evaluation.measure, two.evaluation.measure) == ("accuracy", "agreement")
    for by_class, agreed in zip(one.ablations, two.ablations, strict=True):
        for group in one.groups:
            assert by_class.groups[group].agreement == agreed.groups[group].accuracy
            assert by_class.groups[group].agreement_ci == agreed.groups[group].ci
    heads = [column.name for column in columns(one)]
    assert heads[4:6] == ["agreement, target", "agreement, control"]
    assert "agreement" in note(one)
    assert {len(row.cells) for row in doses(one)[0].rows} == {len(heads)}
    (top,) = (row for row in doses(one)[0].rows if row.top)
    assert top.cells[4].value == f"{100 * (one.top().groups['target'].agreement or 0):.1f}"


def test_masks_without_labels_are_held_against_the_intact_model(finished: Path) -> None:
    model = load_model("phantom/planted")
    masks = masks_of(finished)[:2]
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (9, *phantom.INPUT_SIZE), dtype=np.uint8)
    intact, *others = evaluate_masks(model, pixels, None, [None, *masks], batch_size=4)
    alone = evaluate_masks(model, pixels, None, masks, batch_size=4)
    assert intact.correct.all()
    for one, two in zip(others, alone, strict=True):
        assert (one.correct == (one.prediction == intact.prediction)).all()
        assert (one.margin == two.margin).all()
        assert (one.correct == two.correct).all()


def test_one_unit_alone_is_judged_by_agreement_too(finished: Path, settings: Settings) -> None:
    found = SelectivityMap.load(finished / "selectivity.safetensors")
    unit = int(found.ranking[0])
    alone = effect_alone(FRONT, settings, load_model("phantom/planted"), found, unit, draws=2)
    assert {entry.accuracy for entry in alone.intact.values()} == {1.0}
    shown = unit_fragments.unit_effect(alone)
    assert "intact</" not in shown
    assert "Agreement (predictions that stay the intact model" in shown
    for effects in (alone.effects, *alone.controls):
        assert all(0 <= each.accuracy <= 1 for each in effects.groups.values())
        assert effects.groups["coco"].drop == pytest.approx(1 - effects.groups["coco"].accuracy)


# --- how the two folders are named ---


def test_names_of_folders(folders: Path, tmp_path: Path) -> None:
    assert named_folders("a=x/y,b=z") == [("a", Path("x/y")), ("b", Path("z"))]
    assert named_folders("faces=a, b/c,other things=d") == [
        ("faces", Path("a, b/c")),
        ("other things", Path("d")),
    ]
    for name in ("phantom", str(folders), "./x=y/z", "", "some/folder,b=c", "occlusion:phantom"):
        assert named_folders(name) is None
    (tmp_path / "a=b,c=d").mkdir()
    assert named_folders(str(tmp_path / "a=b,c=d")) is None
    assert named_folders("a=x/y") == [("a", Path("x/y"))]
    for wrong in ("a=x,b=y,c=z", "a=x,a=y"):
        with pytest.raises(SettingError, match="two folders are compared"):
            named_folders(wrong)


def test_one_group_is_judged_by_itself(settings: Settings, folders: Path, tmp_path: Path) -> None:
    name = f"celeba={folders / 'celeba'}"
    alone = replace(settings, evaluation=name, controls=read_controls("layer-matched:2"))
    results, _, _ = run(alone, tmp_path / "run")
    assert (results.evaluation.target, results.evaluation.other) == ("celeba", None)
    assert results.groups == ("celeba",)
    assert any("has celeba alone" in each for each in results.warnings)
    (loss,) = [each.loss.effect for each in results.judgement.verdict.groups.values()]
    assert results.judgement.adjusted.effect == pytest.approx(loss)
    for within, said in (("margin", "no other to be paired with"), ("class", "needs classes")):
        with pytest.raises(SettingError, match=said):
            run(replace(alone, within=within), tmp_path / "within")


def test_pictures_are_named_by_group_and_file(settings: Settings) -> None:
    found = benchmark(settings.evaluation)
    assert (found.target, found.other) == ("celeba", "coco")
    assert {picture.label for picture in found.pictures} == {-1}
    names = [picture.name for picture in found.pictures]
    assert "celeba/deeper/00.png" in names
    assert len(names) == 2 * N


@pytest.mark.parametrize(
    ("evaluation", "message"),
    [
        ("a={0}/celeba,b={0}/nowhere", "nowhere: no such folder"),
        ("a={0}/celeba,b={0}/celeba/deeper", "one of the two folders holds the other"),
        ("a={0}/celeba,b={0}/celeba", "are the same folder"),
    ],
)
def test_folders_that_cannot_be_compared(evaluation: str, message: str, folders: Path) -> None:
    with pytest.raises(DataError, match=message):
        benchmark(evaluation.format(folders))


@pytest.mark.parametrize("more", [{"classes": "shared"}, {"within": "class"}])
def test_what_needs_classes_is_refused(more: dict[str, str], settings: Settings) -> None:
    with pytest.raises(FunclocError, match="needs classes"):
        replace(settings, **more)  # type: ignore[arg-type]


def test_two_folders_say_the_measure_and_text_is_read_back(settings: Settings) -> None:
    said = {"model": settings.model, "evaluation": settings.evaluation}
    assert read_settings(Settings, said).measure == "agreement"
    assert replace(settings, evaluation="phantom-planted", measure="accuracy").measure == "accuracy"


def test_the_classes_that_lost_most_say_nothing_of_the_intact_model(finished: Path) -> None:
    (lost,) = losers(
        results_of(finished), finished
    )  # one class is what all of the group was seen as
    assert (lost["group"], lost["intact"], lost["ablated"]) == ("celeba", "all", "0")


def test_a_part_of_pictures_without_classes_is_so_many_of_each_group(
    settings: Settings, tmp_path: Path
) -> None:
    few = replace(settings, items=6, top=(6.25,), controls=())
    results, _, _ = run(few, tmp_path / "run")
    assert {entry.n for entry in results.intact.values()} == {6}
    assert any("6 of each of 2 groups" in warning for warning in results.warnings)
