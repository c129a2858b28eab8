"""What cannot be loaded: a bad name, a broken folder, what would run code, what the hub refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest
import torch
from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from safetensors.torch import load_file, save_file

from common.base import hub
from common.base.errors import ModelError
from llm_loc.load import load_model


def test_weights_that_are_missing_are_an_error(
    folder_of: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(folder_of(), folder)
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.down_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks model\.layers\.1\.mlp"):
        load_model(f"local/{folder}")


def test_weights_of_another_shape_are_an_error(
    folder_of: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(folder_of(), folder)
    weights = load_file(folder / "model.safetensors")
    name = "model.layers.0.mlp.up_proj.weight"
    weights[name] = weights[name][:5].clone()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=f"has another shape of {name}"):
        load_model(f"local/{folder}")


def test_code_that_comes_with_a_model_is_not_run(
    folder_of: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(folder_of(), folder)
    config = json.loads((folder / "config.json").read_text())
    config.update(
        model_type="own",
        auto_map={"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"},
    )
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text("raise SystemExit('was run')\n")
    with pytest.raises(ModelError) as caught:
        load_model(f"local/{folder}")
    assert "\n" not in str(caught.value)


class Malice:
    """Pickled, it touches a file when it is read."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.proof,)


def test_a_pickle_that_would_run_code(folder_of: Callable[..., Path], tmp_path: Path) -> None:
    folder, proof = tmp_path / "model", tmp_path / "proof"
    shutil.copytree(folder_of(), folder)
    (folder / "model.safetensors").unlink()
    torch.save({"lm_head.weight": Malice(proof)}, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="which could run code; save them as safetensors") as told:
        load_model(f"local/{folder}")
    assert "\n" not in str(told.value)
    assert not proof.exists()


def test_a_tokenizer_that_is_not_there(folder_of: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(folder_of(), folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=f"^`model` local/{folder}: ") as caught:
        load_model(f"local/{folder}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (GatedRepoError, "its terms must be accepted on the hub first; then log in"),
        (RepositoryNotFoundError, "the hub has no such repository, or it is private"),
        (RevisionNotFoundError, "the hub has no such revision of it"),
    ],
)
def test_what_the_hub_refuses(
    kind: type[HfHubHTTPError], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **given: object) -> NoReturn:
        assert given["revision"] == "v1"
        inner = kind("403 of a long address", response=SimpleNamespace(headers={}, request=None))  # type: ignore[arg-type]
        raise OSError("a library's own words\nin two lines") from inner

    monkeypatch.setattr(hub, "_reachable", lambda: True)
    monkeypatch.setattr("transformers.AutoConfig.from_pretrained", refuse)
    with pytest.raises(ModelError) as caught:
        load_model("hf/org/name@v1")
    assert f"`model` hf/org/name@v1: cannot be downloaded ({message}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("by_choice", [True, False])
def test_no_network(by_choice: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", by_choice)
    monkeypatch.setattr(hub, "_reachable", lambda: False)
    with pytest.raises(ModelError) as caught:
        load_model("hf/nobody/nothing")
    assert str(caught.value) == (
        "`model` hf/nobody/nothing: cannot be downloaded (it is not in the cache, and the hub "
        "cannot be reached)"
    )
    assert by_choice == constants.HF_HUB_OFFLINE


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cat", "write phantom/lm, hf/ORG/NAME, local/PATH, pip/NAME or python:FILE.py:FUNCTION"),
        (
            "local/",
            "write phantom/lm, hf/ORG/NAME, local/PATH, pip/NAME or python:FILE.py:FUNCTION",
        ),
        ("local/nowhere", r"nothing there \(looked for nowhere, models/nowhere; FUNCLOC_MODELS\)"),
    ],
)
def test_bad_names_get_one_line(name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_model(name)


@pytest.mark.parametrize(
    ("kind", "changed", "message"),
    [
        ("config.json", b"{", "is no JSON"),
        ("model.safetensors", b"\x00" * 20, "cannot be read"),
        ("config.json", b'{"model_type": "t5", "is_encoder_decoder": true}', "encoder with a deco"),
        ("config.json", b'{"model_type": "vit"}', "no language model"),
    ],
)
def test_broken_folders_get_one_line(
    kind: str, changed: bytes, message: str, folder_of: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(folder_of(), folder)
    (folder / kind).write_bytes(changed)
    with pytest.raises(ModelError, match=message) as caught:
        load_model(f"local/{folder}")
    assert "\n" not in str(caught.value)
