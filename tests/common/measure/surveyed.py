"""Small modules whose places are plain to see, and what a survey finds in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from common import Site, Survey
from common.measure.sites import Kind


class Residual(nn.Module):
    """One activation module, in place, used twice; 3x3 convolutions."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.downsample = nn.Conv2d(inputs, outputs, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv2(self.relu(self.bn1(self.conv1(x))))
        inner += self.downsample(x)
        return self.relu(inner)


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), nn.ReLU(inplace=True))
        self.layer1 = nn.Sequential(Residual(8, 8), Residual(8, 8))
        self.layer2 = nn.Sequential(Residual(8, 12, 2))
        self.unused = nn.Linear(12, 12)
        self.dropout = nn.Dropout()
        self.fc = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.dropout(self.layer2(self.layer1(self.stem(x))).mean((2, 3))))


class SelfAttention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.softmax = nn.Softmax(-1)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        q, k, v = self.qkv(x).chunk(3, -1)
        weights = self.softmax(q @ k.transpose(1, 2))
        return self.out_proj(weights @ v), weights


class OptLayer(nn.Module):
    """Pre-norm, with the two linear layers of the MLP straight in the block."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attn = SelfAttention(width)
        self.fc1, self.act, self.fc2 = nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.norm1(x))[0]
        return x + self.fc2(self.act(self.fc1(self.norm2(x))))


class GatedMLP(nn.Module):
    """As in Llama: down(act(gate(x)) * up(x))."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate_proj, self.up_proj = nn.Linear(width, hidden), nn.Linear(width, hidden)
        self.act, self.down_proj = nn.SiLU(), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(self.act(self.gate_proj(x)) * self.up_proj(x))


class LlamaLayer(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attn, self.mlp = SelfAttention(width), GatedMLP(width, hidden)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        x = x + self.self_attn(self.norm1(x))[0]
        return (x + self.mlp(self.norm2(x)),)


class FusedLayer(nn.Module):
    """Fused attention, which reads the weights of its inner layer without ever calling it."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mix = nn.MultiheadAttention(width, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        x = x + self.mix(y, y, y, need_weights=False)[0]
        return x + self.mlp(x)


class LanguageModel(nn.Module):
    def __init__(self, layer: Callable[[int, int], nn.Module]) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 6)
        self.layers = nn.ModuleList(layer(6, 10) for _ in range(3))
        self.norm = nn.LayerNorm(6)
        self.head = nn.Linear(6, 20)

    def forward(self, input_ids: Tensor) -> dict[str, Tensor]:
        x = self.embed(input_ids)
        for layer in self.layers:
            out = layer(x)
            x = out[0] if isinstance(out, tuple) else out
        return {"logits": self.head(self.norm(x))}


def chain() -> nn.Sequential:
    """Like VGG: convolutions and in-place nonlinearities in a row."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 7, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(7 * 16, 9),
        nn.Tanh(),
        nn.Linear(9, 2),
    )


def pixels(n: int = 1) -> Tensor:
    return torch.randn(n, 3, 8, 8, generator=torch.Generator().manual_seed(0))


WORDS = {"input_ids": torch.arange(7)[None]}
MODELS: dict[str, tuple[Callable[[], nn.Module], Any]] = {
    "resnet": (ResNet, pixels()),
    "opt": (lambda: LanguageModel(OptLayer), WORDS),
    "llama": (lambda: LanguageModel(LlamaLayer), WORDS),
    "fused": (lambda: LanguageModel(FusedLayer), WORDS),
    "chain": (chain, pixels()),
}


def survey_of(name: str) -> Survey:
    build, example = MODELS[name]
    return Survey(build().eval(), example)


def listed(found: list[Site]) -> list[tuple[str, int]]:
    return [(str(site), site.channels) for site in found]


def each_layer(inner: str, channels: int) -> list[tuple[str, int]]:
    return [(f"layers.{i}{inner}", channels) for i in range(3)]


FOUND: dict[str, dict[Kind, list[tuple[str, int]]]] = {
    "resnet": {
        "block": [("layer1.0:output", 8), ("layer1.1:output", 8), ("layer2.0:output", 12)],
        "attn": [],
        "mlp": [],
        "mlp_hidden": [],
    },
    "opt": {
        "block": each_layer(":output", 6),
        "attn": each_layer(".self_attn:output", 6),
        "mlp": each_layer(".fc2:output", 6),
        "mlp_hidden": each_layer(".fc2:input", 10),
    },
    "llama": {
        "block": each_layer(":output", 6),
        "attn": each_layer(".self_attn:output", 6),
        "mlp": each_layer(".mlp:output", 6),
        "mlp_hidden": each_layer(".mlp.down_proj:input", 10),
    },
    "fused": {
        "block": each_layer(":output", 6),
        "attn": each_layer(".mix:output", 6),
        "mlp": each_layer(".mlp:output", 6),
        "mlp_hidden": each_layer(".mlp.2:input", 10),
    },
    "chain": {
        "block": [("1:output", 4), ("4:output", 7), ("7:output", 9)],
        "attn": [],
        "mlp": [],
        "mlp_hidden": [],
    },
}
