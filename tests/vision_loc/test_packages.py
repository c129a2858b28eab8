"""Vision models that come as Python packages."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import timm
import torch
from timm.data import create_transform, resolve_data_config  # type: ignore[attr-defined]

from common.base.errors import ModelError
from common.models.packages import Packages
from tests.vision_loc.test_models import holds
from tests.wheels import index as index
from tests.wheels import make_package
from vision_loc import packages
from vision_loc.models import load_model
from vision_loc.stimuli.classes import imagenet_classes

ARCHITECTURE = "test_efficientnet"


def saved(state: dict[str, torch.Tensor]) -> bytes:
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def renamed(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The same entries in the same order, with other names but for their last part."""
    state = module.state_dict()
    return {
        f"_{n}.{name.rpartition('.')[2]}": value for n, (name, value) in enumerate(state.items())
    }


def offer(monkeypatch: pytest.MonkeyPatch, index: Path, weights: bytes) -> None:
    package = make_package(index, weights, architecture=ARCHITECTURE)
    found = Packages("timm", packages.convert, table=(package,))
    monkeypatch.setattr("vision_loc.models.PACKAGES", found)


def test_a_package_becomes_a_timm_folder_with_classes_and_preprocessing(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(3)
    original = timm.create_model(ARCHITECTURE)
    offer(monkeypatch, index, saved(renamed(original)))
    model = load_model("pip/tiny")
    assert model.name == "pip/tiny"
    assert model.classes.wnids == tuple(imagenet_classes())
    assert model.classes.names[0] == "tench, Tinca tinca"
    data = resolve_data_config({}, model=original)
    holds(model, original, create_transform(**data, is_training=False))


def test_random_weights_need_no_download_and_see_the_same_pictures(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = timm.create_model(ARCHITECTURE)
    offer(monkeypatch, index, saved(renamed(original)))
    bare = load_model("pip/tiny", untrained=True)
    assert not (index.parent / "cache").exists()
    whole = load_model("pip/tiny")
    assert bare.preprocess.description == whole.preprocess.description
    assert bare.describe()["n_parameters"] == whole.describe()["n_parameters"]


@pytest.mark.parametrize("odd", ["shape", "name", "number"])
def test_weights_of_another_architecture_are_refused(
    odd: str, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = renamed(timm.create_model(ARCHITECTURE))
    first = next(iter(state))
    if odd == "shape":
        state[first] = state[first][:1]
    elif odd == "name":
        state = {("_0.bias" if name == first else name): value for name, value in state.items()}
    else:
        del state[first]
    offer(monkeypatch, index, saved(state))
    with pytest.raises(ModelError, match=r"is no conv_stem.weight|entries, not") as told:
        load_model("pip/tiny")
    assert "\n" not in str(told.value)


def test_pickled_code_is_refused(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, index, saved({"_0.weight": print}))  # type: ignore[dict-item]
    with pytest.raises(ModelError, match="could run code"):
        load_model("pip/tiny")
