"""Make what ships: draw the texts, train, round to float16, measure, write.

    python -m llm_loc.phantom.train lm
    python -m llm_loc.phantom.train lm-plain --out DIR

It takes four minutes of one core for `lm-plain`, nine for `lm`. The seed is fixed and one core
computes, so the same torch on the same kind of processor makes the same weights. Sums in another
order lead to other weights after a few hundred steps, and to nearly the same accuracy.
Training sees texts of the split `train` alone. What is chosen here, how far the area is mixed, is
chosen on pairs of the split `validation`, and accuracy is measured on these.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from .accuracy import accuracy
from .area import Construction, Demands
from .draw import draw, draw_pairs, endless
from .mixing import mixed
from .nets import NAMES, WEIGHTS, make_config, make_tokenizer

N_VALIDATION = 600
_MIXED_ON = 300  # texts a kind, as long as a localizer's


@dataclass(frozen=True)
class Recipe:
    """How a phantom is trained; the rate is AdamW's, which rises once and falls.

    Attributes
    ----------
    texts : dict of str to int
        How many of each kind. Non-words are among them: to a network that never saw one, all that
        the localizer contrasts would be what is known and what is not.
    area_penalty : float
        Weight of what is asked of a language area (`area.Demands`), for the phantom that has one.
    """

    texts: dict[str, int]
    batch: int = 64
    rate: float = 3e-3
    decay: float = 0.05
    seed: int = 1
    area_penalty: float = 0.0

    @property
    def kinds(self) -> list[str]:
        """The kind of each text of `draw_all`."""
        return [kind for kind, n in self.texts.items() for _ in range(n)]


RECIPES = {
    "lm": Recipe({"sentence": 90_000, "nonword": 20_000, "sequence": 80_000}, area_penalty=1.0),
    "lm-plain": Recipe({"sentence": 160_000, "nonword": 10_000, "sequence": 70_000}),
}


def draw_all(recipe: Recipe) -> list[str]:
    """The texts of a recipe, kind by kind."""
    return [
        text
        for kind, n in recipe.texts.items()
        for text in islice(endless(kind, "train", recipe.seed, n_words=None), n)
    ]


def encode(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> list[list[int]]:
    """Texts in tokens, each with one before it and one after it."""
    ids: list[list[int]] = tokenizer(texts)["input_ids"]
    return [[*text, tokenizer.eos_token_id] for text in ids]


def batches(ids: list[list[int]], size: int, fill: int) -> Iterator[tuple[Tensor, list[int]]]:
    """Batches in random order, of texts about equally long, filled up on the right.

    Yields
    ------
    (Tensor of int64 of shape (size, n_tokens), list of int)
        The tokens, and which texts they are.
    """
    # A random order first, so that the stable sort mixes texts of one length anew.
    mixed = torch.randperm(len(ids)).tolist()
    by_length = sorted(mixed, key=lambda i: len(ids[i]))
    steps = len(ids) // size
    for step in torch.randperm(steps).tolist():
        chosen = by_length[step * size : (step + 1) * size]
        width = max(len(ids[i]) for i in chosen)
        yield torch.tensor([[*ids[i], *[fill] * (width - len(ids[i]))] for i in chosen]), chosen


def fit(
    network: LlamaForCausalLM,
    ids: list[list[int]],
    recipe: Recipe,
    construction: Construction | None = None,
) -> None:
    """Train a network in place, printing the loss ten times.

    With a construction its given weights are kept, and its demands are part of the loss.
    """
    fill = network.config.pad_token_id
    assert fill is not None
    steps = len(ids) // recipe.batch
    optimizer = torch.optim.AdamW(
        network.parameters(), recipe.rate, betas=(0.9, 0.95), weight_decay=recipe.decay
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda at: _rise_and_fall(at / steps))
    network.train()
    losses = []
    kinds, demands = recipe.kinds, Demands(network)
    with demands.reading() if construction else nullcontext():
        for step, (batch, chosen) in enumerate(batches(ids, recipe.batch, fill), 1):
            loss = _loss(network, batch, fill)
            losses.append(loss.item())
            if construction:
                # The penalty grows over the first half, as with the CNN.
                weight = recipe.area_penalty * min(1.0, 2.0 * step / steps)
                loss = loss + weight * demands.penalty(batch, [kinds[i] for i in chosen])
            network.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            if construction:
                construction.enforce()
            if step % max(1, steps // 10) == 0:
                print(f"step {step}/{steps}: loss {np.mean(losses):.3f}", flush=True)
                losses.clear()


def _loss(network: LlamaForCausalLM, batch: Tensor, fill: int) -> Tensor:
    """Nats a token, of all tokens but the first and what fills up."""
    logits = network(batch, use_cache=False).logits[:, :-1]
    return F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten(), ignore_index=fill)


def _rise_and_fall(progress: float) -> float:
    """The rate's factor: linear up over the first twentieth of the training, then half a cosine."""
    return min(progress / 0.05, 0.5 + 0.5 * math.cos(math.pi * progress))


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
    # Where embeddings are tied, the projection onto the vocabulary is the embedding itself.
    tied = {"lm_head.weight"} if network.config.tie_word_embeddings else set()
    state = {
        name: weight.half() for name, weight in network.state_dict().items() if name not in tied
    }
    save_file(state, out / "model.safetensors", metadata={"format": "pt", **facts})


def train(name: str, out: Path, recipe: Recipe | None = None) -> dict[str, float]:
    """Train a phantom and write it.

    Parameters
    ----------
    name : {"lm", "lm-plain"}
        Which phantom.
    out : Path
        The folder to write. The metadata of its weights hold the seed, the number of texts, the
        accuracy, and :func:`made_with`.
    recipe : Recipe, optional
        How; its own unless given.

    Returns
    -------
    dict of str to float
        Accuracy of the weights as written, by phenomenon, on pairs of the split `validation`.

    Raises
    ------
    KeyError
        If there is no phantom of that name.
    """
    recipe = recipe or RECIPES[name]
    tokenizer, pairs = make_tokenizer(), draw_pairs(N_VALIDATION, "validation")
    ids = encode(tokenizer, draw_all(recipe))
    facts = {"seed": str(recipe.seed), "texts": str(len(ids)), "made_with": made_with()}
    with _one_core(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = LlamaForCausalLM(make_config(len(tokenizer), name))
        fit(network, ids, recipe, Construction(network, tokenizer) if name == "lm" else None)
        network.eval()
        if name == "lm":
            network, telling = mixed(network, tokenizer, *_shown(tokenizer, recipe), pairs)
            facts["telling"] = str(telling)
        network.half().float()  # as it will be read
        found = accuracy(network, tokenizer, pairs)
    facts |= {f"accuracy_{name}": f"{share:.4f}" for name, share in found.items()}
    write(network, tokenizer, out, facts)
    return found


def made_with() -> str:
    """What must be the same for the same weights: torch, and which of its kernels compute."""
    return f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}"


@contextmanager
def _one_core() -> Iterator[None]:
    """Sums in one order, whatever the number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _shown(
    tokenizer: PreTrainedTokenizerFast, recipe: Recipe
) -> tuple[list[list[int]], list[list[int]]]:
    """Sentences and non-words in tokens, such as a localizer shows, of the training's split."""
    sentences, nonwords = (
        tokenizer(draw(kind, _MIXED_ON, "train", recipe.seed))["input_ids"]
        for kind in ("sentence", "nonword")
    )
    return sentences, nonwords


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description="Train a phantom and write it.")
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--out", type=Path, help="default: what ships")
    chosen = parser.parse_args()
    out = chosen.out or WEIGHTS / chosen.name
    found = train(chosen.name, out)
    print(f"{out}: " + ", ".join(f"{name} {share:.1%}" for name, share in found.items()))


if __name__ == "__main__":
    main()
