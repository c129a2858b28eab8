"""The tour: language models with random weights, and the places that each of them has.

The table below was written from the architectures' sources. Every stop is read, ablated and made to
write; what holds for one holds for all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from common.base.errors import SiteError
from common.measure.ablate import ablate
from common.measure.masks import top_percent
from common.measure.record import record
from common.measure.respond import respond
from common.measure.sites import KINDS, Kind, Site
from common.measure.survey import Survey
from llm_loc.generate import Sampling, continuations
from llm_loc.localize import localize, survey_of
from llm_loc.models import LanguageModel
from llm_loc.stimuli import Localizer
from tests.llm_loc.conftest import CONTEXT, SENTENCES, VOCABULARY, make_tokenizer
from tests.llm_loc.test_localize import STIMULI

WIDTH, HIDDEN, BLOCKS, WINDOW = 16, 24, 2, 6
NEW_TOKENS = 10
PROMPT = SENTENCES[-1]  # longer than the window of those that have one
USUAL = {
    "hidden_size": WIDTH,
    "intermediate_size": HIDDEN,
    "num_hidden_layers": BLOCKS,
    "num_attention_heads": 4,
    "max_position_embeddings": CONTEXT,
}
GPT = {"n_positions": CONTEXT, "n_embd": WIDTH, "n_layer": BLOCKS, "n_head": 4}
GEMMA = {"num_key_value_heads": 2, "head_dim": 8, "query_pre_attn_scalar": 8}
EXPERTS = {"num_key_value_heads": 2, "num_experts_per_tok": 2}
LLAMA = ("model.layers.{}", ".self_attn", ".mlp", ".mlp.down_proj")


@dataclass(frozen=True)
class Stop:
    """One architecture: its settings, and where its blocks and what is in them lie.

    `places` are the paths of a block, with {} for its number, and below it of its attention, its
    MLP, and the layer whose input is the MLP's hidden one; `None` where there is no such place.
    """

    kind: str
    settings: dict[str, Any]
    places: tuple[str, str | None, str | None, str | None]
    hidden: int = HIDDEN
    causal: bool = True
    bos: bool = True
    pad: bool = True
    refused: tuple[str, ...] = field(default=())


TOUR = {
    # Learned positions, no token at the beginning, none to fill up with.
    "GPT-2": Stop(
        "gpt2", GPT, ("transformer.h.{}", ".attn", ".mlp", ".mlp.c_proj"), 4 * WIDTH,
        bos=False, pad=False,
    ),
    # Attention over all tokens and over a window take turns.
    "GPT-Neo": Stop(
        "gpt_neo",
        {
            "hidden_size": WIDTH, "num_layers": BLOCKS, "num_heads": 4, "window_size": WINDOW,
            "attention_types": [[["global", "local"], 1]], "max_position_embeddings": CONTEXT,
        },
        ("transformer.h.{}", ".attn", ".mlp", ".mlp.c_proj"), 4 * WIDTH,
    ),
    # Attention and MLP side by side.
    "Pythia": Stop(
        "gpt_neox", USUAL, ("gpt_neox.layers.{}", ".attention", ".mlp", ".mlp.dense_4h_to_h")
    ),
    "GPT-J": Stop(
        "gptj", {**GPT, "rotary_dim": 4}, ("transformer.h.{}", ".attn", ".mlp", ".mlp.fc_out"),
        4 * WIDTH,
    ),
    # Tied embeddings, and two queries a key.
    "Llama": Stop("llama", {**USUAL, "num_key_value_heads": 2, "tie_word_embeddings": True}, LLAMA),
    "Mistral": Stop(
        "mistral", {**USUAL, "num_key_value_heads": 2, "sliding_window": WINDOW}, LLAMA, pad=False
    ),
    "Qwen2": Stop("qwen2", {**USUAL, "num_key_value_heads": 1}, LLAMA),
    # Queries and keys are normalized head by head.
    "Qwen3": Stop(
        "qwen3", {**USUAL, "num_key_value_heads": 2, "head_dim": 8}, LLAMA,
        refused=("model.layers.0.self_attn.q_norm", "model.layers.1.self_attn.k_norm"),
    ),
    # Capped logits; a window in every other block; a norm after attention and after the MLP.
    "Gemma 2": Stop("gemma2", {**USUAL, **GEMMA, "sliding_window": WINDOW}, LLAMA),
    "Gemma 3": Stop(
        "gemma3_text",
        {**USUAL, **GEMMA, "sliding_window": WINDOW,
         "layer_types": ["sliding_attention", "full_attention"]},
        LLAMA,
    ),
    # Two residual sums go through one dropout.
    "Phi": Stop(
        "phi", USUAL, ("model.layers.{}", ".self_attn", ".mlp", ".mlp.fc2"),
        refused=("model.layers.0.resid_dropout",),
    ),
    # Gate and MLP in one matrix.
    "Phi-3": Stop("phi3", {**USUAL, "num_key_value_heads": 2}, LLAMA),
    # One key for all queries.
    "Falcon": Stop(
        "falcon",
        {"hidden_size": WIDTH, "ffn_hidden_size": HIDDEN, "num_hidden_layers": BLOCKS,
         "num_attention_heads": 4},
        ("transformer.h.{}", ".self_attention", ".mlp", ".mlp.dense_4h_to_h"),
    ),
    "OLMo": Stop("olmo", USUAL, LLAMA),
    "OLMo 2": Stop("olmo2", USUAL, LLAMA),
    # Its MLP sees the tokens of all texts in one long row.
    "OPT": Stop(
        "opt",
        {"hidden_size": WIDTH, "ffn_dim": HIDDEN, "num_hidden_layers": BLOCKS,
         "num_attention_heads": 4, "max_position_embeddings": CONTEXT,
         "word_embed_proj_dim": WIDTH},
        ("model.decoder.layers.{}", ".self_attn", ".fc2", ".fc2"),
    ),
    # No positions at all: attention falls off with distance. The MLP adds the residual itself.
    "Bloom": Stop(
        "bloom", {"hidden_size": WIDTH, "n_layer": BLOCKS, "n_head": 4},
        ("transformer.h.{}", ".self_attention", ".mlp.dense_4h_to_h", ".mlp.dense_4h_to_h"),
        4 * WIDTH,
    ),
    "MPT": Stop(
        "mpt", {"d_model": WIDTH, "n_layers": BLOCKS, "n_heads": 4, "max_seq_len": CONTEXT},
        ("transformer.blocks.{}", ".attn", ".ffn.down_proj", ".ffn.down_proj"), 4 * WIDTH,
    ),
    # Experts in one tensor, through which tokens go in the order of their experts.
    "Mixtral": Stop(
        "mixtral", {**USUAL, **EXPERTS, "num_local_experts": 4},
        ("model.layers.{}", ".self_attn", ".mlp", None),
        refused=("model.layers.0.mlp.experts.act_fn",),
    ),
    # Beside its experts one that sees every token.
    "Qwen2-MoE": Stop(
        "qwen2_moe",
        {**USUAL, **EXPERTS, "num_experts": 4, "moe_intermediate_size": 12,
         "shared_expert_intermediate_size": HIDDEN},
        ("model.layers.{}", ".self_attn", ".mlp", ".mlp.shared_expert.down_proj"),
        refused=("model.layers.0.mlp.experts.act_fn",),
    ),
    # No attention: a gated recurrence, which widens and narrows as an MLP does.
    "Mamba": Stop(
        "mamba", {"hidden_size": WIDTH, "num_hidden_layers": BLOCKS, "state_size": 4},
        ("backbone.layers.{}", None, ".mixer.out_proj", ".mixer.out_proj"), 2 * WIDTH,
    ),
    "BERT": Stop(
        "bert", USUAL, ("encoder.layer.{}", ".attention", ".output.dense", ".output.dense"),
        causal=False,
    ),
    # Counts positions from the token of padding on, and by itself.
    "RoBERTa": Stop(
        "roberta", {**USUAL, "max_position_embeddings": CONTEXT + 3, "pad_token_id": 2},
        ("encoder.layer.{}", ".attention", ".output.dense", ".output.dense"),
        causal=False,
    ),
}  # fmt: skip

HEADS = {
    **dict.fromkeys(
        ("Llama", "Mistral", "Qwen2", "Qwen3", "Gemma 2", "Gemma 3", "Phi-3", "OLMo", "OLMo 2",
         "Mixtral", "Qwen2-MoE"),
        ".self_attn.o_proj",
    ),
    "GPT-2": ".attn.c_proj", "GPT-Neo": ".attn.attention.out_proj", "GPT-J": ".attn.out_proj",
    "Pythia": ".attention.dense", "Phi": ".self_attn.dense", "Falcon": ".self_attention.dense",
    "OPT": ".self_attn.out_proj", "Bloom": ".self_attention.dense", "MPT": ".attn.out_proj",
    "BERT": ".attention.output.dense", "RoBERTa": ".attention.output.dense",
}  # fmt: skip
"""Below a block, the layer that projects what its four heads give; Mamba has none."""

CAUSAL = [name for name, stop in TOUR.items() if stop.causal]


MODELS: dict[str, LanguageModel] = {}


def model_of(name: str) -> LanguageModel:
    """The model of a stop, made once."""
    if name not in MODELS:
        MODELS[name] = make_model_of(name)
    return MODELS[name]


def make_model_of(name: str) -> LanguageModel:
    """The model of a stop; loud weights, so that masks matter."""
    stop = TOUR[name]
    ends = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": None}
    config = AutoConfig.for_model(stop.kind, vocab_size=VOCABULARY, **{**ends, **stop.settings})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        module: Any = (AutoModelForCausalLM if stop.causal else AutoModel).from_config(config)
        for path, parameter in module.named_parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.5 if "embed" in path else 0.25)
    tokenizer = make_tokenizer(bos=stop.bos, pad=stop.pad)
    return LanguageModel(name, module.eval().requires_grad_(False), tokenizer, stop.causal)


@cache
def survey(name: str) -> Survey:
    return survey_of(model_of(name))


@cache
def all_sites(name: str) -> tuple[Site, ...]:
    """Sites of every kind, each place once."""
    places = {(s.module, s.end): s for kind in KINDS for s in survey(name).offered(kind)}
    return tuple(places.values())


def whole(model: LanguageModel, batch: dict[str, Tensor]) -> Tensor:
    """What comes out at the end: logits, or an encoder's last states."""
    with torch.inference_mode():
        return model.logits(batch) if model.causal else model.module(**batch).last_hidden_state


def hooks_of(model: LanguageModel) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.module.modules())


@pytest.fixture(autouse=True)
def no_hook_is_left() -> Iterator[None]:
    """Whatever a test does, every model that it met is left bare."""
    yield
    assert not any(hooks_of(model) for model in MODELS.values())


@pytest.mark.parametrize("name", TOUR)
def test_the_tour_finds_what_the_source_says(name: str) -> None:
    stop = TOUR[name]
    block, *inner = stop.places
    wanted: dict[Kind, tuple[str | None, str, int]] = {
        "block": ("", "output", WIDTH),
        "attn": (inner[0], "output", WIDTH),
        "mlp": (inner[1], "output", WIDTH),
        "mlp_hidden": (inner[2], "input", stop.hidden),
    }
    projection = HEADS.get(name)
    paths = [] if projection is None else [block.format(i) + projection for i in range(BLOCKS)]
    found = survey(name).offered("head")
    assert [(s.module, s.end, s.n_units("channel")) for s in found] == [
        (path, "input", 4) for path in paths
    ]
    for kind, (below, end, channels) in wanted.items():
        paths = [] if below is None else [block.format(i) + below for i in range(BLOCKS)]
        found = survey(name).offered(kind)
        assert [(s.module, s.end, s.channels) for s in found] == [(p, end, channels) for p in paths]
    assert model_of(name).module.config.num_hidden_layers == len(survey(name).of_kind("block"))
    assert len(survey(name).offered("op")) > 3 * BLOCKS
    assert all(path in survey(name).left_out for path in stop.refused)
    assert not {site.module for site in all_sites(name)} & {*stop.refused}


@pytest.mark.parametrize("name", TOUR)
def test_every_site_fires_and_the_logits_stay_bit_identical(name: str) -> None:
    model = model_of(name)
    batch = model.batch(model.tokens(SENTENCES))
    before = whole(model, batch)
    with record(model.module, all_sites(name), pooling="last") as recorder:
        recorder.expect([0] * len(SENTENCES), batch["attention_mask"])
        during = whole(model, batch)
    assert torch.equal(before, during)
    moments = recorder.moments
    for site in all_sites(name):
        assert moments[site].count == len(SENTENCES)
        assert moments[site].mean.shape == (site.n_units("channel"),)
        # A text has no second part here, so what stands for the first is always the same.
        assert moments[site].variance.any() or "token_type" in site.module


FEWER = Localizer(STIMULI.name, STIMULI.target[::2], STIMULI.control[::2])


@pytest.mark.parametrize("name", TOUR)
@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_t_does_not_depend_on_batches_or_padding(pooling: Any, name: str) -> None:
    model = model_of(name)
    # What never changes is told apart by the rounding of its mean over more or fewer tokens.
    sites = [site for site in all_sites(name) if "token_type" not in site.module]
    one, *others = (
        localize(model, FEWER, sites, pooling=pooling, batch_size=size, padding=side)  # type: ignore[arg-type]
        for size, side in ((1, "right"), (16, "right"), (16, "left"))
    )
    assert np.abs(one.t).max() > 1
    for other in others:
        np.testing.assert_allclose(other.t, one.t, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", CAUSAL)
@pytest.mark.parametrize("side", ["right", "left"])
def test_filling_up_changes_no_logit_of_a_real_token(side: Any, name: str) -> None:
    model = model_of(name)
    ids = model.tokens(SENTENCES)
    batch = model.batch(ids, side)
    together = whole(model, batch)
    for row, text in enumerate(ids):
        real = together[row][batch["attention_mask"][row].bool()]
        torch.testing.assert_close(real, whole(model, model.batch([text]))[0], atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("name", CAUSAL)
def test_localizing_never_computes_the_vocabulary(name: str) -> None:
    model = model_of(name)
    asked: list[int] = []
    head: Any = model.module.get_output_embeddings()  # type: ignore[operator]
    handle = head.register_forward_hook(lambda *_: asked.append(1))
    try:
        localize(model, STIMULI, survey(name).of_kind("block"))
        assert not asked
        whole(model, model.batch([[3, 4, 5]]))
        assert asked
    finally:
        handle.remove()


@pytest.mark.parametrize("name", TOUR)
def test_ablation_changes_what_comes_out(name: str) -> None:
    model = model_of(name)
    batch = model.batch(model.tokens(SENTENCES))
    intact = whole(model, batch)
    for kind in KINDS:
        if not (sites := survey(name).offered(kind)):
            continue
        mask = top_percent(localize(model, STIMULI, sites), 20)
        with ablate(model.module, mask):
            assert (whole(model, batch) - intact).abs().max() > 1e-3, kind
    assert torch.equal(whole(model, batch), intact)


def plainly(model: LanguageModel, ids: Sequence[int]) -> str:
    """What the likeliest token, one after another, makes of a prompt, each time read from anew."""
    grown = [*ids]
    while len(grown) < len(ids) + NEW_TOKENS and grown[-1] != model.tokenizer.eos_token_id:
        grown.append(
            int(model.module(torch.tensor([grown]), use_cache=False).logits[0, -1].argmax())
        )
    return str(model.tokenizer.decode(grown[len(ids) :], skip_special_tokens=True))


@pytest.mark.parametrize("name", CAUSAL)
def test_what_is_written_under_ablation_is_that_of_the_plain_loop(name: str) -> None:
    model = model_of(name)
    mask = top_percent(localize(model, STIMULI, all_sites(name)), 10)
    (ids,) = model.tokens([PROMPT])
    assert len(ids) > WINDOW
    with torch.inference_mode(), ablate(model.module, mask):
        wanted = plainly(model, ids)
    sampling = Sampling(max_new_tokens=NEW_TOKENS)
    for use_cache in (True, False):
        assert continuations(model, PROMPT, sampling, mask, use_cache=use_cache) == [wanted]
    assert continuations(model, PROMPT, sampling) != [wanted]


@pytest.mark.parametrize("name", CAUSAL)
def test_the_cache_is_really_used(name: str) -> None:
    model = model_of(name)
    read: list[int] = []

    def note(_module: object, _args: object, given: dict[str, Any]) -> None:
        read.append(given["input_ids"].shape[1])

    handle = model.module.register_forward_pre_hook(note, with_kwargs=True)
    try:
        continuations(model, "the old", Sampling(max_new_tokens=3))
    finally:
        handle.remove()
    assert read[1:] == [1, 1]


@pytest.mark.parametrize("name", ["Llama", "RoBERTa"])
def test_a_text_as_long_as_the_context_is_read(name: str) -> None:
    model = model_of(name)
    assert model.context == CONTEXT
    assert whole(model, model.batch([[5] * CONTEXT])).shape[1] == CONTEXT


class Expert(nn.Module):
    """An MLP that sees the tokens that are sent to it."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(WIDTH, HIDDEN), nn.Linear(HIDDEN, WIDTH)

    def forward(self, rows: Tensor) -> Tensor:
        """Rows of shape (n_tokens, WIDTH)."""
        return self.down(self.up(rows).relu())  # type: ignore[no-any-return]


class Mixture(nn.Module):
    """Sends even tokens to one expert and odd ones to the other, one expert after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList([Expert(), Expert()])

    def forward(self, states: Tensor, ids: Tensor) -> Tensor:
        """States of shape (n_texts, n_tokens, WIDTH)."""
        rows, out = states.flatten(0, 1), torch.zeros_like(states).flatten(0, 1)
        for number, expert in enumerate(self.experts):
            sent = ids.flatten() % 2 == number
            if sent.any():
                out[sent] = expert(rows[sent])
        return out.view_as(states)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.mlp = nn.LayerNorm(WIDTH), Mixture()

    def forward(self, states: Tensor, ids: Tensor) -> Tensor:
        """States of shape (n_texts, n_tokens, WIDTH)."""
        return states + self.mlp(self.norm(states), ids)  # type: ignore[no-any-return]


class ByHand(nn.Module):
    """Blocks whose experts are modules of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, WIDTH)
        self.layers = nn.ModuleList([Block() for _ in range(BLOCKS)])

    def forward(self, input_ids: Tensor) -> Tensor:
        """Ids of shape (n_texts, n_tokens)."""
        states = self.embed(input_ids)
        for layer in self.layers:
            states = layer(states, input_ids)
        return states  # type: ignore[no-any-return]


def test_experts_that_see_some_tokens_alone_are_refused_by_name() -> None:
    ids = torch.arange(3, 10)[None]
    found = Survey(ByHand().eval(), {"input_ids": ids})
    assert [site.module for site in found.of_kind("block")] == ["layers.0", "layers.1"]
    assert [site.module for site in found.of_kind("mlp")] == ["layers.0.mlp", "layers.1.mlp"]
    assert found.offered("mlp_hidden") == []
    for inner in ("", ".up", ".down"):
        path = f"layers.1.mlp.experts.1{inner}"
        with pytest.raises(SiteError, match=f"{path}: its output is not one row of units for each"):
            found.matching(path)
    never = Survey(ByHand().eval(), {"input_ids": ids - ids % 2}).left_out
    assert never["layers.0.mlp.experts.1"] == "never fires in a forward pass"


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_response_is_that_of_real_tokens(side: Any) -> None:
    model = model_of("OPT")
    found = localize(model, STIMULI, survey("OPT").of_kind("mlp"), pooling="mean")
    mask = top_percent(found, 20)
    ids = model.tokens(SENTENCES)
    batches = [model.batch(ids, side), *(model.batch([text]) for text in ids)]
    with torch.inference_mode(), respond(model.module, mask, found, model.through) as passes:
        for batch in batches:
            model.base(**batch, **model.quiet)
    np.testing.assert_allclose(passes[0], np.concatenate(passes[1:]), rtol=1e-4)


def test_a_row_a_token_needs_the_tokens() -> None:
    model = model_of("OPT")
    (site, _) = survey("OPT").of_kind("mlp")
    batch = model.batch(model.tokens(SENTENCES[:2]))
    message = f"{site}: has a row a token, so it must be told the tokens"
    with pytest.raises(SiteError, match=message), record(model.module, [site]):
        whole(model, batch)
