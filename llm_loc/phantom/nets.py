"""The phantoms' networks and their tokenizer, all of transformers' own classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from .draw import draw
from .sequences import COPY, SYMBOLS

if TYPE_CHECKING:
    from transformers import LlamaConfig, PreTrainedTokenizerFast

NAMES = ("lm", "lm-plain")
WEIGHTS = Path(__file__).with_name("weights")

AREA_WIDTH = 10
AREA_HIDDEN = 40

AREA: dict[str, range] = {
    "model.layers.2": range(AREA_WIDTH),
    "model.layers.3": range(AREA_WIDTH),
}
"""The language area of `lm`: block's module path to the channels that belong to it."""

BEGIN, END, FILL = "<s>", "</s>", "<pad>"

_MOST_TOKENS = 1024  # never reached: merging ends when every word is one token
_SENTENCES = 4000


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Make the tokenizer: byte-level BPE that learns from sentences, a token before each text.

    As with the tokenizers of real models, a word becomes one token and a non-word falls into
    pieces. Numbers are read digit by digit. A space is put before a text, so that a word is the
    same token wherever it stands.
    """
    # Slow to import, and needed in training alone.
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_MOST_TOKENS,
        special_tokens=[BEGIN, END, FILL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    symbols = [*SYMBOLS, COPY]
    core.train_from_iterator([*draw("sentence", _SENTENCES, "train"), *symbols], trainer)
    core.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A", special_tokens=[(BEGIN, core.token_to_id(BEGIN))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token=BEGIN, eos_token=END, pad_token=FILL
    )


def make_config(n_tokens: int, name: str) -> LlamaConfig:
    """The architecture: four blocks of 64 units for `lm-plain`, of 96 for `lm`.

    The plain one is narrow on purpose: with 128 units a block it knew no more, and had so much room
    to spare that it lost nothing of its language when two fifths of all units were ablated. The
    other has room beside its area, for controls to be drawn from; and its projection onto the
    vocabulary is its own, since it reads the area, which embeddings do not write to.

    Raises
    ------
    KeyError
        If there is no phantom of that name.
    """
    from transformers import LlamaConfig

    width, hidden, heads, tied = {"lm": (96, 240, 6, False), "lm-plain": (64, 160, 4, True)}[name]
    return LlamaConfig(
        vocab_size=n_tokens,
        hidden_size=width,
        intermediate_size=hidden,
        num_hidden_layers=4,
        num_attention_heads=heads,
        max_position_embeddings=128,
        tie_word_embeddings=tied,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
    )
