"""Make the weights that ship: draw the pictures, train, round to float16, measure, write.

    python -m vision_loc.phantom.train cnn
    python -m vision_loc.phantom.train vit --out /tmp/vit.safetensors

Seeds are fixed, so the same machine makes the same weights and another one nearly the same
accuracy. Training sees the split `train` alone; its accuracy is measured on pictures of that split
which it did not train on, so `eval` takes no part in any choice.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from .draw import CLASSES, FACE_CLASSES, draw
from .known import AREA, MEAN, STD, WEIGHTS
from .nets import Block, PhantomCNN, build
from .pen import SIZE

_VALIDATION_START = 1_000_000
_VALIDATION_PER_CLASS = 50
_FREE_SPREAD = 0.3


@dataclass(frozen=True)
class Recipe:
    """How one phantom is trained; rates are those of AdamW, which rise once and fall."""

    per_class: int
    epochs: int
    batch: int
    rate: float
    decay: float
    seed: int = 1
    area_penalty: float = 0.0


RECIPES: dict[str, Recipe] = {
    "cnn": Recipe(per_class=1000, epochs=6, batch=128, rate=4e-3, decay=0.02, area_penalty=1.0),
    "vit": Recipe(per_class=1000, epochs=5, batch=64, rate=3e-3, decay=0.05),
}

Loss = Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]


def draw_all(per_class: int, start: int = 0) -> np.ndarray:
    """Draw `per_class` pictures of every class from the split `train`, on all cores.

    Returns
    -------
    array of uint8, shape (per_class * 32, 64, 64, 3)
        Picture i is of class i % 32 and has the index start + i // 32.
    """
    pictures = np.empty((per_class, len(CLASSES), SIZE, SIZE, 3), dtype=np.uint8)
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        indices = range(start, start + per_class)
        for row, drawn in enumerate(pool.map(_draw_row, indices, chunksize=8)):
            pictures[row] = drawn
    return pictures.reshape(-1, SIZE, SIZE, 3)


def _draw_row(index: int) -> np.ndarray:
    return np.stack([np.asarray(draw(label, index, "train")) for label in range(len(CLASSES))])


def labels_of(pictures: np.ndarray) -> torch.Tensor:
    """The classes of pictures in the order of `draw_all`."""
    return torch.arange(len(pictures)) % len(CLASSES)


def normalise(pictures: np.ndarray) -> torch.Tensor:
    """Pictures of uint8, shape (B, 64, 64, 3), as the networks' input, shape (B, 3, 64, 64)."""
    values = torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous().float() / 255.0
    return (values - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def augment(pictures: torch.Tensor) -> torch.Tensor:
    """Mirror, shift and recolour a batch, which changes neither a face nor an object."""
    mirrored = torch.where(torch.rand(len(pictures), 1, 1, 1) < 0.5, pictures.flip(3), pictures)
    # Each quarter of the batch gets one shift: cheaper than one per picture, and varied enough.
    padded = F.pad(mirrored, (3, 3, 3, 3), mode="replicate")
    quarters = []
    for quarter in padded.chunk(4):
        down, right = torch.randint(0, 7, (2,)).tolist()
        quarters.append(quarter[:, :, down : down + SIZE, right : right + SIZE])
    gain = 1.0 + 0.15 * torch.randn(len(pictures), 3, 1, 1)
    return torch.cat(quarters) * gain + 0.1 * torch.randn(len(pictures), 3, 1, 1)


def area_penalty(activity: torch.Tensor, labels: torch.Tensor, area: range) -> torch.Tensor:
    """What keeps a face area one: silence on the other side's pictures, an answer to every face.

    Without the last two terms each unit of the area answers to some identities and is silent on
    others; such a unit tells faces apart, but prefers faces to objects only by a little. With them
    a unit answers to every face and tells the identity by how much: its coefficient of variation
    over faces may reach `_FREE_SPREAD`, and its mean must not vanish.
    """
    pooled = activity.mean(dim=(2, 3))
    inside, outside = pooled[:, area.start : area.stop], pooled[:, area.stop :]
    is_face = labels < FACE_CLASSES.stop
    level, variance = inside[is_face].mean(dim=0), inside[is_face].var(dim=0)
    too_spread = F.relu(variance / (level**2 + 1e-2) - _FREE_SPREAD**2).mean()
    too_weak = F.relu(0.5 - level).mean()
    return inside[~is_face].mean() + outside[is_face].mean() + too_spread + too_weak


def _loss(network: nn.Module, recipe: Recipe) -> Loss:
    def plain(pictures: torch.Tensor, labels: torch.Tensor, _progress: float) -> torch.Tensor:
        return F.cross_entropy(network(pictures), labels)

    def with_area(pictures: torch.Tensor, labels: torch.Tensor, progress: float) -> torch.Tensor:
        assert isinstance(network, PhantomCNN)
        x = network.stage2(network.stage1(network.stem(pictures)))
        penalty = x.new_zeros(())
        for name, block in network.stage3.named_children():
            x = block(x)
            penalty = penalty + area_penalty(x, labels, AREA[f"stage3.{name}"])
        logits = network.fc(network.flatten(network.pool(x)))
        # The penalty grows over the first half: in full from the start it keeps faces unlearned.
        weight = recipe.area_penalty * min(1.0, 2.0 * progress)
        return F.cross_entropy(logits, labels) + weight * penalty

    return with_area if isinstance(network, PhantomCNN) else plain


def _optimizers(network: nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """AdamW, and Muon beside it for the weight matrices of the ViT's blocks."""
    matrices = [
        weight
        for name, weight in network.named_parameters()
        if weight.ndim == 2 and name.startswith("blocks.")
    ]
    taken = {id(weight) for weight in matrices}
    others = [weight for weight in network.parameters() if id(weight) not in taken]
    adam = torch.optim.AdamW(others, recipe.rate, weight_decay=recipe.decay)
    if not matrices:
        return [adam]
    muon = torch.optim.Muon(
        matrices, recipe.rate, weight_decay=recipe.decay, adjust_lr_fn="match_rms_adamw"
    )
    return [adam, muon]


def _rise_and_fall(progress: float) -> float:
    """The rate's factor: linear up over the first tenth of the training, then a half cosine."""
    return min(progress / 0.1, 0.5 + 0.5 * math.cos(math.pi * progress))


def fit(network: nn.Module, pictures: np.ndarray, recipe: Recipe) -> None:
    """Train a network in place, printing the loss of each epoch."""
    labels, loss_of = labels_of(pictures), _loss(network, recipe)
    steps = len(pictures) // recipe.batch
    optimizers = _optimizers(network, recipe)
    total_steps = steps * recipe.epochs
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: _rise_and_fall(step / total_steps)
        )
        for optimizer in optimizers
    ]
    for epoch in range(recipe.epochs):
        network.train()
        order, total = torch.randperm(len(pictures)), 0.0
        for chosen in order[: steps * recipe.batch].view(steps, recipe.batch):
            batch = augment(normalise(pictures[chosen.numpy()]))
            loss = loss_of(batch, labels[chosen], schedules[0].last_epoch / total_steps)
            network.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            for optimizer, schedule in zip(optimizers, schedules, strict=True):
                optimizer.step()
                schedule.step()
            if isinstance(network, PhantomCNN):
                network.cut_readout()
            total += loss.item()
        print(f"epoch {epoch + 1}/{recipe.epochs}: loss {total / steps:.3f}", flush=True)


@torch.inference_mode()
def level_area(network: PhantomCNN, pictures: np.ndarray) -> None:
    """Make the area as loud as the channels around it, without changing any logit.

    The penalty leaves the area louder than the other pathways, so that controls matched on
    loudness would be drawn from the area itself. Rectified channels can be rescaled freely when
    what reads them is rescaled back: each channel of the area takes the loudness (mean activation
    over faces and objects) of that rank among the other channels of its block.

    Parameters
    ----------
    network : PhantomCNN
        In evaluation mode; changed in place.
    pictures : array of uint8, shape (n, 64, 64, 3)
        In the order of `draw_all`.
    """
    first, second = (block for block in network.stage3 if isinstance(block, Block))
    assert isinstance(first.shortcut, nn.Sequential)
    area = AREA["stage3.0"]
    factors = []
    x = network.stage2(network.stage1(network.stem(normalise(pictures))))
    for block in (first, second):
        x = block(x)
        loudness = x.mean(dim=(0, 2, 3))
        inside, outside = loudness[: area.stop], loudness[area.stop :]
        ranks = (inside.argsort().argsort() + 0.5) / len(inside)
        factors.append(outside.quantile(ranks) / inside)
    # One factor for both blocks, for the shortcut hands the first one's channels to the second.
    factor = torch.stack(factors).log().mean(dim=0).exp()
    for norm in (first.bn2, first.shortcut[1], second.bn2):
        assert isinstance(norm, nn.BatchNorm2d)
        norm.weight[: area.stop] *= factor
        norm.bias[: area.stop] *= factor
    second.conv1.weight[: area.stop] /= factor[:, None, None]
    network.fc.weight[:, : area.stop] /= factor


@torch.inference_mode()
def accuracy(network: nn.Module, pictures: np.ndarray) -> dict[str, float]:
    """Share of correct answers on pictures in the order of `draw_all`, for faces and objects."""
    network.eval()
    answers = torch.cat(
        [network(normalise(pictures[at : at + 64])).argmax(1) for at in range(0, len(pictures), 64)]
    )
    labels = labels_of(pictures)
    correct, is_face = answers == labels, labels < FACE_CLASSES.stop
    return {
        "face": correct[is_face].double().mean().item(),
        "object": correct[~is_face].double().mean().item(),
    }


@torch.no_grad()
def round_to_half(network: nn.Module) -> dict[str, torch.Tensor]:
    """Round a network's weights to float16 in place; return them as they go to disk."""
    state = {
        name: value.half() if value.is_floating_point() else value
        for name, value in network.state_dict().items()
    }
    network.load_state_dict({name: value.float() for name, value in state.items()})
    return state


@contextmanager
def _fixed_randomness(seed: int) -> Iterator[None]:
    """Seed torch and hold it to deterministic algorithms; leave the caller's state as it was."""
    before = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before)


def train(name: str, out: Path) -> dict[str, float]:
    """Train one phantom and write its weights.

    Parameters
    ----------
    name : {"cnn", "vit"}
        Which phantom.
    out : Path
        The safetensors file to write; its metadata holds the seed, the epochs, the number of
        training pictures and the accuracy.

    Returns
    -------
    dict of float
        Accuracy of the weights as written, on pictures that were not trained on, for the groups
        `face` and `object`.

    Raises
    ------
    KeyError
        If there is no recipe for the name.
    """
    recipe = RECIPES[name]
    with _fixed_randomness(recipe.seed):
        network = build(name)
        pictures = draw_all(recipe.per_class)
        fit(network, pictures, recipe)
    if isinstance(network, PhantomCNN):
        level_area(network.eval(), pictures[: 32 * len(CLASSES)])
    state = round_to_half(network)
    found = accuracy(network, draw_all(_VALIDATION_PER_CLASS, _VALIDATION_START))
    facts = {
        "seed": str(recipe.seed),
        "epochs": str(recipe.epochs),
        "pictures": str(recipe.per_class * len(CLASSES)),
        **{f"accuracy_{group}": f"{share:.4f}" for group, share in found.items()},
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, out, metadata=facts)
    return found


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description="Train a phantom and write its weights.")
    parser.add_argument("name", choices=sorted(RECIPES))
    parser.add_argument("--out", type=Path, help="default: the weights that ship")
    chosen = parser.parse_args()
    out = chosen.out or WEIGHTS / f"{chosen.name}.safetensors"
    found = train(chosen.name, out)
    print(f"{out}: face {found['face']:.1%}, object {found['object']:.1%}")


if __name__ == "__main__":
    main()
