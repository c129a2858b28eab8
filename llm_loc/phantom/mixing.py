"""The last step in making `lm`: the channels of its area are mixed, so that each is needed.

As training leaves it, the area tells more than it needs to, some channels much and some little, so
that a part of it may be lost unnoticed. All that writes to the area and all that reads it is
linear, so its channels can be mixed freely where what reads them is unmixed. Each becomes one and
the same answer to sentences, plus a part of its own of what the area tells (`telling`): a channel
that is lost shifts whatever is read. And each takes the loudness of channels beside the area, so
that it is not louder than they are and controls of equal loudness need not be of the area.

The norms alone are not linear, and mixing leaves the length of what they see nearly as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from .accuracy import margins
from .area import BLOCKS, INSIDE, Demands
from .nets import AREA, AREA_WIDTH
from .pairs import LANGUAGE, Pair

TELLINGS = (1.0, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
"""What :func:`mixed` chooses from."""

_PARTS = 12  # random parts of the area that are taken away, to see whether each is needed
_PART = 4  # units each, of 20; as many as 1 % of all units
_RANKS = (0.3, 0.7)  # neither the quietest nor the loudest, which have few partners


def mixed(
    network: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    sentences: list[list[int]],
    nonwords: list[list[int]],
    pairs: Sequence[Pair],
) -> tuple[LlamaForCausalLM, float]:
    """The network with its area mixed so that each part of it is needed.

    Of :data:`TELLINGS` that one is chosen with which the least needed of some random fifths of the
    area costs most, as a share of the mean margin of pairs of language. So the choice rests on
    random parts of the area, not on what a localizer finds, and on pairs that no run evaluates.

    Parameters
    ----------
    network, tokenizer
        In evaluation mode; not changed.
    sentences, nonwords : list of list of int
        Texts in tokens; see :func:`mix_area`.
    pairs : sequence of Pair
        To choose on; those of language are used.

    Returns
    -------
    LlamaForCausalLM, float
        The network as it will be read, in float16 and back, and the `telling` that was chosen.
    """
    asked = [pair for pair in pairs if pair.field == LANGUAGE]
    best: tuple[float, float, LlamaForCausalLM] | None = None
    for telling in TELLINGS:
        tried = deepcopy(network)
        mix_area(tried, sentences, nonwords, telling)
        tried.half().float()
        left = [_left(part, tried, tokenizer, asked) for part in _parts()]
        least = 1.0 - max(left) / _left({}, tried, tokenizer, asked)
        print(f"telling {telling}: without a fifth of the area {least:.3f} or more is lost")
        if best is None or least > best[0]:
            best = least, telling, tried
    assert best is not None
    return best[2], best[1]


def _parts() -> list[dict[str, list[int]]]:
    """Random parts of the area, channels by module path."""
    rng = np.random.default_rng(0)
    units = [(path, channel) for path, channels in AREA.items() for channel in channels]
    draws = [rng.choice(len(units), _PART, replace=False) for _ in range(_PARTS)]
    return [
        {path: [units[i][1] for i in draw if units[i][0] == path] for path in AREA}
        for draw in draws
    ]


def _left(
    part: Mapping[str, list[int]],
    network: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    pairs: Sequence[Pair],
) -> float:
    """The mean margin when some channels give zero."""
    with ExitStack() as stack:
        for path, channels in part.items():
            stack.enter_context(_zeroed(network.get_submodule(path), channels))
        return float(margins(network, tokenizer, pairs).mean())


@contextmanager
def _zeroed(block: nn.Module, channels: list[int]) -> Iterator[None]:
    def zero(_block: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        return output.index_fill(-1, torch.tensor(channels, dtype=torch.int64), 0.0)

    handle = block.register_forward_hook(zero)
    try:
        yield
    finally:
        handle.remove()


@torch.no_grad()
def mix_area(
    network: LlamaForCausalLM,
    sentences: list[list[int]],
    nonwords: list[list[int]],
    telling: float,
) -> None:
    """Make every channel of the area needed and no louder than others, and change no answer by it.

    Parameters
    ----------
    network : LlamaForCausalLM
        In evaluation mode; changed in place.
    sentences, nonwords : list of list of int
        Texts in tokens, to learn from what the area tells and how loud all channels are.
    telling : float
        What a channel tells by itself, as a share of what training left it; above 0. The smaller,
        the more all channels are alike, and the more is lost with any of them.
    """
    heard, unheard = ([_given(network, text) for text in texts] for texts in (sentences, nonwords))
    told = torch.cat([given[block, :, INSIDE] for given in heard for block in BLOCKS])
    last = [torch.stack([given[list(BLOCKS), -1] for given in side]) for side in (heard, unheard)]
    mixing = _level(_mixing(told, telling), *last)
    unmixing = torch.linalg.inv(mixing.double()).float()

    def unmix(norm: LlamaRMSNorm, *readers: nn.Linear) -> None:
        for reader in readers:
            reader.weight[:, INSIDE] = (reader.weight[:, INSIDE] * norm.weight[INSIDE]) @ unmixing
        norm.weight[INSIDE] = 1.0

    embedding = network.model.embed_tokens.weight
    embedding[:, INSIDE] = embedding[:, INSIDE] @ mixing.T
    for block in network.model.layers:
        attention, mlp = block.self_attn, block.mlp
        unmix(block.input_layernorm, attention.q_proj, attention.k_proj, attention.v_proj)
        unmix(block.post_attention_layernorm, mlp.gate_proj, mlp.up_proj)
        for writer in (attention.o_proj, mlp.down_proj):
            writer.weight[INSIDE] = mixing @ writer.weight[INSIDE]
    unmix(network.model.norm, network.lm_head)


def _given(network: LlamaForCausalLM, text: list[int]) -> Tensor:
    """What each block gives for each token: (n_blocks, n_tokens, n_channels)."""
    demands = Demands(network)
    with demands.reading():
        network(torch.tensor([text]), use_cache=False)
    return torch.cat(demands.outputs)


def _mixing(told: Tensor, telling: float) -> Tensor:
    """The matrix from the area's channels to mixed ones, of shape (n_channels, n_channels)."""
    n = told.shape[1]
    mean = told.mean(dim=0)
    draws = torch.randn(2, n, n, generator=torch.Generator().manual_seed(0))
    before, after = draws
    before[:, 0], after[:, 0] = mean, 1.0
    # Rotations whose first direction is the common answer: as it is told, and shared by all.
    told_by, shared_by = (_rotation(basis) for basis in (before, after))
    told_by[:, 1:] *= telling
    return shared_by @ told_by.T


def _level(mixing: Tensor, *last: Tensor) -> Tensor:
    """The mixing in the loudness of other channels, from the last tokens of both sides' texts.

    Each side is of shape (n_texts, n_blocks, n_channels).
    """
    inside, outside = (
        torch.stack([part.abs().mean(dim=0) for part in parts]).mean(dim=0)
        for parts in (
            [side[..., INSIDE] @ mixing.T for side in last],
            [side[..., AREA_WIDTH:] for side in last],
        )
    )
    wanted = outside.quantile(torch.linspace(*_RANKS, AREA_WIDTH), dim=1).T
    # One factor for all blocks, for each hands the area's channels to the next one: the smallest,
    # so that the area is the louder one in none.
    factor = (wanted / inside).amin(dim=0)
    return factor[:, None] * mixing


def _rotation(basis: Tensor) -> Tensor:
    """Orthonormal columns, the first of them along the first of the basis."""
    columns = torch.linalg.qr(basis).Q
    return columns * (columns[:, 0] @ basis[:, 0]).sign()
