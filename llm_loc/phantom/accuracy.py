"""Which pairs a network gets right, and by how much."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from llm_loc.evaluate import log_probabilities
from llm_loc.models import LanguageModel

from .pairs import Pair


@torch.inference_mode()
def margins(
    network: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, pairs: Sequence[Pair]
) -> np.ndarray:
    """Of each pair by how much its right text is the likelier, in nats, of shape (n_pairs,)."""
    model = LanguageModel("a phantom", network, tokenizer)
    good, bad = (
        log_probabilities(model, model.tokens([getattr(pair, side) for pair in pairs]))
        for side in ("good", "bad")
    )
    return good - bad


def accuracy(
    network: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, pairs: Sequence[Pair]
) -> dict[str, float]:
    """Share of pairs whose right text is the likelier, by phenomenon."""
    right = margins(network, tokenizer, pairs) > 0
    names = np.array([pair.phenomenon for pair in pairs])
    return {name: float(right[names == name].mean()) for name in dict.fromkeys(names.tolist())}
