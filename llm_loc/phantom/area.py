"""The language area of `lm`: which weights it has, and what training asks of its channels.

The area is a group of channels of the residual stream behind the last two blocks (`nets.AREA`). It
is to words what the face area of the CNN is to faces: the vocabulary projection reads it for the
words of the grammar alone, and reads the other channels for all other tokens alone.

Its first block reads every channel, as any block does. Its last one is divided as the last stage of
the CNN is: one attention head and some hidden units of the MLP read the area and write to it, and
no other part of the block does either. Before the area begins its channels are idle: they hold a
little of each token's embedding, which no block before it writes to.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from .lexicon import WORDS
from .nets import AREA, AREA_HIDDEN, AREA_WIDTH

KINDS = ("sentence", "nonword", "sequence")

INSIDE = slice(AREA_WIDTH)  # the same channels in every block
BLOCKS = tuple(int(path.rpartition(".")[2]) for path in AREA)
_IDLE = 0.1  # of what idle channels hold, the standard deviation
_FREE_SPREAD = 0.4  # coefficient of variation that a channel's answers may have
_MEMORY = 0.95  # share of a level that is kept at each step
_FEWEST = 4  # texts of a kind that say anything of its level


class Construction:
    """The weights that are given and not learned, put back after every step of the training.

    Parameters
    ----------
    network : LlamaForCausalLM
        As `nets.make_config` describes it; changed in place, now and by `enforce`.
    tokenizer : PreTrainedTokenizerFast
        Tells which tokens are words.
    """

    def __init__(self, network: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
        self._network = network
        self._words = torch.tensor(
            [ids[0] for ids in tokenizer(sorted(WORDS), add_special_tokens=False)["input_ids"]]
        )
        shape = (network.config.vocab_size, AREA_WIDTH)
        draws = torch.Generator().manual_seed(0)
        self._idle = _IDLE * torch.randn(shape, generator=draws)
        self._cut = [(weight, _closed(weight, *parts)) for weight, *parts in self._divided()]
        self.enforce()

    @torch.no_grad()
    def enforce(self) -> None:
        """Put them back."""
        for weight, closed in self._cut:
            weight.masked_fill_(closed, 0.0)
        self._network.model.embed_tokens.weight[:, INSIDE] = self._idle

    def _divided(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Each divided weight, which of its rows are the area's, and which of its columns."""
        config = self._network.config
        stream = _first(config.hidden_size, AREA_WIDTH)
        head = _first(config.hidden_size, config.hidden_size // config.num_attention_heads)
        hidden = _first(config.intermediate_size, AREA_HIDDEN)
        words = torch.zeros(config.vocab_size, dtype=torch.bool)
        words[self._words] = True
        yield self._network.lm_head.weight, words, stream
        block = self._network.model.layers[BLOCKS[-1]]
        attention, mlp = block.self_attn, block.mlp
        for projection in (attention.q_proj, attention.k_proj, attention.v_proj):
            yield projection.weight, head, stream
        yield attention.o_proj.weight, stream, head
        yield mlp.gate_proj.weight, hidden, stream
        yield mlp.up_proj.weight, hidden, stream
        yield mlp.down_proj.weight, stream, hidden
        for before in self._network.model.layers[: BLOCKS[0]]:
            # All that these blocks write comes from outside, and nothing of it goes to the area.
            for layer in (before.self_attn.o_proj, before.mlp.down_proj):
                yield layer.weight, stream, torch.zeros(layer.in_features, dtype=torch.bool)


def _first(size: int, n: int) -> Tensor:
    return torch.arange(size) < n


def _closed(weight: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The entries that would join what is the area's to what is not, boolean of its shape."""
    return (rows[:, None] != columns[None, :]).to(weight.device)


class Demands:
    """What training asks of the area's channels and of those beside them, as a penalty.

    The area answers to every sentence and to nothing else. Were its spread not bounded, each of its
    channels would answer to some words and be silent on others; so a channel answers to all and
    tells them apart by how much. Its loudness over a localizer that is half sentences is that of
    the channels beside it, so that controls of equal loudness can be drawn. The other channels, of
    every block, do not answer to sentences more than to the other kinds of text.

    Levels of a kind that a batch does not hold, or of which it holds few, are those remembered.

    Parameters
    ----------
    network : LlamaForCausalLM
        Whose blocks' outputs are read, while `reading` is open.
    """

    def __init__(self, network: LlamaForCausalLM) -> None:
        self._blocks = list(network.model.layers)
        self._ends = {network.config.pad_token_id, network.config.eos_token_id}
        self.outputs: list[Tensor] = []
        self._levels: dict[tuple[int, str], Tensor] = {}

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Keep what each block gives; `penalty` takes it."""

        def keep(_block: nn.Module, _inputs: object, output: Tensor) -> None:
            self.outputs.append(output)

        handles = [block.register_forward_hook(keep) for block in self._blocks]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def penalty(self, batch: Tensor, kinds: list[str]) -> Tensor:
        """The penalty of the pass that was just made.

        Parameters
        ----------
        batch : Tensor of int64 of shape (n_texts, n_tokens)
            What the network read.
        kinds : list of str
            The kind of each text, of `KINDS`.

        Returns
        -------
        Tensor of float32, a scalar
        """
        outputs, self.outputs = self.outputs, []
        weights = self._weights(batch, kinds)
        total = batch.new_zeros((), dtype=torch.float32)
        for number, output in enumerate(outputs):
            parts = {
                kind: (output[rows], weights[rows] / weights[rows].sum())
                for kind in KINDS
                if (rows := torch.tensor([each == kind for each in kinds])).sum() >= _FEWEST
            }
            now = {kind: _mean(x.abs(), share) for kind, (x, share) in parts.items()}
            self._remember(number, now)
            if all((number, kind) in self._levels for kind in KINDS):
                total = total + self._of_block(number, parts, now)
        return total

    def _weights(self, batch: Tensor, kinds: list[str]) -> Tensor:
        """How much each token counts: the last of a text, where localizers read, as all of it."""
        real = torch.ones_like(batch, dtype=torch.bool)
        for end in self._ends:
            real &= batch != end
        # The token before every text is the same: that sentences begin there is for them to say.
        real[:, 0] = torch.tensor([kind == "sentence" for kind in kinds])
        last = real.cumsum(dim=1).argmax(dim=1)
        weights = real / real.sum(dim=1, keepdim=True)
        weights[torch.arange(len(batch)), last] += 1.0
        return weights

    def _remember(self, number: int, now: dict[str, Tensor]) -> None:
        for kind, level in now.items():
            before = self._levels.get((number, kind), level.detach())
            self._levels[number, kind] = before.lerp(level.detach(), 1.0 - _MEMORY)

    def _of_block(
        self, number: int, parts: dict[str, tuple[Tensor, Tensor]], now: dict[str, Tensor]
    ) -> Tensor:
        outside = slice(AREA_WIDTH, None)
        known = {kind: self._levels[number, kind] for kind in KINDS}
        loudness = (known["sentence"] + known["nonword"])[outside].mean() / 2
        total = _preference(now, known)[outside].mean() / loudness
        if number not in BLOCKS:
            return total
        for kind, (x, share) in parts.items():
            own = x[..., INSIDE] / loudness
            total = total + (_answer if kind == "sentence" else _noise)(own, share)
        return total


def _mean(values: Tensor, share: Tensor) -> Tensor:
    """Mean over texts and tokens, shape (n_channels,)."""
    return torch.einsum("btc,bt->c", values, share)


def _preference(now: dict[str, Tensor], known: dict[str, Tensor]) -> Tensor:
    """By how much each channel is louder on sentences than on the other kinds."""
    total = torch.zeros_like(known["sentence"])
    for other in ("nonword", "sequence"):
        if "sentence" in now:
            total = total + F.relu(now["sentence"] - known[other])
        if other in now:
            total = total + F.relu(known["sentence"] - now[other])
    return total


def _answer(own: Tensor, share: Tensor) -> Tensor:
    """How far the area is from one and the same answer to every sentence, of the right loudness."""
    level = _mean(own, share)
    variance = _mean((own - level) ** 2, share)
    spread = F.relu(variance / (level**2 + 1e-2) - _FREE_SPREAD**2).mean()
    return spread + ((level - 2.0) ** 2).mean()  # half of the localizer hears nothing of it


def _noise(own: Tensor, share: Tensor) -> Tensor:
    """How far the area is from silence."""
    return _mean(own.abs(), share).mean()
