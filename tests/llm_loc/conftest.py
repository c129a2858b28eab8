"""Tiny language models with a real tokenizer, made in the test and loaded from a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from llm_loc.load import load_model
from llm_loc.models import LanguageModel

CONTEXT = 128
VOCABULARY = 300
SENTENCES = [
    "the old farmer sold his horse", "a child found the red ball", "she reads letters at night",
    "they walked home through the rain", "my brother writes to the king", "we saw many ships",
    "no one knew the answer to that question", "he gave the dog some bread and water",
    "birds sing", "the small girl who lives next door plays the piano very well indeed",
]  # fmt: skip
NONWORDS = [
    "flor ib metz", "zop glirk an dretch vum", "quib sna trelf", "osp ufter glane brix mo",
    "wug dax blicket fep toma", "grelch", "yat vimble sprone dack quolt irp nast", "hib hab",
    "strug lont pell varn disk", "om eft zune krill bax",
]  # fmt: skip

ModelMaker = Callable[..., LanguageModel]


def make_tokenizer(bos: bool = True, pad: bool = True) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer, trained on the sentences above."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<s>", "</s>", "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(SENTENCES + NONWORDS, trainer)
    if bos:
        core.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", 0)]
        )
    words = {"bos_token": "<s>", "eos_token": "</s>", **({"pad_token": "<pad>"} if pad else {})}
    return PreTrainedTokenizerFast(tokenizer_object=core, **words)


def hooks_of(module: torch.nn.Module) -> int:
    """How many hooks a model has."""
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in module.modules())


def make_network(kind: str) -> Any:
    """A random network of two or three blocks."""
    size = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 4}
    ends = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": None}
    if kind == "llama":
        config = LlamaConfig(
            vocab_size=VOCABULARY, intermediate_size=24, num_key_value_heads=2,
            max_position_embeddings=CONTEXT, tie_word_embeddings=True, **size, **ends,
        )  # fmt: skip
        return LlamaForCausalLM(config)
    if kind == "gpt2":
        return GPT2LMHeadModel(
            GPT2Config(
                vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=16, n_layer=2, n_head=4, **ends
            )
        )
    return BertModel(
        BertConfig(
            vocab_size=VOCABULARY, intermediate_size=24, max_position_embeddings=CONTEXT, **size
        )
    )


def save_model(folder: Path, kind: str = "llama", **tokenizer: bool) -> Path:
    """A model's folder as transformers writes it; loud weights, so that masks matter."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = make_network(kind)
        for name, parameter in network.named_parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.4 if "embed" in name else 0.25)
    network.save_pretrained(folder)
    make_tokenizer(**tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Folders of tiny models by kind, each made once."""
    made: dict[tuple[Any, ...], Path] = {}

    def folder(kind: str = "llama", **tokenizer: bool) -> Path:
        key = (kind, *sorted(tokenizer.items()))
        if key not in made:
            made[key] = save_model(tmp_path_factory.mktemp(kind), kind, **tokenizer)
        return made[key]

    return folder


@pytest.fixture(scope="session")
def make_model(folder_of: Callable[..., Path]) -> ModelMaker:
    """Tiny models by kind, loaded from their folders."""
    return lambda kind="llama", **tokenizer: load_model(f"local/{folder_of(kind, **tokenizer)}")


def write_files(folder: Path, clauses: int = 20) -> tuple[Path, Path, Path, Path]:
    """Somebody's own localizer in two files, pairs in a third and running text in a fourth."""
    target, control = folder / "sentences.txt", folder / "nonwords.csv"
    target.write_text("\n".join(SENTENCES) + "\n")
    control.write_text("text\n" + "\n".join(NONWORDS) + "\n")
    pairs, prose = folder / "pairs.csv", folder / "prose.txt"
    rows = [
        f"the {noun} {verb} here,the {noun} here {verb},{group}"
        for group, nouns in (("animals", "dog cat horse bird"), ("things", "ship ball"))
        for noun in nouns.split()
        for verb in ("sleeps", "waits", "was", "has been seen", "will be")
    ]
    pairs.write_text("good,bad,group\n" + "\n".join(rows) + "\n")
    said = [f"{a} and {b}." for b in SENTENCES for a in SENTENCES]
    prose.write_text(" ".join(said[:clauses]))  # each is about half a window
    return target, control, pairs, prose


@pytest.fixture
def own_files(tmp_path: Path) -> tuple[Path, Path, Path, Path]:
    """A test's own files: localizer in two, pairs, running text."""
    return write_files(tmp_path)
