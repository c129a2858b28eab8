"""Attention heads as units, against attention that is computed by hand."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM

from common import Survey, ablate, record, sites, top_percent, welch
from common.base.errors import SettingError, SiteError
from common.measure.donors import read_donors
from common.measure.heads import in_heads, n_heads
from common.measure.masks import units_mask
from common.measure.record import Recorder
from common.measure.respond import respond_each
from common.measure.scores import SelectivityMap
from common.measure.sites import Site

N = 6
TOKENS = torch.tensor([[0, 1, 1, 1, 1], [1, 1, 1, 0, 0], *[[1] * 5] * (N - 2)])


def vit() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    model = timm.create_model("test_vit", num_classes=4).eval().requires_grad_(False)
    return model, torch.randn(N, 3, *model.default_cfg["input_size"][1:])


def language(kind: str, **settings: Any) -> nn.Module:
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        kind, vocab_size=30, bos_token_id=0, eos_token_id=1, pad_token_id=None,
        attn_implementation="eager", **settings,
    )  # fmt: skip
    module: nn.Module = AutoModelForCausalLM.from_config(config)
    return module.eval().requires_grad_(False)


LLAMA = {
    "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": 10, "intermediate_size": 32,
}  # fmt: skip
GPT = {"n_embd": 24, "n_layer": 2, "n_head": 3, "n_positions": 16}


def what_heads_give(attention: Any, x: Tensor, weights: Tensor) -> Tensor:
    """Each head's weighted sum of its own (or its group's) values: (n, tokens, heads, depth)."""
    if hasattr(attention, "c_attn"):  # GPT-2: three in one
        values = attention.c_attn(x).chunk(3, dim=-1)[2]
    else:
        values = attention.v_proj(x)
    n, tokens, _ = values.shape
    n_own = values.shape[-1] // attention.head_dim
    values = values.view(n, tokens, n_own, attention.head_dim)
    n_queries = weights.shape[1]
    given = torch.empty(n, tokens, n_queries, attention.head_dim)
    for head in range(n_queries):
        shared = head // (n_queries // n_own)
        given[:, :, head] = torch.bmm(weights[:, head], values[:, :, shared])
    return given


@pytest.mark.parametrize(("kind", "settings"), [("llama", LLAMA), ("gpt2", GPT)])
@pytest.mark.parametrize("pooling", ["mean", "last", "max"])
def test_a_head_answers_with_what_it_adds_up(
    kind: str, settings: dict[str, Any], pooling: Any
) -> None:
    model: Any = language(kind, **settings)
    ids = torch.randint(2, 30, TOKENS.shape, generator=torch.Generator().manual_seed(1))
    found = sites(model, "head")
    layers = [model.get_submodule(site.module.rpartition(".")[0]) for site in found]
    before: list[Tensor] = []
    hooks = [
        layer.register_forward_pre_hook(
            lambda _, args, kwargs: before.append(args[0] if args else kwargs["hidden_states"]),
            with_kwargs=True,
        )
        for layer in layers
    ]
    with record(model, found, pooling=pooling) as recorder:
        recorder.expect([*range(N)], TOKENS)  # a group each, so that moments are responses
        out = model(ids, attention_mask=TOKENS, output_attentions=True)
    for hook in hooks:
        hook.remove()
    for number, (site, layer) in enumerate(zip(found, layers, strict=True)):
        given = what_heads_give(layer, before[number], out.attentions[number])
        assert site.n_units("channel") == settings.get(
            "num_attention_heads", settings.get("n_head")
        )
        for n in range(N):
            own = given[n][TOKENS[n].bool()]
            of_text = {"mean": own.mean(0), "last": own[-1], "max": own.amax(0)}[pooling]
            wanted = of_text.square().mean(-1).sqrt()
            got = recorder.group(n)[site].mean
            np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6)


def test_heads_of_a_vision_transformer() -> None:
    model, pictures = vit()
    (first, *_) = found = sites(model, "head", example=pictures[:1])
    attention: Any = model.get_submodule(first.module.rpartition(".")[0])
    assert [site.n_units("channel") for site in found] == [attention.num_heads] * len(found)
    taken: list[Tensor] = []
    hook = attention.register_forward_pre_hook(lambda _, args: taken.append(args[0]))
    with record(model, found) as recorder:
        recorder.expect([*range(N)])
        model(pictures)
    hook.remove()
    n, tokens, width = taken[0].shape
    queries, keys, values = (
        part.view(n, tokens, attention.num_heads, -1).transpose(1, 2)
        for part in attention.qkv(taken[0]).chunk(3, dim=-1)
    )
    weights = (queries @ keys.transpose(2, 3) / (width // attention.num_heads) ** 0.5).softmax(-1)
    wanted = (weights @ values).mean(2).square().mean(-1).sqrt()
    for row in range(N):
        np.testing.assert_allclose(recorder.group(row)[first].mean, wanted[row], rtol=1e-4)


def pooled_by(recorder: Recorder, found: list[Site]) -> SelectivityMap:
    return welch(
        {site: recorder.group(0)[site] for site in found},
        {site: recorder.group(1)[site] for site in found},
        unit=recorder.unit, pooling=recorder.pooling,
    )  # fmt: skip


def map_of(model: nn.Module, pictures: Tensor, unit: Any = "channel") -> SelectivityMap:
    found = sites(model, "head", example=pictures[:1])
    with record(model, found, unit=unit) as recorder:
        recorder.expect([0, 0, 0, 1, 1, 1])
        model(pictures)
    return pooled_by(recorder, found)


def test_without_a_head_is_without_its_columns_of_the_projection() -> None:
    model, pictures = vit()
    found = map_of(model, pictures)
    site = found.sites[1]
    n = site.n_units("channel")
    mask = units_mask(found, [n, 2 * n - 1])  # the first and the last of the second layer
    with ablate(model, mask):
        ablated = model(pictures)
    projection: Any = model.get_submodule(site.module)
    intact, kept = model(pictures), projection.weight.clone()
    projection.weight[:, : site.width] = 0
    projection.weight[:, -site.width :] = 0
    by_hand = model(pictures)
    projection.weight.copy_(kept)
    torch.testing.assert_close(ablated, by_hand)
    assert (ablated - intact).abs().max() > 1e-3


def test_a_head_at_a_position_is_a_unit_by_neuron() -> None:
    model, pictures = vit()
    found = map_of(model, pictures, "neuron")
    site = found.sites[0]
    tokens, heads = site.shape[0], site.n_units("channel")
    assert site.unit_shape("neuron") == (tokens, heads)
    mask = units_mask(found, [3 * heads + 1])
    seen: list[Tensor] = []
    projection = model.get_submodule(site.module)
    with ablate(model, mask):
        hook = projection.register_forward_hook(lambda _, args, __: seen.append(args[0]))
        model(pictures)
        hook.remove()
    inside = slice(site.width, 2 * site.width)
    assert (seen[0][:, 3, inside] == 0).all()
    seen[0][:, 3, inside] = 1
    assert (seen[0] != 0).all()


def test_responses_are_those_that_the_map_is_made_of(tmp_path: Path) -> None:
    model, pictures = vit()
    found = map_of(model, pictures)
    found.save(tmp_path / "map.safetensors")
    again = SelectivityMap.load(tmp_path / "map.safetensors")
    assert again.sites == found.sites
    assert again.fingerprint == found.fingerprint
    mask = top_percent(again, 40)
    with respond_each(model, mask, again) as passes:
        model(pictures)
    np.testing.assert_allclose(passes[0][:3].mean(0), again.mean_target[mask.units], rtol=1e-5)


def test_a_resampled_head_takes_its_whole_slice_from_the_donor() -> None:
    model, pictures = vit()
    found = map_of(model, pictures)
    site = found.sites[0]
    shown = [(f"d{n}", partial(model, pictures[n : n + 1])) for n in range(2)]
    donors = read_donors(model, found.sites, shown, texts=False)
    mask = units_mask(found, [1])
    seen: list[Tensor] = []
    hook = model.get_submodule(site.module).register_forward_hook(
        lambda _, args, __: seen.append(args[0])
    )
    model(pictures)
    hook.remove()
    given = donors.to(["a", "b", "c", "d", "e", "f"])
    with ablate(model, mask, "resample", donated=given):
        hook = model.get_submodule(site.module).register_forward_hook(
            lambda _, args, __: seen.append(args[0])
        )
        model(pictures)
        hook.remove()
    intact, resampled = seen
    inside = slice(site.width, 2 * site.width)
    torch.testing.assert_close(resampled[..., inside], intact[given.rows][..., inside])
    resampled[..., inside] = intact[..., inside]
    assert torch.equal(resampled, intact)


# --- what is refused ---


def test_what_a_slice_cannot_be_asked_is_refused() -> None:
    model, pictures = vit()
    found = map_of(model, pictures)
    means = found.by_site("output_control")
    with (
        pytest.raises(SettingError, match=r"a slice of \d+ channels"),
        ablate(model, top_percent(found, 10), "mean", means),
    ):
        pass
    with (
        pytest.raises(SettingError, match="its answer has no sign"),
        record(model, found.sites, statistic="signed"),
    ):
        pass


class Silent(nn.Module):
    """Attention that says nothing of its heads, twice in a row."""

    class Block(nn.Module):
        def __init__(self, **said: int) -> None:
            super().__init__()
            self.self_attn = nn.Sequential(nn.Linear(12, 12), nn.Linear(12, 12))
            self.fc1, self.fc2 = nn.Linear(12, 24), nn.Linear(24, 12)
            for name, number in said.items():
                setattr(self.self_attn, name, number)

        def forward(self, x: Tensor) -> Tensor:
            x = x + self.self_attn(x)
            return x + self.fc2(self.fc1(x).relu())

    def __init__(self, **said: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(self.Block(**said), self.Block(**said))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({}, r"\(blocks\.0\.self_attn:heads: says nowhere how many heads it has \(num_heads, "),
        ({"num_heads": 5}, "says that it has 5 heads, and gives 12 channels"),
        ({"num_heads": 4, "head_dim": 6}, "says that it has 4 heads of 6 channels, and gives 12"),
    ],
)
def test_attention_that_does_not_say_how_many_heads_it_has(
    said: dict[str, int], message: str
) -> None:
    survey = Survey(Silent(**said), torch.randn(1, 5, 12))
    with pytest.raises(SiteError, match=message):
        survey.of_kind("head")
    assert survey.offered("head") == []
    assert [
        site.width for site in Survey(Silent(num_heads=4), torch.randn(1, 5, 12)).offered("head")
    ] == [3, 3]


def test_a_convolution_has_no_heads() -> None:
    assert in_heads(None, []) == "no linear layer of its own projects what its heads give"
    assert n_heads([nn.Linear(3, 3)]) is None
    with pytest.raises(SiteError, match="no site of kind head; write"):
        sites(timm.create_model("test_resnet"), "head")
