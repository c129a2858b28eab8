"""Models that do not fit, are broken or would run code: one line, never random weights."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from tests.vision_loc.bad_input.said import (
    Call,
    change_weights,
    check_resumable,
    finishes,
    timm_model,
    words,
)
from tests.vision_loc.test_models import PROCESSORS, timm_folder, transformers_folder, vit
from vision_loc.models import load_model


class Malice:
    """Runs a command when it is unpickled without care."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.proof}",)


def transformers_model(folder: Path) -> Path:
    transformers_folder(folder, vit(), PROCESSORS["vit"]())
    return folder


FOLDERS = {"timm": timm_model, "transformers": transformers_model}


@pytest.fixture(params=FOLDERS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return FOLDERS[request.param](tmp_path / "model")


def a_classifier(weights: dict[str, torch.Tensor]) -> str:
    return next(name for name in weights if name in ("fc.weight", "classifier.weight"))


def cut(weights: dict[str, torch.Tensor]) -> None:
    name = a_classifier(weights)
    weights[name] = weights[name][:3].clone()


def lose(weights: dict[str, torch.Tensor]) -> None:
    del weights[a_classifier(weights)]


def rename(weights: dict[str, torch.Tensor]) -> None:
    for name in [*weights]:
        weights[f"other.{name}"] = weights.pop(name)


@pytest.mark.parametrize("change", [cut, lose, rename], ids=lambda change: change.__name__)
def test_a_checkpoint_that_does_not_fit(
    change: Callable[[dict[str, torch.Tensor]], None],
    folder: Path,
    mine: Path,
    tmp_path: Path,
    refused: Callable[..., str],
) -> None:
    change_weights(folder, change)
    said = refused(*words(mine, tmp_path / "run", model=f"local/{folder}"))
    assert f"--model local/{folder}: " in said
    assert "classifier" in said or "fc.weight" in said or change is rename
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("damage", ["none", "truncated", "text", "empty"])
def test_weights_that_are_not_there_or_broken_are_never_random_ones(
    damage: str, folder: Path, mine: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    path = folder / "model.safetensors"
    if damage == "none":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        path.write_text("" if damage == "empty" else "no weights")
    said = refused(*words(mine, tmp_path / "run", model=f"local/{folder}"))
    assert f"--model local/{folder}: cannot be " in said
    assert not (tmp_path / "run").exists()


def test_the_number_of_classes_is_not_adapted_in_silence(
    mine: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    timm_folder(tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    config["model_args"] = {"num_classes": 4}
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    said = refused(*words(mine, tmp_path / "run", model=f"local/{tmp_path / 'model'}"))
    assert "says both 7 and 4 classes" in said


@pytest.mark.parametrize("archive", [True, False], ids=["torch archive", "bare pickle"])
def test_a_pickle_that_would_run_code(
    archive: bool, folder: Path, mine: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    proof = tmp_path / "proof"
    (folder / "model.safetensors").unlink()
    weights = {"fc.weight": Malice(proof)}
    if archive:
        torch.save(weights, folder / "pytorch_model.bin")
    else:
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps(weights))
    said = refused(*words(mine, tmp_path / "run", model=f"local/{folder}"))
    assert "which could run code; save them as safetensors" in said
    assert not proof.exists()
    assert not (tmp_path / "run").exists()


def test_code_that_comes_with_a_model_is_not_run(
    mine: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    folder, proof = transformers_model(tmp_path / "model"), tmp_path / "proof"
    (folder / "own.py").write_text(f"import pathlib; pathlib.Path({str(proof)!r}).touch()\n")
    config = json.loads((folder / "config.json").read_text())
    config["model_type"] = "their_own"
    config["auto_map"] = {
        "AutoConfig": "own.Config",
        "AutoModelForImageClassification": "own.Model",
    }
    (folder / "config.json").write_text(json.dumps(config))
    refused(*words(mine, tmp_path / "run", model=f"local/{folder}"))
    assert not proof.exists()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("{", "is no JSON"),
        ("[]", "names neither"),
        ("{}", "names neither"),
        ('{"architecture": "no_such_net"}', "cannot be built"),
        ('{"model_type": "gpt2"}', "cannot be "),
    ],
)
def test_a_bad_configuration(
    config: str, said: str, mine: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(config)
    assert said in refused(*words(mine, tmp_path / "run", model=f"local/{tmp_path / 'model'}"))
    assert not (tmp_path / "run").exists()


def test_a_model_for_grey_pictures(mine: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    torch.manual_seed(3)
    module = timm.create_model("test_resnet", num_classes=7, in_chans=1)
    timm.models.save_for_hf(module, tmp_path / "model", safe_serialization=True)
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    config["model_args"] = {"in_chans": 1}
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    said = refused(*words(mine, tmp_path / "run", model=f"local/{tmp_path / 'model'}"))
    assert "takes pictures of 1 channels" in said


def test_nan_activations_name_the_site_and_the_stimulus(
    mine: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    folder = timm_model(tmp_path / "model")

    def spoil(weights: dict[str, torch.Tensor]) -> None:
        name = next(name for name in weights if name.startswith("layer2") and "conv1" in name)
        weights[name][0, 0, 0, 0] = torch.nan

    change_weights(folder, spoil)
    out = tmp_path / "run"
    said = refused(*words(mine, out, model=f"local/{folder}"))
    assert "layer2.0:output: activations are NaN or infinite for " in said
    assert str(mine) in said
    check_resumable(out)


def test_a_run_whose_model_gave_nan_goes_on_with_the_same_folder(
    mine: Path,
    tmp_path: Path,
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    call: Call,
) -> None:
    out = tmp_path / "run"
    real = type(load_model("phantom/planted").preprocess).normalize
    with monkeypatch.context() as patch:

        def spoilt(self: Any, pixels: torch.Tensor, *rest: Any) -> torch.Tensor:
            values = real(self, pixels, *rest)
            if len(values) == 4:
                values[2] = torch.nan
            return values

        patch.setattr("vision_loc.preprocess.Preprocess.normalize", spoilt)
        said = refused(*words(mine, out))
    assert ".png; are the weights whole" in said
    check_resumable(out)
    finishes(call, words(mine, out), out)
