"""The stops of the tour: language models with random weights, and the places that each of them has.

The table was written from the architectures' sources. What holds for one of them holds for all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from common.measure.sites import KINDS, Site
from common.measure.survey import Survey
from llm_loc.localize import survey_of
from llm_loc.models import LanguageModel
from tests.llm_loc.conftest import CONTEXT, VOCABULARY, hooks_of, make_tokenizer

WIDTH, HIDDEN, BLOCKS, WINDOW = 16, 24, 2, 6
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


def are_bare() -> bool:
    """Whether no model that was met has a hook."""
    return not any(hooks_of(model.module) for model in MODELS.values())
