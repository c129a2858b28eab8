"""What localizing in a language model costs: over the bare pass, and against the usual script.

The model is a small Llama with random weights, and the stimuli are drawn: as many as the language
localizer of the paper has, as long, and non-words falling into more tokens than words. Ratios are
taken as in :mod:`benchmarks.speed`.

``python -m benchmarks.language local/llama-prose pip/smollm2-135m-instruct`` takes the same ratios
of real models and the language localizer's own stimuli.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from benchmarks.speed import own_peak, ratios, spread
from common.base.memory import keep_freed_memory
from common.measure.scores import SelectivityMap
from common.measure.sites import Site
from llm_loc.load import load_model
from llm_loc.localize import find_sites, localize
from llm_loc.models import LanguageModel
from llm_loc.stimuli import Localizer, Text, localizer

BATCH = 64
TOKENS = 4096  # that the tokenizer knows
VOCABULARIES = (
    4096,
    32000,
)  # of the models: the larger, the more the projection costs that is left out
A_SIDE, WORDS = 240, 12
SCRIPT_GOALS = {"pip/smollm2-135m-instruct": ">= 2.7"}
LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyz"))


def drawn_words(n: int, rng: np.random.Generator) -> list[str]:
    """Words of random letters, as long as words are."""
    return ["".join(rng.choice(LETTERS, size)) for size in rng.integers(2, 9, n)]


LEXICON = drawn_words(1500, np.random.default_rng(0))


def make_model(vocabulary: int = TOKENS) -> LanguageModel:
    """A Llama of 6 blocks and 192 channels, whose tokenizer knows the words of the lexicon."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel()
    special = ["<s>", "</s>"]
    trainer = trainers.BpeTrainer(vocab_size=TOKENS, special_tokens=special, show_progress=False)
    core.train_from_iterator([" ".join(LEXICON)], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token=special[0], eos_token=special[1]
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=6,
        num_attention_heads=6,
        max_position_embeddings=256,
    )
    module = LlamaForCausalLM(config).eval().requires_grad_(False)
    return LanguageModel(f"llama, 6 x 192, {vocabulary:,} tokens", module, tokenizer)


def make_stimuli(times: int = 1) -> Localizer:
    """Strings of words of the lexicon against strings of words that are new."""
    rng = np.random.default_rng(1)
    n = A_SIDE * times
    known = [" ".join(rng.choice(LEXICON, WORDS)) for _ in range(n)]
    new = [" ".join(drawn_words(WORDS, rng)) for _ in range(n)]
    sides = [
        tuple(Text(f"{name} {i}", name, text) for i, text in enumerate(texts))
        for name, texts in (("word", known), ("nonword", new))
    ]
    return Localizer("drawn", *sides)


@dataclass(frozen=True)
class Case:
    """A model and stimuli, and the batches that localizing makes of them."""

    model: LanguageModel
    stimuli: Localizer
    sites: list[Site]
    batches: list[dict[str, Tensor]]
    single: list[dict[str, Tensor]]

    def localize(self) -> SelectivityMap:
        """All of it: tokens, passes, moments and the map."""
        return localize(self.model, self.stimuli, self.sites, batch_size=BATCH)

    def bare(self) -> None:
        """The same batches through the base alone."""
        with torch.inference_mode():
            for batch in self.batches:
                self.model.base(**batch, **self.model.quiet)

    def one_by_one(self) -> None:
        """The usual script: the whole model, text by text."""
        with torch.inference_mode():
            for batch in self.single:
                self.model.module(**batch)


def make_case(vocabulary: int) -> Case:
    """The small Llama with stimuli that are drawn."""
    return case_of(make_model(vocabulary), make_stimuli())


def case_of(model: LanguageModel, stimuli: Localizer) -> Case:
    """The model with the stimuli in tokens, sorted by length as localizing sorts them."""
    texts = [text.text for text in (*stimuli.target, *stimuli.control)]
    ids = sorted(model.tokens(texts), key=len)
    batches = [model.batch(ids[start : start + BATCH]) for start in range(0, len(ids), BATCH)]
    return Case(model, stimuli, find_sites(model), batches, [model.batch([text]) for text in ids])


def peak_memory(times: int) -> float:
    """Peak memory in MB of a fresh process that localizes with `times` as many texts."""
    command = [sys.executable, "-m", "benchmarks.language", "--peak", str(times)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _localize_once(times: int) -> None:
    """In a process of its own: localize, then print the peak memory."""
    model = make_model()
    localize(model, make_stimuli(times), find_sites(model), batch_size=BATCH)
    print(own_peak())


def main() -> None:
    """Print all ratios: of the small Llama, or of the real models that are named."""
    parser = argparse.ArgumentParser(prog="benchmarks.language")
    parser.add_argument(
        "models", nargs="*", help="real models, on langloc, instead of the small one"
    )
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.peak is not None:
        _localize_once(chosen.peak)
        return
    keep_freed_memory()
    console = Console(width=110)
    if chosen.models:
        stimuli = localizer("langloc")
        console.print(times([case_of(load_model(name), stimuli) for name in chosen.models]))
        return
    console.print(times([make_case(vocabulary) for vocabulary in VOCABULARIES]))
    console.print(peaks())


def times(cases: Sequence[Case]) -> Table:
    """Localizing over the bare pass, and the usual script over localizing."""
    n = len(cases[0].single)
    table = Table(title=f"time, {torch.get_num_threads()} threads, {n} texts, batches of {BATCH}")
    for name in ("model", "what", "goal", "ratio: median (range)"):
        table.add_column(name, no_wrap=True)
    for case in cases:
        name = case.model.name
        goal = SCRIPT_GOALS.get(name, ">= 5")
        ours = spread(ratios(case.localize, case.bare))
        usual = spread(ratios(case.one_by_one, case.localize))
        table.add_row(name, "localize / bare pass of the base", "<= 1.05", ours)
        table.add_row(name, "whole model one by one / localize", goal, usual)
    return table


def peaks() -> Table:
    """Memory with as many texts, and with ten times as many."""
    n = 2 * A_SIDE
    table = Table(title="peak memory of a process, MB", title_justify="left")
    for column in (f"{n} texts", f"{10 * n} texts", "ratio", "goal"):
        table.add_column(column, no_wrap=True)
    one, ten = peak_memory(1), peak_memory(10)
    table.add_row(f"{one:.0f}", f"{ten:.0f}", f"{ten / one:.3f}", "1.0")
    return table


if __name__ == "__main__":
    main()
