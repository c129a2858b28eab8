"""Whole runs on models of other numbers of classes than the benchmark has, from files on a disk.

The models have random weights; what each picture should give is computed by hand from timm's lists.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from PIL import Image
from timm.data.imagenet_info import ImageNetInfo
from timm.models import save_for_hf

from common.effects.results import Results
from common.study.settings import read_controls
from vision_loc.experiment import Settings, run
from vision_loc.models import VisionModel, load_model
from vision_loc.stimuli import open_picture

EACH = 3  # pictures of a class
OTHERS = [f"n9{n:07d}" for n in range(6)]  # classes that nobody else has


@cache
def listed(subset: str) -> tuple[str, ...]:
    return tuple(ImageNetInfo(subset).label_names())


BENCHMARK = listed("imagenet-1k")[:8]  # in ImageNet-1k and in both lists of 21k


def model_folder(folder: Path, n_classes: int, labels: list[str] | None = None) -> Path:
    """A folder in the local-dir layout, for small pictures."""
    torch.manual_seed(5)
    module = timm.create_model("test_resnet", num_classes=n_classes)
    torch.nn.init.normal_(module.get_classifier().weight, std=0.5)
    save_for_hf(module, folder, safe_serialization=True)
    config = json.loads((folder / "config.json").read_text())
    config["pretrained_cfg"] |= {"input_size": [3, 32, 32], "crop_pct": 1.0}
    config |= {} if labels is None else {"label_names": labels}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders by WordNet id, every second class with a face; and two folders beside them."""
    root, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)

    def save(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)

    for wnid in BENCHMARK:
        for n in range(EACH):
            save(root / "eval" / wnid / f"{n}.png")
    rows = [f"{wnid},{('face', 'nonface')[n % 2]}" for n, wnid in enumerate(BENCHMARK)]
    (root / "eval" / "groups.csv").write_text("\n".join(["folder,group", *rows]))
    for side in ("target", "control"):
        for n in range(4):
            save(root / side / f"{n}.png")
    return root


def measured(
    model: Path, pictures: Path, folder: Path, **more: str
) -> tuple[Results, pd.DataFrame]:
    settings = Settings(
        model=f"local/{model}", target=pictures / "target", control=pictures / "control",
        evaluation=str(pictures / "eval"), top=(10,), controls=read_controls("random:1"),
        device="cpu", untrained_seeds=0, **more,
    )  # fmt: skip
    results, _, _ = run(settings, folder)
    items = pd.read_csv(folder / "items.csv")
    return results, items[items["mask"] == "intact"]


def by_hand(model: VisionModel, path: Path, right: int, among: list[int]) -> tuple[int, float]:
    """Prediction and margin of one picture, from its logits."""
    pixels = torch.tensor(model.preprocess.geometry(open_picture(path))).permute(2, 0, 1)[None]
    with torch.no_grad():
        logits = dict(zip(among, model.logits(pixels)[0][among].tolist(), strict=True))
    best = max(logits, key=lambda number: logits[number])
    return best, logits[right] - max(logits[n] for n in among if n != right)


@pytest.mark.parametrize(
    ("n_classes", "subset", "before", "choices"),
    [
        (1001, "imagenet-1k", 1, "all"),
        (21841, "imagenet-22k", 0, "all"),
        (21843, "imagenet-21k-goog", 0, "shared"),
    ],
)
def test_other_numbers_of_the_same_classes(
    n_classes: int, subset: str, before: int, choices: str, pictures: Path, tmp_path: Path
) -> None:
    folder = model_folder(tmp_path / "model", n_classes)
    results, items = measured(folder, pictures, tmp_path / "run", classes=choices)
    place = {wnid: before + listed(subset).index(wnid) for wnid in BENCHMARK}
    among = sorted(place.values()) if choices == "shared" else [*range(n_classes)]
    model = load_model(f"local/{folder}")
    assert len(items) == len(BENCHMARK) * EACH
    for row in items.itertuples():
        right = place[str(row.item).split("/")[0]]
        prediction, margin = by_hand(model, pictures / "eval" / str(row.item), right, among)
        assert (row.label, row.prediction) == (right, prediction)
        assert row.margin == pytest.approx(margin, abs=1e-3)
    told = results.evaluation.class_match
    assert told is not None
    assert (told.by, told.n_model, told.n_shared, told.n_left_out) == ("wnid", n_classes, 8, 0)
    assert results.chance("face") == 1 / len(among)
    assert any("does not say which classes" in warning for warning in results.warnings)


def test_ten_classes_of_which_the_benchmark_has_half_of_its_own(
    pictures: Path, tmp_path: Path
) -> None:
    known = [*OTHERS[:3], *BENCHMARK[3::-1], *OTHERS[3:]]  # four of eight, in another order
    folder = model_folder(tmp_path / "model", 10, known)
    results, items = measured(folder, pictures, tmp_path / "run")
    assert sorted({str(item).split("/")[0] for item in items["item"]}) == sorted(BENCHMARK[:4])
    model = load_model(f"local/{folder}")
    for row in items.itertuples():
        right = known.index(str(row.item).split("/")[0])
        prediction, margin = by_hand(model, pictures / "eval" / str(row.item), right, [*range(10)])
        assert (row.label, row.prediction) == (right, prediction)
        assert row.margin == pytest.approx(margin, abs=1e-3)
    told = results.evaluation.class_match
    assert told is not None
    assert (told.source, told.n_shared, told.n_unknown) == ("model", 4, 4)
    assert told.n_left_out == 4 * EACH
    assert any("4 of the 8 classes" in warning for warning in results.warnings)
    # By agreement no class is asked for, so none is left out.
    agreed, every = measured(folder, pictures, tmp_path / "agreement", measure="agreement")
    assert len(every) == len(BENCHMARK) * EACH
    assert agreed.evaluation.class_match is None
    assert set(agreed.evaluation.classes) == {str(n) for n in every["label"]}


def test_the_same_pictures_are_known_as_such_by_models_of_other_classes(
    pictures: Path, tmp_path: Path
) -> None:
    shown = []
    for n, known in enumerate((BENCHMARK, [*OTHERS, *BENCHMARK[::-1]], [*OTHERS, *BENCHMARK[:4]])):
        folder = model_folder(tmp_path / f"model-{n}", len(known), known)
        shown.append(measured(folder, pictures, tmp_path / f"run-{n}")[0].evaluation.shown)
    assert shown[0] == shown[1] != shown[2]
    assert shown[0] is not None
