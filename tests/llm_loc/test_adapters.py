"""LoRA adapters: the model that base and adapter make, or one line that says why not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from common.base.errors import FunclocError, ModelError, RunError, SettingError
from common.base.files import read_json
from common.study.settings import read_controls
from llm_loc import adapters
from llm_loc.experiment import Settings, evaluate_map, localize_only, run
from llm_loc.load import load_model
from llm_loc.localize import survey_of

needs_peft = pytest.mark.skipif(find_spec("peft") is None, reason="needs the extra: adapters")

RANK, ALPHA = 3, 6
TARGETS = ("self_attn.q_proj", "mlp.down_proj")
TEXT = "the old farmer sold his horse"


def save_adapter(folder: Path, base: Path, seed: int = 0, **changed: Any) -> Path:
    """An adapter of random numbers for two layers of each block, as PEFT writes it."""
    weights = load_file(base / "model.safetensors")
    made: dict[str, Tensor] = {}
    random = torch.Generator().manual_seed(seed)
    for path, weight in weights.items():
        if path.removesuffix(".weight").endswith(TARGETS):
            n_out, n_in = weight.shape
            inside = f"base_model.model.{path.removesuffix('.weight')}"
            made[f"{inside}.lora_A.weight"] = torch.randn(RANK, n_in, generator=random)
            made[f"{inside}.lora_B.weight"] = torch.randn(n_out, RANK, generator=random)
    folder.mkdir()
    config = {
        "peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "bias": "none", "lora_dropout": 0.0,
        "target_modules": [target.split(".")[1] for target in TARGETS], "task_type": "CAUSAL_LM",
    }  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps({**config, **changed}))
    save_file(made, folder / "adapter_model.safetensors")
    return folder


def rewrite(folder: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
    file = folder / "adapter_model.safetensors"
    save_file(change({key: value.clone() for key, value in load_file(file).items()}), file)


@pytest.fixture
def base(folder_of: Callable[..., Path]) -> Path:
    return folder_of()


@pytest.fixture
def adapter(base: Path, tmp_path: Path) -> Path:
    return save_adapter(tmp_path / "adapter", base)


@needs_peft
def test_it_is_the_model_whose_weights_have_the_products_added(base: Path, adapter: Path) -> None:
    plain, adapted = load_model(f"local/{base}"), load_model(f"local/{base}", adapter=adapter)
    batch = plain.batch(plain.tokens([TEXT]))
    with torch.inference_mode():
        before = plain.logits(batch)
        wanted = plain.module.state_dict()
        for key, value in load_file(adapter / "adapter_model.safetensors").items():
            if "lora_A" in key:
                path = key.removeprefix("base_model.model.").replace("lora_A.", "")
                up = load_file(adapter / "adapter_model.safetensors")[key.replace("_A.", "_B.")]
                wanted[path].add_(ALPHA / RANK * up @ value)
        torch.testing.assert_close(adapted.logits(batch), plain.logits(batch), atol=1e-4, rtol=1e-4)
        assert (adapted.logits(batch) - before).abs().max() > 0.1
    for kind in ("block", "head", "mlp_hidden"):
        assert survey_of(adapted).of_kind(kind) == survey_of(plain).of_kind(kind)
    assert [path for path, _ in adapted.module.named_modules()] == [
        path for path, _ in plain.module.named_modules()
    ]
    assert not any(p.requires_grad for p in adapted.module.parameters())


def settings_of(base: Path, own_files: tuple[Path, ...], **more: Any) -> Settings:
    target, control, pairs, _ = own_files
    return Settings(
        model=f"local/{base}", target=target, control=control, evaluation=str(pairs),
        target_group="animals", top=(10,), controls=read_controls("random:1"), device="cpu",
        untrained_seeds=1, **more,
    )  # fmt: skip


@needs_peft
def test_a_run_is_one_with_its_adapter(
    base: Path, adapter: Path, own_files: tuple[Path, ...], tmp_path: Path
) -> None:
    settings = settings_of(base, own_files, adapter=adapter)
    results, folder, _ = run(settings, tmp_path / "run")
    checksum = read_json(folder / "run.json")["identity"]["adapter"]
    assert results.model.adapter == checksum
    assert f"--adapter {adapter}" in read_json(folder / "run.json")["command"]
    assert results.baseline is not None
    assert len(results.baseline.untrained) == 1  # of the same architecture, without the adapter
    again, _, _ = evaluate_map(folder, tmp_path / "again", **{"top": (20,), "controls": ()})
    assert again.model.fingerprint == results.model.fingerprint
    for other in (
        replace(settings, adapter=None),
        replace(settings, adapter=save_adapter(tmp_path / "other", base, seed=1)),
    ):
        with pytest.raises(RunError):
            run(other, folder)
    rewrite(adapter, lambda weights: {key: 2 * value for key, value in weights.items()})
    with pytest.raises(RunError, match="its map was made on other weights"):
        evaluate_map(folder, tmp_path / "third")


def test_untrained_weights_have_no_adapter(
    base: Path, adapter: Path, own_files: tuple[Path, ...], tmp_path: Path
) -> None:
    settings = settings_of(base, own_files, adapter=adapter, untrained=True)
    with pytest.raises(SettingError, match="leave it or `untrained` out"):
        localize_only(settings, tmp_path / "run")
    model = load_model(f"local/{base}", untrained=True, adapter=adapter)
    assert model.adapter is None


# --- what cannot be merged ---


def complaint(base: Path, adapter: Path) -> str:
    with pytest.raises(FunclocError) as caught:
        load_model(f"local/{base}", adapter=adapter)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_peft_one_line_says_how_to_get_it(
    base: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapters, "find_spec", lambda _: None)
    assert "needs the package peft; pip install 'funcloc[adapters]'" in complaint(base, adapter)


@needs_peft
def test_what_is_no_adapter_of_this_model(base: Path, adapter: Path, tmp_path: Path) -> None:
    assert "holds no adapter_config.json" in complaint(base, tmp_path / "nowhere")
    kind = save_adapter(tmp_path / "kind", base, peft_type="PREFIX_TUNING")
    assert "is of the kind PREFIX_TUNING" in complaint(base, kind)
    other = save_adapter(tmp_path / "other", base)
    rewrite(other, lambda w: {k.replace("layers.0", "layers.17"): v for k, v in w.items()})
    assert "has weights for model.layers.17.mlp.down_proj, which this model lacks" in complaint(
        base, other
    )
    rewrite(adapter, lambda w: {k: v for k, v in w.items() if "layers.1.mlp" not in k})
    assert "missing adapter keys" in complaint(base, adapter)
    wide = save_adapter(tmp_path / "wide", base)
    rewrite(wide, lambda w: {k: torch.cat([v, v], dim=1).contiguous() for k, v in w.items()})
    assert "does not fit this model" in complaint(base, wide)
    (adapter / "adapter_config.json").write_text("{")
    assert "cannot be read" in complaint(base, adapter)
    (adapter / "adapter_model.safetensors").unlink()
    assert "holds no adapter_model.safetensors" in complaint(base, adapter)


def test_a_device_map_is_refused(base: Path, adapter: Path) -> None:
    with pytest.raises((SettingError, ModelError), match="`adapter`: is merged on one device"):
        load_model(f"local/{base}", adapter=adapter, device_map="auto")
