"""The phantom's networks: `cnn` with a face area by construction, `vit` with none, `planted`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file
from torch import nn

from .draw import CLASSES, FACE_CLASSES, OBJECT_CLASSES, PATCH, planted_pattern
from .known import AREA_WIDTH, DEPTH, NAMES, PATHWAYS, PLANTED, STD, WEIGHTS, WIDTH, WIRE
from .pen import SIZE

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut, as in ResNet.

    With `groups` above one the convolutions keep the channels in separate pathways; `entry`
    tells whether the first of them and the shortcut read all channels of the stage before.
    """

    def __init__(
        self, inputs: int, outputs: int, stride: int = 1, groups: int = 1, entry: bool = False
    ) -> None:
        super().__init__()
        first = 1 if entry else groups
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, groups=first, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
        self.relu2 = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        inner = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        out: torch.Tensor = self.relu2(inner + self.shortcut(x))
        return out


class PhantomCNN(nn.Module):
    """A small residual network whose last stage holds a face area by construction.

    The last stage runs in separate pathways. The first one, `AREA`, is given to the face classes:
    the classifier reads it for these alone, and reads the other pathways for the objects alone.
    A penalty in training keeps the area silent on objects and the other pathways silent on faces,
    and makes the area answer to every face. No block before the last stage is divided.
    """

    def __init__(self) -> None:
        super().__init__()
        width = AREA_WIDTH * PATHWAYS
        self.stem = nn.Sequential(
            nn.Conv2d(3, 12, 3, 2, 1, bias=False), nn.BatchNorm2d(12), nn.ReLU()
        )
        self.stage1 = nn.Sequential(Block(12, 20, stride=2))
        self.stage2 = nn.Sequential(Block(20, 40, stride=2), Block(40, 40))
        self.stage3 = nn.Sequential(
            Block(40, width, stride=2, groups=PATHWAYS, entry=True),
            Block(width, width, groups=PATHWAYS),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(width, len(CLASSES))
        self.cut_readout()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of shape (B, 32) from normalised pictures of shape (B, 3, 64, 64)."""
        x = self.stage3(self.stage2(self.stage1(self.stem(x))))
        logits: torch.Tensor = self.fc(self.flatten(self.pool(x)))
        return logits

    @torch.no_grad()
    def cut_readout(self) -> None:
        """Set to zero what joins the area to objects and the other pathways to faces."""
        self.fc.weight[_forbidden(self.fc.weight)] = 0.0


def _forbidden(weight: torch.Tensor) -> torch.Tensor:
    """The classifier's weights that are zero by construction, boolean of its shape."""
    channels = torch.arange(weight.shape[1], device=weight.device)
    in_area = channels < AREA_WIDTH
    forbidden = torch.zeros_like(weight, dtype=torch.bool)
    forbidden[OBJECT_CLASSES.start : OBJECT_CLASSES.stop] = in_area
    forbidden[FACE_CLASSES.start : FACE_CLASSES.stop] = ~in_area
    return forbidden


def phantom_vit() -> VisionTransformer:
    """A small plain ViT over the same classes, with no area built in."""
    from timm.models.vision_transformer import VisionTransformer  # slow; the CNN needs none of it

    return VisionTransformer(
        img_size=SIZE,
        patch_size=8,
        num_classes=len(CLASSES),
        embed_dim=96,
        depth=4,
        num_heads=4,
        mlp_ratio=2.0,
    )


class PlantedBlock(nn.Module):
    """A residual MLP that hands the planted signal on.

    It takes the signal from the channels that the block before planted, puts it on its own ones,
    and mixes the noise of the other channels.
    """

    def __init__(self, before: tuple[int, ...], own: tuple[int, ...], rng: torch.Generator) -> None:
        super().__init__()
        self.fc1 = nn.Linear(WIDTH, WIDTH)
        self.act = nn.ReLU()
        self.fc2 = nn.Linear(WIDTH, WIDTH)
        self._wire(before, own, rng)

    @torch.no_grad()
    def _wire(self, before: tuple[int, ...], own: tuple[int, ...], rng: torch.Generator) -> None:
        signal = {WIRE, *(channel for path in PLANTED.values() for channel in path)}
        noise = [channel for channel in range(WIDTH) if channel not in signal]
        for parameter in self.parameters():
            parameter.zero_()
        # Hidden unit 0 carries the wire's signal, the others random mixtures of pure noise.
        self.fc1.weight[0, WIRE] = 1.0
        mixing = torch.randn(WIDTH - 1, len(noise), generator=rng, dtype=torch.float32)
        self.fc1.weight[1:, noise] = (mixing / len(noise) ** 0.5).to(self.fc1.weight.dtype)
        mixing = torch.randn(len(noise), WIDTH - 1, generator=rng, dtype=torch.float32)
        self.fc2.weight[noise, 1:] = (0.5 * mixing / WIDTH**0.5).to(self.fc2.weight.dtype)
        for channel in before:
            self.fc2.weight[channel, 0] -= 1.0
        for channel in own:
            self.fc2.weight[channel, 0] += 1.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map tokens of shape (B, T, 64) to tokens of the same shape."""
        inner: torch.Tensor = self.fc2(self.act(self.fc1(x)))
        return x + inner


class Planted(nn.Module):
    """An untrained network with units wired by hand to answer to one condition.

    A matched filter finds the pattern that only target pictures hold; the wire carries its answer
    from block to block, and each block adds it to the noise of its own planted channels. All other
    filters are orthogonal to the pattern, so that all other channels see the same noise in both
    conditions. The pattern is in every patch, so every token answers, the class token included.

    Classes: 0 control, 1 target. The head reads the planted channels of the last block from the
    class token, so without them the target class is lost.
    """

    def __init__(self) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(0)
        self.patch_embed = nn.Conv2d(3, WIDTH, PATCH, PATCH, bias=False)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        own = [channels[1:] for channels in PLANTED.values()]
        self.blocks = nn.Sequential(
            *(PlantedBlock(a, b, rng) for a, b in zip([(), *own], own, strict=False))
        )
        self.head = nn.Linear(WIDTH, 2)
        self._wire_ends(rng)
        self.requires_grad_(False)

    @torch.no_grad()
    def _wire_ends(self, rng: torch.Generator) -> None:
        pattern = torch.from_numpy(planted_pattern()).permute(2, 0, 1).flatten().float()
        pattern = pattern / pattern.norm()
        filters = torch.randn(WIDTH, pattern.numel(), generator=rng, dtype=torch.float32)
        filters -= (filters @ pattern)[:, None] * pattern
        filters /= filters.norm(dim=1, keepdim=True)
        filters[WIRE] = pattern
        # Scaled so that a picture's noise, of 20 grey levels, gives each filter a deviation of 1.
        scale = 255.0 * STD[0] / 20.0
        self.patch_embed.weight.copy_((scale * filters).view_as(self.patch_embed.weight))
        read = list(PLANTED[f"blocks.{DEPTH - 1}"])
        self.head.weight.zero_()
        self.head.bias.zero_()
        self.head.weight[1, read] = 1.0 / len(read)
        self.head.bias[0] = 5.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of shape (B, 2) from normalised pictures of shape (B, 3, 64, 64)."""
        patches = self.patch_embed(x).flatten(2).transpose(1, 2)
        first = self.cls_token + patches.mean(dim=1, keepdim=True)
        tokens = self.blocks(torch.cat([first, patches], dim=1))
        logits: torch.Tensor = self.head(tokens[:, 0])
        return logits


_BUILD: dict[str, Callable[[], nn.Module]] = {
    "cnn": PhantomCNN,
    "vit": phantom_vit,
    "planted": Planted,
}


def build(name: str) -> nn.Module:
    """Build a phantom without its trained weights.

    Parameters
    ----------
    name : {"cnn", "vit", "planted"}
        Which network. `cnn` and `vit` are initialised from torch's global random state;
        `planted` is always the same.

    Returns
    -------
    nn.Module
        Takes pictures of shape (B, 3, 64, 64), normalised with `MEAN` and `STD`; returns logits
        of shape (B, n_classes), 32 for `cnn` and `vit`, 2 for `planted`.

    Raises
    ------
    ValueError
        If there is no such phantom.
    """
    if name not in _BUILD:
        raise ValueError(f"there is no phantom {name!r}; there are {', '.join(NAMES)}")
    return _BUILD[name]()


def load(name: str) -> nn.Module:
    """Build a phantom with the weights that ship with it, in evaluation mode.

    Parameters
    ----------
    name : {"cnn", "vit", "planted"}
        Which network.

    Returns
    -------
    nn.Module
        As from `build`; its parameters are float32.

    Raises
    ------
    ValueError
        If there is no such phantom.
    FileNotFoundError
        If the weights are missing; `python -m vision_loc.phantom.train NAME` makes them.
    """
    network = build(name)
    if name != "planted":
        load_weights(network, WEIGHTS / f"{name}.safetensors")
    return network.eval()


def load_weights(network: nn.Module, path: Path) -> None:
    """Load weights from a safetensors file into a network of float32, casting them up."""
    if not path.is_file():
        raise FileNotFoundError(
            f"no weights at {path}; make them with: python -m vision_loc.phantom.train {path.stem}"
        )
    state = load_file(path)
    network.load_state_dict(
        {
            name: value.float() if value.is_floating_point() else value
            for name, value in state.items()
        }
    )
