"""``make bench-gpu``: the same ratios on a GPU, and what smaller numbers change.

A model with random weights stands for EfficientNet-Lite0 and one for SmolLM2-135M (the same widths
and depths), so that nothing has to be fetched; times do not depend on what weights say.
"""

from __future__ import annotations

import statistics
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.language import drawn_words, make_model
from benchmarks.masks import begins_in, evaluate_all, planned
from benchmarks.speed import BATCH, Case, spread
from common.measure.masks import Mask, top_percent
from common.measure.scores import SelectivityMap
from common.measure.sites import Site
from llm_loc.localize import find_sites as text_sites
from llm_loc.localize import localize as localize_texts
from llm_loc.models import LanguageModel
from llm_loc.stimuli import Localizer, Text
from vision_loc.localize import find_sites
from vision_loc.models import load_model

NETWORK = "timm/tf_efficientnet_lite0"
BATCHES, ROUNDS = 4, 3
LARGE = 512  # pictures a pass that a large card needs to have enough to do
TEXTS, WORDS = 240, 12  # of a side
SMALLER = (torch.bfloat16, torch.float16)


def seconds(way: Callable[[], object]) -> float:
    """How long it takes until the GPU has finished, too."""
    torch.cuda.synchronize()
    begun = time.perf_counter()
    way()
    torch.cuda.synchronize()
    return time.perf_counter() - begun


def ratios(one: Callable[[], object], other: Callable[[], object], share: float = 1) -> list[float]:
    """Time of `one` over `share` times that of `other`, round by round."""
    one(), other()  # warms up
    return [seconds(one) / (share * seconds(other)) for _ in range(ROUNDS)]


def waits(way: Callable[[], object]) -> int:
    """How often the processor waits for the GPU."""
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            way()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchronizing" in str(each.message) for each in told)


class Pictures(Case):
    """A network and noise of its input size, half of it called the target."""

    def under(self, masks: Sequence[Mask | None], found: SelectivityMap) -> None:
        """All batches under all masks, as an evaluation does it."""
        evaluate_all(self.model, self.pixels, self.batch, masks, found)


def pictures(dtype: torch.dtype = torch.float32, batch: int = BATCH) -> Pictures:
    """The network in a type of numbers; weights and pixels are the same in each."""
    model = load_model(NETWORK, untrained=True, device="cuda", dtype=dtype)
    shape = (batch * BATCHES, *model.example().shape[1:])
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, shape, dtype=np.uint8)
    half = len(pixels) // 2
    pixels[:half] = pixels[:half] // 2 + 64  # two sides that differ in contrast
    return Pictures(model, pixels, find_sites(model), batch)


@dataclass(frozen=True)
class Reading:
    """A language model as large as SmolLM2-135M, and texts of drawn words."""

    model: LanguageModel
    stimuli: Localizer
    sites: list[Site]

    def localize(self) -> SelectivityMap:
        """Tokens, passes, moments and the map."""
        return localize_texts(self.model, self.stimuli, self.sites, batch_size=BATCH)

    def one_by_one(self) -> None:
        """The published script's loop: the whole model, text by text."""
        texts = [text.text for text in (*self.stimuli.target, *self.stimuli.control)]
        with torch.inference_mode():
            for ids in self.model.tokens(texts):
                self.model.module(**self.model.batch([ids]))

    def bare(self) -> None:
        """The base alone over the texts sorted by length."""
        texts = [text.text for text in (*self.stimuli.target, *self.stimuli.control)]
        ids = sorted(self.model.tokens(texts), key=len)
        with torch.inference_mode():
            for start in range(0, len(ids), BATCH):
                batch = self.model.batch(ids[start : start + BATCH])
                self.model.base(**batch, **self.model.quiet)


def reading(dtype: torch.dtype = torch.float32) -> Reading:
    """The language model in a type of numbers."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30,
        num_attention_heads=9, num_key_value_heads=3, max_position_embeddings=512,
    )  # fmt: skip
    module = LlamaForCausalLM(config).eval().requires_grad_(False).to("cuda", dtype)
    model = LanguageModel("llama, 30 x 576", module, make_model().tokenizer)
    rng = np.random.default_rng(1)
    sides = [
        tuple(Text(f"{name} {i}", name, " ".join(drawn_words(words, rng))) for i in range(TEXTS))
        for name, words in (("longer", WORDS), ("shorter", WORDS - 4))
    ]
    return Reading(model, Localizer("drawn", *sides), text_sites(model))


def dice(one: SelectivityMap, other: SelectivityMap) -> float:
    """Overlap of the two top masks of 1 %."""
    units = [set(top_percent(found, 1.0).units.tolist()) for found in (one, other)]
    return 2 * len(units[0] & units[1]) / sum(map(len, units))


def say(model: str, what: str, goal: str, found: str) -> None:
    """One line, as soon as it is known."""
    print(f"{model:42} {what:42} {goal:8} {found}", flush=True)


def a_pass(way: Callable[[], object], passes: int) -> str:
    """Milliseconds of one pass, where all of them are made."""
    return f"{1000 * statistics.median(seconds(way) for _ in range(ROUNDS)) / passes:.1f} ms"


def of_pictures(batch: int) -> None:
    """The rows of the network, in float32."""
    case = pictures(batch=batch)
    found = case.localize()
    masks, early = planned(found), begins_in(found, "blocks.0.", 20)
    name = f"{NETWORK}, {batch} a pass"
    say(name, "a bare pass", "", a_pass(case.bare, BATCHES))
    rows = [
        ("localize / bare passes, channel", "<= 1.05", case.localize, 1),
        ("localize / bare passes, neuron", "<= 1.15", partial(case.localize, "neuron"), 1),
        (
            "masks of a default run / passes",
            "<= 0.20",
            partial(case.under, masks, found),
            len(masks),
        ),
        ("20 early masks / 20 passes", "<= 1.03", partial(case.under, early, found), len(early)),
    ]
    for what, goal, way, share in rows:
        say(name, what, goal, spread(ratios(way, case.bare, share)))
    each = waits(case.localize) / BATCHES
    say(name, "waits for the GPU a batch, localizing", "0", f"{each:.2f}")


def of_texts() -> None:
    """The rows of the language model, in float32."""
    texts = reading()
    name = texts.model.name
    say(name, "bare passes, all", "", a_pass(texts.bare, 1))
    what = f"localize {2 * TEXTS} texts / bare passes"
    say(name, what, "<= 1.05", spread(ratios(texts.localize, texts.bare)))
    loop = spread(ratios(texts.one_by_one, texts.localize))
    say(name, "published loop / localize", ">= 2.7", loop)
    each = waits(texts.localize) * BATCH / (2 * TEXTS)
    say(name, "waits for the GPU a batch, localizing", "0", f"{each:.2f}")


def smaller(make: Callable[[torch.dtype], Pictures | Reading]) -> None:
    """What 16-bit numbers change: the top mask, and the time of passes."""
    whole = make(torch.float32)
    found = whole.localize()
    base = statistics.median(seconds(whole.bare) for _ in range(ROUNDS))
    for dtype in SMALLER:
        case = make(dtype)
        overlap = dice(found, case.localize())
        took = statistics.median(seconds(case.bare) for _ in range(ROUNDS))
        what = f"{str(dtype).removeprefix('torch.')} against float32: overlap, speed"
        say(case.model.name, what, "", f"Dice {overlap:.3f}, {base / took:.2f} times as fast")


def main() -> None:
    """Print all of it, or in one line why not."""
    if not torch.cuda.is_available():
        sys.exit("bench-gpu: there is no GPU that CUDA sees on this machine; nothing was measured")
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, batches of {BATCH}")
    print("Ratios: median (range). Weights are random, so overlaps are of noise that is ranked.")
    for batch in (BATCH, LARGE):
        of_pictures(batch)
    of_texts()
    smaller(pictures)
    smaller(reading)


if __name__ == "__main__":
    main()
