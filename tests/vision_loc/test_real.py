"""The real model on real stimuli: numbers that other people measured, met again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from common.study.settings import read_controls
from tests.wheels import fetched
from vision_loc.evaluate import evaluate
from vision_loc.experiment import Settings, localize_only, run
from vision_loc.matching import matched
from vision_loc.models import load_model
from vision_loc.stimuli import benchmark, fingerprint, pixel_store

pytestmark = pytest.mark.reference


def test_the_map_and_the_published_accuracy_on_faces(reference: Path, tmp_path: Path) -> None:
    settings = Settings(
        model=f"local/{reference / 'models' / 'regnetx_002-tinyimagenet100'}",
        localizer="floc:faces",
        untrained_seeds=0,
        data_root=reference / "data",
        device="cpu",
    )
    told, _, _ = localize_only(settings, tmp_path / "run")
    assert (told.selectivity.n_units, told.selectivity.n_sites) == (3264, 13)
    assert told.selectivity.split_half is not None
    assert told.selectivity.split_half.correlation > 0.9
    right = right_by_group(settings.model, reference, tmp_path, ("face",), "tinyimagenet100")
    assert right == {"face": (69, 222)}  # 31.08 %


@pytest.mark.slow
def test_a_whole_run_has_the_published_accuracy(reference: Path, tmp_path: Path) -> None:
    settings = Settings(
        model=f"local/{reference / 'models' / 'regnetx_002-tinyimagenet100'}",
        localizer="floc:faces",
        evaluation="tinyimagenet100",
        controls=read_controls("layer-matched:1"),
        untrained_seeds=0,
        data_root=reference / "data",
        device="cpu",
    )
    results, _, _ = run(settings, tmp_path / "run")
    face, nonface = results.intact["face"], results.intact["nonface"]
    assert (round(100 * face.accuracy, 2), face.n) == (31.08, 222)
    assert (round(100 * nonface.accuracy, 2), nonface.n) == (53.53, 2468)


def right_by_group(
    name: str,
    reference: Path,
    scratch: Path,
    groups: tuple[str, ...],
    data: str = "imagenet-sample",
    choices: str = "all",
) -> dict[str, tuple[int, int]]:
    """Pictures that a model gets right, and how many there are, by group."""
    model = load_model(name)
    items = matched(benchmark(data, reference / "data"), model, choices)
    labels = np.array([picture.label for picture in items.pictures])
    conditions = np.array([picture.condition for picture in items.pictures])
    kept = np.flatnonzero(np.isin(conditions, groups))
    pictures = [items.pictures[number] for number in kept]
    digests = fingerprint(pictures)[1]
    pixels = pixel_store(pictures, digests, model.preprocess, scratch / "pixels.npy")
    correct = evaluate(model, pixels, labels[kept], choose_from=items.choose_from).correct
    of = conditions[kept]
    return {each: (int(correct[of == each].sum()), int((of == each).sum())) for each in groups}


def test_the_model_of_a_package_knows_the_faces_that_others_measured(
    reference: Path, tmp_path: Path
) -> None:
    name = fetched("efficientnet_lite0", "vision-loc")
    found = right_by_group(name, reference, tmp_path, ("face",))
    assert found == {"face": (63, 79)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "face", "other"), [("efficientnet_lite0", 63, 779), ("efficientnet_lite2", 65, 788)]
)
def test_models_of_packages_know_the_whole_sample(
    name: str, face: int, other: int, reference: Path, tmp_path: Path
) -> None:
    name = fetched(name, "vision-loc")
    found = right_by_group(name, reference, tmp_path, ("face", "nonface"))
    assert found == {"face": (face, 79), "nonface": (other, 900)}


def test_a_model_of_all_classes_and_a_benchmark_of_a_hundred(reference: Path) -> None:
    model = load_model(fetched("efficientnet_lite0", "vision-loc"))
    found = matched(benchmark("tinyimagenet100", reference / "data"), model)
    assert found.match is not None
    assert (found.match.by, found.match.n_shared, found.match.n_unknown) == ("wnid", 100, 0)
    go_kart = next(each for each in found.pictures if found.class_name(each.label) == "go-kart")
    assert go_kart.label == 573


def test_a_model_of_a_hundred_classes_and_a_benchmark_of_all(reference: Path) -> None:
    model = load_model(f"local/{reference / 'models' / 'regnetx_002-tinyimagenet100'}")
    found = matched(benchmark("imagenet-sample", reference / "data"), model)
    assert found.match is not None
    assert (found.match.n_shared, found.match.n_unknown) == (100, 900)
    assert len(found.pictures) == 979 - found.match.n_left_out
    pixels = np.stack([model.preprocess.geometry(each.open()) for each in found.pictures])
    labels = np.array([each.label for each in found.pictures])
    right = evaluate(model, pixels.transpose(0, 3, 1, 2).copy(), labels).correct
    assert right.mean() > 0.3  # of 100 classes, on larger pictures than it was trained with
