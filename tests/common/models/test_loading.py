"""Loading by name, with loaders of our own: what holds for the models of any zoo."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn
from urllib.error import URLError

import pytest
import torch
from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from safetensors import SafetensorError
from torch import nn

from common.base import hub
from common.base.errors import ModelError
from common.models.load import LoadedModel, check_whole, load, local_config, on_the_hub


@dataclass(frozen=True)
class Toy(LoadedModel):
    """A model of this test's own zoo."""

    rest: str


def make(name: str, rest: str, untrained: bool) -> Toy:
    print("as zoos do, it tells of a download")
    module = nn.Sequential(nn.Linear(2, 3), nn.Dropout())
    if not untrained:
        nn.init.ones_(module[0].weight)
    return Toy(name, module, rest)


def load_toy(name: str = "toy/one/two", loader: Callable[..., Toy] = make, **how: Any) -> Toy:
    return load(name, {"toy": loader}, forms="toy/NAME", **how)


def test_the_rest_of_the_name_goes_to_the_loader(capsys: pytest.CaptureFixture[str]) -> None:
    model = load_toy()
    assert (model.name, model.rest, model.untrained, model.seed) == (
        "toy/one/two", "one/two", False, None
    )  # fmt: skip
    assert not model.module.training
    assert not any(p.requires_grad for p in model.module.parameters())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["toy", "toy/", "/one", "other/one", ""])
def test_a_name_that_is_none(name: str) -> None:
    with pytest.raises(ModelError, match=f"^`model` {name}: write toy/NAME$"):
        load_toy(name)


def test_random_weights_follow_their_seed_and_leave_the_global_one() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    one, two, other = (load_toy(untrained=True, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    prints = [model.describe()["fingerprint"] for model in (one, two, other)]
    assert prints[0] == prints[1] != prints[2]
    assert (one.untrained, one.seed, one.rest) == (True, 1, "one/two")


def test_device_and_type_are_left_to_the_loader_where_none_is_given() -> None:
    assert load_toy(dtype=torch.bfloat16).dtype == torch.bfloat16
    assert load_toy().dtype == torch.float32
    assert load_toy(device=None, dtype=torch.bfloat16).dtype == torch.float32


def of_the_hub(kind: Any) -> Exception:
    if kind in (LocalEntryNotFoundError, OfflineModeIsEnabled):
        return kind("long words")  # type: ignore[no-any-return]
    return kind("403 of an address", response=SimpleNamespace(headers={}, request=None))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (of_the_hub(GatedRepoError), "cannot be downloaded (its terms must be accepted on the hub"),
        (of_the_hub(RepositoryNotFoundError), "cannot be downloaded (the hub has no such repos"),
        (of_the_hub(RevisionNotFoundError), "cannot be downloaded (the hub has no such revision"),
        (of_the_hub(LocalEntryNotFoundError), "(it is not in the cache, and the hub cannot be re"),
        (of_the_hub(OfflineModeIsEnabled), "(it is not in the cache, and the hub cannot be reach"),
        (URLError("no route"), "it is not in the cache, and cannot be downloaded (<urlopen error"),
        (ConnectionResetError("gone"), "it is not in the cache, and cannot be downloaded (gone)"),
        (pickle.UnpicklingError("no"), "could run code; save them as safetensors"),
        (SafetensorError("header"), "cannot be read (header)"),
        (OSError("a disk's\nown words"), "cannot be read (a disk's own words)"),
        (KeyError("odd"), "cannot be built ('odd')"),
        (ValueError(), "cannot be built (ValueError)"),
        (RuntimeError("word " * 99), "cannot be built (word word"),
        (ModelError("`model` toy/x: ours"), "`model` toy/x: ours"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
@pytest.mark.parametrize("wrapped", [True, False])
def test_what_goes_wrong_is_one_line(error: Exception, said: str, wrapped: bool) -> None:
    told_by_its_cause = "downloaded (its" in said or "downloaded (the" in said or "the hub" in said

    def fail(*_: object) -> NoReturn:
        if wrapped and told_by_its_cause:
            raise OSError("a library's own words\nin two lines") from error
        raise error

    with pytest.raises(ModelError) as caught:
        load_toy("toy/x", fail)
    line = str(caught.value)
    assert said in line
    assert line.startswith("`model` toy/x: ")
    assert "\n" not in line
    assert len(line) < 300


def test_a_repository_and_its_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_reachable", lambda: True)
    with on_the_hub("org/name@v2") as found:
        assert found == ("org/name", {"revision": "v2"})
    with on_the_hub("org/name") as found:
        assert found == ("org/name", {"revision": "main"})


def test_the_cache_alone_is_read_where_the_hub_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hub, "_reachable", lambda: False)

    def fail() -> NoReturn:
        with on_the_hub("org/name"):
            assert constants.HF_HUB_OFFLINE
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not constants.HF_HUB_OFFLINE


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"missing_keys": {"b", "a", "c"}}, "lacks a and 2 others; "),
        ({"missing_keys": ["a"]}, "lacks a; it is of another architecture, or not a cook's"),
        ({"mismatched_keys": [("a", (1,), (2,))]}, "has another shape of a; "),
    ],
)
def test_weights_that_would_be_random(found: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        check_whole("toy/x", found, "cook")
    more = {"unexpected_keys": ["h.3.ln.weight", "h.3.fc.weight", "pooler.weight"]}
    with pytest.raises(ModelError, match=r"has, beyond the configuration, h\.3\.fc\.weight; "):
        check_whole("toy/x", more, "cook", ["h.0.fc.weight", "h.2.fc.weight"])
    check_whole("toy/x", {"missing_keys": ["bn.num_batches_tracked"], "unexpected": ["a"]}, "cook")


def test_a_folder_and_its_configuration(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds no config\.json"):
        local_config("local/x", str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "x"}')
    assert local_config("local/x", str(tmp_path)) == (tmp_path, {"model_type": "x"})
    (tmp_path / "config.json").write_text("[]")
    assert local_config("local/x", str(tmp_path))[1] == {}
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelError, match=r"config\.json is no JSON") as caught:
        local_config("local/x", str(tmp_path))
    assert "\n" not in str(caught.value)
