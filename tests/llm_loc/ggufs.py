"""A tiny Llama as a GGUF file, made by the test."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tests.llm_loc.conftest import CONTEXT, make_tokenizer

WIDTH, HEADS, KEYS, BLOCKS = 64, 4, 2, 2
NAMES = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}  # fmt: skip


def make_llama(seed: int = 3) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """A random Llama with tied embeddings, and its tokenizer, which adds nothing."""
    tokenizer = make_tokenizer(bos=False)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=WIDTH, intermediate_size=96,
        tie_word_embeddings=True, num_hidden_layers=BLOCKS, num_attention_heads=HEADS,
        num_key_value_heads=KEYS,
        max_position_embeddings=CONTEXT, bos_token_id=0, eos_token_id=1, pad_token_id=None,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval(), tokenizer


def save_gguf(
    path: Path,
    module: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    packing: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F32,
    architecture: str = "llama",
) -> Path:
    """Write a model as llama.cpp has it: its names, and rows of queries and keys in its order."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("tiny")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(BLOCKS)
    writer.add_feed_forward_length(module.config.intermediate_size)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEYS)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(module.config.rms_norm_eps)
    writer.add_vocab_size(len(tokenizer))
    _add_tokenizer(writer, tokenizer)
    for name, weight in module.state_dict().items():
        if name != "lm_head.weight":
            values = _as_there(name, weight).float().numpy()
            kind = packing if values.ndim == 2 else gguf.GGMLQuantizationType.F32
            packed = gguf.quants.quantize(values, kind)
            writer.add_tensor(_name(name), packed, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _name(name: str) -> str:
    whole = {"model.embed_tokens": "token_embd", "model.norm": "output_norm"}
    if (own := whole.get(name.removesuffix(".weight"))) is not None:
        return f"{own}.weight"
    _, _, number, rest = name.split(".", 3)
    return f"blk.{number}.{NAMES[rest.removesuffix('.weight')]}.weight"


def _as_there(name: str, weight: Tensor) -> Tensor:
    heads = HEADS if "q_proj" in name else KEYS if "k_proj" in name else 0
    if not heads:
        return weight
    rows, columns = weight.shape
    halves = weight.reshape(heads, 2, rows // heads // 2, columns)
    return halves.swapaxes(1, 2).reshape(rows, columns).contiguous()


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: PreTrainedTokenizerFast) -> None:
    core = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    words = sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])
    special = set(tokenizer.all_special_tokens)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([word for word, _ in words])
    writer.add_token_types([3 if word in special else 1 for word, _ in words])
    merges = core["merges"]
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)


def rounded(weight: Tensor, packing: gguf.GGMLQuantizationType) -> Tensor:
    """What a weight is after packing and unpacking."""
    packed = gguf.quants.quantize(weight.numpy(), packing)
    return torch.from_numpy(np.array(gguf.quants.dequantize(packed, packing)))
