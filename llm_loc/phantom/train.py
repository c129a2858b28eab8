"""Make what ships: draw the texts, train, round to float16, measure, write.

    python -m llm_loc.phantom.train
    python -m llm_loc.phantom.train --out /tmp/lm

It takes four minutes of one core. The seed is fixed, so the same machine makes the same weights and
another one nearly the same accuracy. Training sees texts of the split `train` alone; accuracy is
measured on pairs of the split `validation`, so `eval` takes no part in any choice.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from llm_loc.evaluate import log_probabilities
from llm_loc.models import LanguageModel

from .draw import draw_pairs, endless
from .nets import NAMES, WEIGHTS, make_config, make_tokenizer

N_VALIDATION = 600


@dataclass(frozen=True)
class Recipe:
    """How the phantom is trained; the rate is AdamW's, which rises once and falls.

    Attributes
    ----------
    texts : dict of str to int
        How many of each kind. Non-words are among them: to a network that never saw one, all that
        the localizer contrasts would be what is known and what is not.
    """

    texts: dict[str, int]
    batch: int = 64
    rate: float = 3e-3
    decay: float = 0.05
    seed: int = 1


RECIPE = Recipe({"sentence": 160_000, "nonword": 10_000, "sequence": 70_000})


def draw_all(recipe: Recipe) -> list[str]:
    """The texts of a recipe; no order is meant."""
    return [
        text
        for kind, n in recipe.texts.items()
        for text in islice(endless(kind, "train", recipe.seed, n_words=None), n)
    ]


def encode(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> list[list[int]]:
    """Texts in tokens, each with one before it and one after it."""
    ids: list[list[int]] = tokenizer(texts)["input_ids"]
    return [[*text, tokenizer.eos_token_id] for text in ids]


def batches(ids: list[list[int]], size: int, fill: int) -> Iterator[Tensor]:
    """Batches in random order, of texts about equally long, filled up on the right.

    Yields
    ------
    Tensor of int64 of shape (size, n_tokens)
    """
    # A random order first, so that the stable sort mixes texts of one length anew.
    mixed = torch.randperm(len(ids)).tolist()
    by_length = sorted(mixed, key=lambda i: len(ids[i]))
    steps = len(ids) // size
    for step in torch.randperm(steps).tolist():
        chosen = [ids[i] for i in by_length[step * size : (step + 1) * size]]
        width = max(map(len, chosen))
        yield torch.tensor([[*text, *[fill] * (width - len(text))] for text in chosen])


def fit(network: LlamaForCausalLM, ids: list[list[int]], recipe: Recipe) -> None:
    """Train a network in place, printing the loss ten times."""
    fill = network.config.pad_token_id
    assert fill is not None
    steps = len(ids) // recipe.batch
    optimizer = torch.optim.AdamW(
        network.parameters(), recipe.rate, betas=(0.9, 0.95), weight_decay=recipe.decay
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda at: _rise_and_fall(at / steps))
    network.train()
    losses = []
    for step, batch in enumerate(batches(ids, recipe.batch, fill), 1):
        logits = network(batch, use_cache=False).logits[:, :-1]
        loss = F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten(), ignore_index=fill)
        network.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if step % max(1, steps // 10) == 0:
            print(f"step {step}/{steps}: loss {np.mean(losses):.3f}", flush=True)
            losses.clear()


def _rise_and_fall(progress: float) -> float:
    """The rate's factor: linear up over the first twentieth of the training, then half a cosine."""
    return min(progress / 0.05, 0.5 + 0.5 * math.cos(math.pi * progress))


def accuracy(
    network: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, split: str = "validation"
) -> dict[str, float]:
    """Share of pairs whose right text is the likelier, by phenomenon."""
    model = LanguageModel("phantom/lm", network, tokenizer)
    pairs = draw_pairs(N_VALIDATION, split)
    good, bad = (
        _scores(model, [getattr(pair, side) for pair in pairs]) for side in ("good", "bad")
    )
    names = np.array([pair.phenomenon for pair in pairs])
    return {
        name: float((good > bad)[names == name].mean()) for name in dict.fromkeys(names.tolist())
    }


@torch.inference_mode()
def _scores(model: LanguageModel, texts: list[str]) -> np.ndarray:
    return log_probabilities(model, model.tokens(texts))


def write(
    network: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    out: Path,
    facts: dict[str, str],
) -> None:
    """Write a folder in transformers' layout, the weights in float16, the facts beside them."""
    out.mkdir(parents=True, exist_ok=True)
    network.config.save_pretrained(out)
    tokenizer.save_pretrained(out)
    # The projection onto the vocabulary is the embedding itself.
    state = {
        name: weight.half()
        for name, weight in network.state_dict().items()
        if name != "lm_head.weight"
    }
    save_file(state, out / "model.safetensors", metadata={"format": "pt", **facts})


def train(out: Path, recipe: Recipe = RECIPE) -> dict[str, float]:
    """Train the phantom and write it.

    Parameters
    ----------
    out : Path
        The folder to write. The metadata of its weights hold the seed, the number of texts and the
        accuracy.
    recipe : Recipe
        How.

    Returns
    -------
    dict of str to float
        Accuracy of the weights as written, by phenomenon, on pairs of the split `validation`.
    """
    tokenizer = make_tokenizer()
    ids = encode(tokenizer, draw_all(recipe))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = LlamaForCausalLM(make_config(len(tokenizer)))
        fit(network, ids, recipe)
    network.half().float()  # as it will be read
    found = accuracy(network.eval(), tokenizer)
    facts = {
        "seed": str(recipe.seed),
        "texts": str(len(ids)),
        **{f"accuracy_{name}": f"{share:.4f}" for name, share in found.items()},
    }
    write(network, tokenizer, out, facts)
    return found


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description="Train the phantom and write it.")
    parser.add_argument("--out", type=Path, default=WEIGHTS / NAMES[0], help="default: what ships")
    out = parser.parse_args().out
    found = train(out)
    print(f"{out}: " + ", ".join(f"{name} {share:.1%}" for name, share in found.items()))


if __name__ == "__main__":
    main()
