"""Loading, tokens, batches; and that reading a model leaves it as it was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
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
from common.base.errors import DataError, ModelError, SettingError
from common.measure.ablate import ablate
from common.measure.masks import top_percent
from common.measure.record import record
from common.measure.sites import KINDS
from llm_loc.generate import Sampling, continuations
from llm_loc.load import load_model
from llm_loc.localize import find_sites, localize, survey_of
from llm_loc.models import LanguageModel
from tests.llm_loc.conftest import CONTEXT, SENTENCES, ModelMaker
from tests.llm_loc.test_localize import STIMULI

CAUSAL = ("llama", "gpt2")


def hooks_of(module: torch.nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in module.modules())


@pytest.mark.parametrize("kind", CAUSAL)
def test_every_kind_of_site_is_found_under_the_whole_models_paths(
    kind: str, make_model: ModelMaker
) -> None:
    model = make_model(kind)
    paths = dict(model.module.named_modules())
    n_blocks = {"llama": 3, "gpt2": 2}[kind]
    survey = survey_of(model)
    for each in KINDS:
        sites = survey.of_kind(each)
        assert all(site.module in paths and site.module.startswith(model.through) for site in sites)
        if each != "op":
            assert len(sites) == n_blocks
        assert all(site.axis == 2 for site in sites)
    assert "lm_head" in survey.left_out


@pytest.mark.parametrize("kind", CAUSAL)
def test_recording_leaves_logits_bit_identical_and_no_hook(
    kind: str, make_model: ModelMaker
) -> None:
    model = make_model(kind)
    batch = model.batch(model.tokens(SENTENCES))
    sites = [site for each in KINDS for site in find_sites(model, each)]
    sites = list(dict.fromkeys(sites))
    before = model.logits(batch)
    with record(model.module, sites, pooling="last") as recorder:
        recorder.expect([0] * len(SENTENCES), batch["attention_mask"])
        during = model.logits(batch)
    assert torch.equal(before, during)
    assert hooks_of(model.module) == 0


def test_a_pass_of_the_base_is_a_batch_and_computes_no_vocabulary(make_model: ModelMaker) -> None:
    model = make_model()
    asked: list[int] = []
    handle = model.module.lm_head.register_forward_hook(lambda *_: asked.append(1))  # type: ignore[union-attr]
    batch = model.batch(model.tokens(SENTENCES))
    sites = find_sites(model)
    with record(model.module, sites, pooling="last", through=model.through) as recorder:
        recorder.expect([0] * len(SENTENCES), batch["attention_mask"])
        model.base(**batch, **model.quiet)
    handle.remove()
    assert not asked
    assert recorder.moments[sites[0]].count == len(SENTENCES)


def test_a_model_without_a_pad_token_keeps_having_none(make_model: ModelMaker) -> None:
    model = make_model("gpt2", pad=False)
    batch = model.batch(model.tokens(SENTENCES), "left")
    assert model.tokenizer.pad_token is None
    assert batch["attention_mask"].sum() < batch["attention_mask"].numel()


@pytest.mark.parametrize("kind", CAUSAL)
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side_changes_no_logit_of_a_real_token(
    kind: str, side: str, make_model: ModelMaker
) -> None:
    model = make_model(kind)
    ids = model.tokens(SENTENCES)
    batch = model.batch(ids, side)  # type: ignore[arg-type]
    together = model.logits(batch)
    for row, text in enumerate(ids):
        alone = model.logits(model.batch([text]))[0]
        torch.testing.assert_close(
            together[row][batch["attention_mask"][row].bool()], alone, atol=1e-5, rtol=1e-5
        )


def test_random_weights_follow_their_seed(folder_of: Callable[..., Path]) -> None:
    name = f"local/{folder_of()}"
    prints = [
        load_model(name, untrained=True, seed=seed).describe()["fingerprint"] for seed in (0, 0, 1)
    ]
    assert prints[0] == prints[1] != prints[2]
    assert load_model(name).describe()["fingerprint"] not in prints


def test_the_tokenizer_is_part_of_what_a_model_is(folder_of: Callable[..., Path]) -> None:
    one, two = (load_model(f"local/{folder_of('gpt2', bos=bos)}") for bos in (True, False))
    assert one.describe()["fingerprint"] == two.describe()["fingerprint"]
    assert one.describe()["preprocessing"] != two.describe()["preprocessing"]


def test_a_tokenizer_that_just_cut_a_text_is_the_same_one(folder_of: Callable[..., Path]) -> None:
    model = load_model(f"local/{folder_of()}")
    before = model.describe()
    model.tokens(SENTENCES, longest=3)
    assert model.describe() == before


def test_an_encoder_is_localized_and_not_evaluated(make_model: ModelMaker) -> None:
    model = make_model("bert")
    assert len(find_sites(model)) == 3
    with pytest.raises(ModelError, match="is an encoder"):
        model.logits(model.batch(model.tokens(["birds sing"])))


def test_texts_that_do_not_fit_are_named(make_model: ModelMaker) -> None:
    with pytest.raises(DataError, match=f"reads {CONTEXT} at most"):
        make_model().tokens(["birds sing " * CONTEXT])
    with pytest.raises(DataError, match="no token"):
        make_model("llama", bos=False).tokens([""])


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


def test_half_floats_leave_rotary_positions_as_they_are(folder_of: Callable[..., Path]) -> None:
    model = load_model(f"local/{folder_of()}", dtype=torch.bfloat16)
    assert model.dtype == torch.bfloat16
    assert model.base.rotary_emb.inv_freq.dtype == torch.float32  # type: ignore[union-attr]
    random = load_model(f"local/{folder_of()}", dtype=torch.bfloat16, untrained=True)
    assert random.dtype == torch.bfloat16


# --- spread over devices ---

HERE_AND_THERE = {
    "llama": {
        "model.embed_tokens": "cpu", "model.layers.0": "disk", "model.layers.1": "disk",
        "model.layers.2": "cpu", "model.norm": "disk", "model.rotary_emb": "cpu",
        "lm_head": "cpu",
    },
    "gpt2": {
        "transformer.wte": "cpu", "transformer.wpe": "disk", "transformer.drop": "cpu",
        "transformer.h": "disk", "transformer.ln_f": "disk", "lm_head": "cpu",
    },
}  # fmt: skip


@pytest.fixture(params=["auto", {"": "cpu"}, "disk"], ids=["auto", "cpu", "disk"])
def spread(request: pytest.FixtureRequest) -> Callable[[str], Any]:
    """The device map of a kind of model: on its own, all of it here, or most of it on disk."""
    pytest.importorskip("accelerate")
    return lambda kind: HERE_AND_THERE[kind] if request.param == "disk" else request.param


@pytest.mark.parametrize("kind", CAUSAL)
def test_a_model_that_is_spread_over_devices_is_the_same_model(
    kind: str, spread: Callable[[str], Any], folder_of: Callable[..., Path], make_model: ModelMaker
) -> None:
    one, two = make_model(kind), load_model(f"local/{folder_of(kind)}", device_map=spread(kind))
    assert any(p.is_meta for p in two.module.parameters()) == (spread(kind) == HERE_AND_THERE[kind])
    assert two.device == torch.device("cpu")
    assert two.describe() == {**one.describe(), "name": two.name}
    batches = [model.batch(model.tokens(SENTENCES), "left") for model in (one, two)]
    assert torch.equal(one.logits(batches[0]), two.logits(batches[1]))
    assert survey_of(two).of_kind("op") == survey_of(one).of_kind("op")
    maps = [localize(model, STIMULI, find_sites(model)) for model in (one, two)]
    np.testing.assert_array_equal(maps[0].t, maps[1].t)
    mask = top_percent(maps[0], 20)
    ablated = []
    for model, batch in zip((one, two), batches, strict=True):
        with ablate(model.module, mask):
            ablated.append(model.logits(batch))
    assert torch.equal(*ablated)
    assert not torch.equal(ablated[0], one.logits(batches[0]))
    sampling = Sampling(temperature=1, max_new_tokens=6)
    texts = [continuations(model, "the old farmer", sampling, mask) for model in (one, two)]
    assert texts[0] == texts[1]
    assert hooks_of(two.module) == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"device_map": "everywhere"}, "`device_map` everywhere: choose one of auto, balanced"),
        ({"device_map": "auto", "untrained": True}, "not with `untrained`"),
    ],
)
def test_device_maps_that_make_no_sense(
    changed: dict[str, Any], message: str, folder_of: Callable[..., Path]
) -> None:
    with pytest.raises(SettingError, match=message):
        load_model(f"local/{folder_of()}", **changed)


def test_without_accelerate_a_device_map_says_what_to_install(
    folder_of: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm_loc.load.find_spec", lambda _: None)
    with pytest.raises(SettingError, match=r"needs accelerate; pip install 'funcloc\[big\]'"):
        load_model(f"local/{folder_of()}", device_map="auto")


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


# --- what one release of transformers calls a cache and the next calls otherwise ---


class Renamed(dict[str, Any]):
    """An output that is asked by its own name alone: a release warns of an old one."""

    def get(self, name: str, default: Any = None) -> Any:
        assert name in self, name
        return super().get(name, default)


class Counts(torch.nn.Module):
    """Its cache is how many tokens it read; its logits say how many it was fed and had read."""

    def answer(self, fed: torch.Tensor, read: int | None, name: str) -> Renamed:
        logits = torch.tensor([[[float(fed.shape[1]), float(read or 0)]]])
        answer = Renamed({name: (read or 0) + fed.shape[1], "logits": logits})
        answer.logits = logits  # type: ignore[attr-defined]
        return answer


class New(Counts):
    def forward(self, input_ids: torch.Tensor, cache: int | None = None, **_: Any) -> Any:
        return self.answer(input_ids, cache, "cache")


class Old(Counts):
    def forward(self, input_ids: torch.Tensor, past_key_values: int | None = None, **_: Any) -> Any:
        return self.answer(input_ids, past_key_values, "past_key_values")


class OldMamba(Counts):
    def forward(
        self,
        input_ids: torch.Tensor,
        cache_params: int | None = None,
        cache_position: torch.Tensor | None = None,
        **_: Any,
    ) -> Any:
        if cache_params is not None:
            assert cache_position is not None
            assert cache_position.tolist() == [cache_params]
        return self.answer(input_ids, cache_params, "cache_params")


class Rwkv(Counts):
    def forward(self, input_ids: torch.Tensor, state: int | None = None, **_: Any) -> Any:
        return self.answer(input_ids, state, "state")


@pytest.mark.parametrize("network", [New, Old, OldMamba, Rwkv])
def test_a_cache_goes_by_the_name_that_the_forward_takes(network: type[Counts]) -> None:
    model = LanguageModel("toy", network(), tokenizer=None)
    rows, cache = torch.tensor([[3, 4, 5]]), {}
    seen = []
    for token in (6, 7):
        logits, cache = model.next_token(rows, cache)
        seen.append(logits[0].tolist())
        rows = torch.cat([rows, torch.tensor([[token]])], dim=1)
    assert seen == [[3, 0], [1, 3]]
    assert set(cache.values()) == {4}
