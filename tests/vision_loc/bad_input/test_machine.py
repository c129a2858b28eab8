"""Settings out of range, a full disk, no network: one line, and the run goes on afterwards."""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
import torch
from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from common.base import hub
from tests.vision_loc.bad_input.said import (
    Call,
    change_weights,
    check_resumable,
    finishes,
    timm_model,
    words,
)

LIMIT_S = 60.0  # the most that a download without a network may take, on a busy machine too


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"top": "0"}, "--top 0: give percentages above 0 and at most 100"),
        ({"top": "101"}, "--top 101: give percentages above 0 and at most 100"),
        ({"top": "nan"}, "--top nan: give percentages"),
    ],
)
def test_a_percent_out_of_range(
    changed: dict[str, str],
    said: str,
    mine: Path,
    tmp_path: Path,
    refused: Callable[..., str],
) -> None:
    assert said in refused(*words(mine, tmp_path / "run", **changed))
    assert not (tmp_path / "run").exists()


def test_a_control_that_cannot_be_drawn_says_why(
    mine: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    out = tmp_path / "run"
    said = refused(*words(mine, out, top="60", controls="bottom:1"))
    assert "bottom control" in said
    assert "would overlap the top" in said
    check_resumable(out)


def test_a_map_of_other_weights(
    mine: Path, tmp_path: Path, refused: Callable[..., str], call: Call
) -> None:
    folder = timm_model(tmp_path / "model")
    own = ["--target", mine / "target", "--control", mine / "control", "--device", "cpu", "-q"]
    model = f"local/{folder}"
    assert call("localize", "--model", model, *own, "--out", tmp_path / "map")[0] == 0

    def nudge(weights: dict[str, torch.Tensor]) -> None:
        weights["fc.bias"] += 1

    change_weights(folder, nudge)
    chosen = ["--map", tmp_path / "map", "--eval", mine / "eval", "--device", "cpu", "-q"]
    said = refused("evaluate", *chosen, "--out", tmp_path / "run")
    assert f"its map was made on other weights of {model}" in said
    assert not (tmp_path / "run").exists()


def test_a_map_of_another_configuration(
    mine: Path, tmp_path: Path, refused: Callable[..., str], call: Call
) -> None:
    """The same weights give other numbers with another activation."""
    folder = timm_model(tmp_path / "model")
    own = ["--target", mine / "target", "--control", mine / "control", "--device", "cpu", "-q"]
    model, begun = f"local/{folder}", tmp_path / "map"
    assert call("localize", "--model", model, *own, "--out", begun)[0] == 0
    config = json.loads((folder / "config.json").read_text())
    same = {**config, "label_names": [f"class {n}" for n in range(config["num_classes"])]}
    (folder / "config.json").write_text(json.dumps(same))  # what classes are called is no number
    assert call("localize", "--model", model, *own, "--out", begun)[0] == 0
    other = {**config, "model_args": {**config.get("model_args", {}), "act_layer": "gelu"}}
    (folder / "config.json").write_text(json.dumps(other))
    said = refused("localize", "--model", model, *own, "--out", begun)
    assert "model.config" in said
    chosen = ["--map", begun, "--eval", mine / "eval", "--device", "cpu", "-q"]
    said = refused("evaluate", *chosen, "--out", tmp_path / "run")
    assert f"its map was made under another config.json of {model}" in said


# --- the machine ---


@pytest.mark.parametrize("at", ["selectivity", "pixels", "results"])
def test_a_full_disk_leaves_a_run_that_goes_on(
    at: str,
    mine: Path,
    tmp_path: Path,
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    call: Call,
) -> None:
    out, real = tmp_path / "run", Path.replace

    def full(self: Path, target: Path) -> Path:
        if Path(target).name.startswith(at):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        said = refused(*words(mine, out))
    assert f"{at}." in said
    assert "cannot write (No space left on device)" in said
    check_resumable(out)
    finishes(call, words(mine, out), out)
    assert not list(out.rglob("*.part"))


@pytest.fixture
def nothing_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty caches, and no network: whatever is asked for is refused at once."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


NAMES = ("timm/resnet10t.c3_in1k", "hf/nobody/nothing", "torchvision/squeezenet1_1")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("nothing_cached")
def test_no_network(
    name: str, mine: Path, tmp_path: Path, refused: Callable[..., str], monkeypatch: Any
) -> None:
    monkeypatch.setattr(hub, "SECONDS", 1.0)
    start = time.monotonic()
    said = refused(*words(mine, tmp_path / "run", model=name))
    assert time.monotonic() - start < LIMIT_S
    assert f"--model {name}: " in said
    assert "not in the cache" in said
    assert not (tmp_path / "run").exists()
    assert not constants.HF_HUB_OFFLINE


@pytest.mark.usefixtures("nothing_cached")
def test_offline_by_choice(
    mine: Path, tmp_path: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for name in NAMES[:2]:
        said = refused(*words(mine, tmp_path / "run", model=name))
        assert "it is not in the cache, and the hub cannot be reached" in said
    assert constants.HF_HUB_OFFLINE


def test_a_run_folder_that_is_a_file(
    mine: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    (tmp_path / "run").write_text("mine")
    assert "is a file, not a folder" in refused(*words(mine, tmp_path / "run"))
    assert (tmp_path / "run").read_text() == "mine"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (GatedRepoError, "its terms must be accepted on the hub first"),
        (RepositoryNotFoundError, "the hub has no such repository"),
        (RevisionNotFoundError, "the hub has no such revision"),
    ],
)
@pytest.mark.parametrize("name", NAMES[:2])
def test_what_the_hub_refuses(
    kind: type[HfHubHTTPError],
    said: str,
    name: str,
    mine: Path,
    tmp_path: Path,
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        inner = kind("403 of a long address", response=SimpleNamespace(headers={}, request=None))  # type: ignore[arg-type]
        raise OSError("a library's own words\nin two lines") from inner

    monkeypatch.setattr(hub, "_reachable", lambda: True)
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", refuse)
    monkeypatch.setattr("transformers.AutoConfig.from_pretrained", refuse)
    line = refused(*words(mine, tmp_path / "run", model=name))
    assert f"--model {name}: cannot be downloaded ({said}" in line
