"""Loading models from files: the right weights, and the zoo's own preprocessing, bit for bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
import transformers
from huggingface_hub import constants
from PIL import Image
from timm.data import create_transform, resolve_data_config  # type: ignore[attr-defined]
from timm.models import save_for_hf
from torch import Tensor, nn

from common.base.errors import DataError, ModelError
from vision_loc.catalogue import _torch_cache, catalogue
from vision_loc.models import VisionModel, load_model

SIZES = ((37, 91), (300, 200), (64, 64), (33, 32), (16, 500))
Pipeline = Callable[[Image.Image], Tensor]


def pictures() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    smooth = Image.linear_gradient("L").convert("RGB").resize((120, 90))
    noise = [rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for w, h in SIZES]
    return [*map(Image.fromarray, noise), smooth]


def prepared(model: VisionModel, picture: Image.Image) -> Tensor:
    pixels = torch.from_numpy(model.preprocess.geometry(picture).transpose(2, 0, 1).copy())
    return model.preprocess.normalize(pixels[None])


def holds(model: VisionModel, original: nn.Module, pipeline: Pipeline) -> None:
    """The same weights, the same inputs, the same logits as the zoo's own."""
    for key, value in original.state_dict().items():
        assert torch.equal(model.module.state_dict()[key], value), key
    original.eval()
    for picture in pictures():
        inputs = pipeline(picture)[None].contiguous()  # another layout may round otherwise
        assert torch.equal(prepared(model, picture), inputs)
        pixels = model.preprocess.geometry(picture).transpose(2, 0, 1).copy()
        with torch.inference_mode():
            found = original(inputs)
            logits = getattr(found, "logits", found)
            # Weights that are mapped from a file may be aligned, and then round, otherwise.
            torch.testing.assert_close(model.logits(torch.from_numpy(pixels)[None]), logits)


# --- timm ---


def timm_folder(folder: Path, arch: str = "test_resnet", **changed: Any) -> nn.Module:
    """A folder in the local-dir layout, with random weights of 7 classes."""
    torch.manual_seed(3)
    module = timm.create_model(arch, num_classes=7)
    save_for_hf(module, folder, safe_serialization=True)
    config = json.loads((folder / "config.json").read_text())
    config["pretrained_cfg"] |= changed
    (folder / "config.json").write_text(json.dumps(config))
    return module


@pytest.mark.parametrize("arch", ["test_resnet", "test_vit"])
@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"interpolation": "bilinear", "crop_pct": 0.875},
        {"crop_mode": "squash", "crop_pct": 1.0},
        {"crop_mode": "border", "mean": [0.1, 0.2, 0.3], "std": [1.0, 0.5, 0.25]},
    ],
)
def test_a_timm_folder(arch: str, changed: dict[str, Any], tmp_path: Path) -> None:
    original = timm_folder(tmp_path, arch, **changed)
    model = load_model(f"local/{tmp_path}")
    assert model.n_classes == 7
    whole = timm.create_model(f"local-dir:{tmp_path}", pretrained=True)
    data = resolve_data_config(whole.pretrained_cfg, model=whole)
    assert not changed or changed.items() <= {k: _listed(v) for k, v in data.items()}.items()
    holds(model, original, create_transform(**data, is_training=False))


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def test_a_timm_folder_tells_its_wordnet_ids(tmp_path: Path) -> None:
    timm_folder(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["label_names"] = [f"n{i:08d}" for i in range(7)]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert load_model(f"local/{tmp_path}").classes.wnids == tuple(config["label_names"])


def test_torch_files_are_read_where_they_hold_numbers_alone(tmp_path: Path) -> None:
    original = timm_folder(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(original.state_dict(), tmp_path / "pytorch_model.bin")
    model = load_model(f"local/{tmp_path}")
    assert torch.equal(model.module.state_dict()["fc.weight"], original.state_dict()["fc.weight"])


def test_an_untrained_model_follows_its_seed_and_leaves_the_global_one(tmp_path: Path) -> None:
    timm_folder(tmp_path)
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    one, two, other = (load_model(f"local/{tmp_path}", untrained=True, seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    prints = [model.describe()["fingerprint"] for model in (one, two, other)]
    assert prints[0] == prints[1] != prints[2]
    assert one.untrained
    assert one.seed == 1


def test_a_model_without_classifier_can_be_described() -> None:
    model = load_model("timm/vit_small_patch14_dinov2", untrained=True)
    assert (model.n_classes, model.describe()["chance"]) == (0, None)


# --- transformers ---


def vit(**changed: Any) -> nn.Module:
    config = transformers.ViTConfig(  # type: ignore[call-arg]
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=32,
        patch_size=8,
        num_labels=5,
        **changed,
    )
    torch.manual_seed(3)
    return transformers.ViTForImageClassification(config)


def resnet() -> nn.Module:
    config = transformers.ResNetConfig(  # type: ignore[call-arg]
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", num_labels=5
    )
    torch.manual_seed(3)
    return transformers.ResNetForImageClassification(config)


SQUARE = {"height": 32, "width": 32}
OWN = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.5, 0.3, 0.2]}
PROCESSORS = {
    "vit": lambda: transformers.ViTImageProcessor(size=SQUARE),
    "vit, bicubic": lambda: transformers.ViTImageProcessor(size=SQUARE, resample=3, **OWN),
    "vit, not normalized": lambda: transformers.ViTImageProcessor(size=SQUARE, do_normalize=False),
    "convnext": lambda: transformers.ConvNextImageProcessor(size={"shortest_edge": 32}, **OWN),
    "bit": lambda: transformers.BitImageProcessor(
        size={"shortest_edge": 36}, crop_size=SQUARE, do_center_crop=True
    ),
}


def transformers_folder(folder: Path, module: Any, processor: Any = None) -> nn.Module:
    module.save_pretrained(folder)
    (processor or PROCESSORS["vit"]()).save_pretrained(folder)
    return module  # type: ignore[no-any-return]


@pytest.mark.parametrize("make", [vit, resnet])
@pytest.mark.parametrize("name", [name for name in PROCESSORS if "not" not in name])
def test_a_transformers_folder(make: Callable[[], nn.Module], name: str, tmp_path: Path) -> None:
    original = transformers_folder(tmp_path, make(), PROCESSORS[name]())
    processor = transformers.AutoImageProcessor.from_pretrained(tmp_path)
    holds(
        load_model(f"local/{tmp_path}"),
        original,
        lambda picture: processor(picture, return_tensors="pt")["pixel_values"][0],
    )


def test_a_processor_that_does_not_normalize_is_met_up_to_rounding(tmp_path: Path) -> None:
    transformers_folder(tmp_path, vit(), PROCESSORS["vit, not normalized"]())
    processor = transformers.AutoImageProcessor.from_pretrained(tmp_path)
    model = load_model(f"local/{tmp_path}")
    for picture in pictures():
        whole = processor(picture, return_tensors="pt")["pixel_values"]
        torch.testing.assert_close(prepared(model, picture), whole, rtol=0, atol=1e-7)


def test_efficientnet_normalizes_twice(tmp_path: Path) -> None:
    processor = transformers.EfficientNetImageProcessor(size=SQUARE, **OWN)
    transformers_folder(tmp_path, vit(), processor)
    model = load_model(f"local/{tmp_path}")
    for picture in pictures():
        whole = processor(picture, return_tensors="pt")["pixel_values"]
        torch.testing.assert_close(prepared(model, picture), whole, rtol=0, atol=1e-5)


def test_preprocessing_that_cannot_be_cut_in_two_is_refused(tmp_path: Path) -> None:
    processor = transformers.EfficientNetImageProcessor(size=SQUARE, rescale_offset=True)
    transformers_folder(tmp_path, vit(), processor)
    with pytest.raises(ModelError, match="EfficientNetImageProcessor does more than resize"):
        load_model(f"local/{tmp_path}")


def test_half_floats_stay_close_to_the_library(tmp_path: Path) -> None:
    original = transformers_folder(tmp_path, vit())
    model = load_model(f"local/{tmp_path}", dtype=torch.bfloat16)
    assert model.dtype == torch.bfloat16
    assert model.example().dtype == torch.bfloat16
    assert original.dtype == torch.float32


# --- torchvision ---


@pytest.fixture
def torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch.hub."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("named", ["TORCH_HOME", "XDG_CACHE_HOME", None])
def test_the_cache_of_torch_is_where_torch_says(
    named: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    if named is not None:
        monkeypatch.setenv(named, str(tmp_path))
    assert _torch_cache() == Path(torch.hub.get_dir()) / "checkpoints"


@pytest.mark.parametrize(
    "weights",
    [
        torchvision.models.ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1,
        torchvision.models.MobileNet_V3_Small_Weights.IMAGENET1K_V1,
        torchvision.models.RegNet_Y_400MF_Weights.IMAGENET1K_V2,
    ],
)
def test_torchvision_weights_from_the_cache(weights: Any, torch_home: Path) -> None:
    arch = {"Shuff": "shufflenet_v2_x0_5", "Mobil": "mobilenet_v3_small", "RegNe": "regnet_y_400mf"}
    name = arch[type(weights).__name__[:5]]
    torch.manual_seed(3)
    original = torchvision.models.get_model(name, weights=None)
    torch.save(original.state_dict(), torch_home / Path(weights.url).name)
    model = load_model(f"torchvision/{name}.{weights.name}")
    assert model.n_classes == 1000
    holds(model, original, weights.transforms())


# --- the catalogue ---


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub, and of packages."""
    folder = tmp_path / "hub"
    folder.mkdir()
    monkeypatch.setenv("FUNCLOC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    return folder


def cached(hub: Path, repository: str, **files: str) -> None:
    """Put a repository into the hub's cache, as the library lays it out."""
    folder = hub / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0" * 40)
    (folder / "snapshots" / ("0" * 40)).mkdir(parents=True)
    for name, text in files.items():
        file = name.replace("_safetensors", ".safetensors").replace("_json", ".json")
        (folder / "snapshots" / ("0" * 40) / file).write_text(text)


def test_the_catalogue_tells_the_cache_from_a_download(hub_cache: Path, torch_home: Path) -> None:
    before = {entry.name: entry.where for entry in catalogue()}
    assert before["phantom/cnn"] == "bundled"
    assert set(before.values()) == {"bundled", "download"}
    cached(hub_cache, "timm/resnet10t.c3_in1k", model_safetensors="")
    cached(hub_cache, "me/vit", config_json='{"model_type": "vit"}', model_safetensors="")
    cached(hub_cache, "me/started", config_json='{"model_type": "vit"}')
    cached(hub_cache, "me/gpt2", config_json='{"model_type": "gpt2"}', model_safetensors="")
    weights = torchvision.models.ResNet18_Weights.IMAGENET1K_V1
    (torch_home / Path(weights.url).name).touch()
    after = {entry.name: entry.where for entry in catalogue()}
    changed = {name: where for name, where in after.items() if before.get(name) != where}
    assert changed == {
        "timm/resnet10t.c3_in1k": "cache",
        "torchvision/resnet18.IMAGENET1K_V1": "cache",
        "hf/me/vit": "cache",
        "hf/me/started": "download",
    }
    assert list(after.values()).index("cache") < list(after.values()).index("download")


def test_the_catalogue_finds_local_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub_cache: Path, torch_home: Path
) -> None:
    del hub_cache, torch_home
    models = tmp_path / "models"
    timm_folder(models / "mine")
    transformers_folder(models / "deep" / "vit", vit())
    for name, text in (
        ("text", '{"model_type": "gpt2"}'),
        ("bare", '{"model_type": "vit"}'),
        ("odd", "not JSON"),
    ):
        (models / name).mkdir()
        (models / name / "config.json").write_text(text)
    expected = {
        "mine": "timm, test_resnet",
        "deep/vit": "transformers, vit",
        "text": "no image classifier (gpt2)",
        "bare": "transformers, vit; without weights",
        "odd": "no image classifier (unknown)",
    }

    def found(root: Path | None = None) -> dict[str, str]:
        return {e.name: e.about for e in catalogue(root) if e.where == "local"}

    assert found(models) == {f"local/{models / name}": what for name, what in expected.items()}
    assert load_model(f"local/{models / 'mine'}").n_classes == 7
    assert found() == {}
    monkeypatch.chdir(tmp_path)
    assert set(found()) == {f"local/models/{name}" for name in expected}
    monkeypatch.setenv("FUNCLOC_MODELS", str(models / "deep"))
    assert set(found()) == {f"local/{models / 'deep' / 'vit'}"}
    monkeypatch.setenv("FUNCLOC_MODELS", str(models / "gone"))
    with pytest.raises(DataError, match="no such folder"):
        catalogue()
