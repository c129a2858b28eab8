"""One stimulus to try a model on, guessed from its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from common.base.heavy import torch

if TYPE_CHECKING:
    from torch import nn


def example_input(model: nn.Module) -> Any:
    """One stimulus that the model accepts, guessed from its configuration."""
    weight = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
    words = getattr(model, "dummy_inputs", None)
    if isinstance(words, Mapping) and getattr(model, "main_input_name", "") != "pixel_values":
        return {name: value[:1].to(weight.device) for name, value in words.items()}
    size = (getattr(model, "pretrained_cfg", None) or {}).get("input_size")
    config = getattr(model, "config", None)
    if size is None:
        side = getattr(config, "image_size", 224)
        sides = side if isinstance(side, (tuple, list)) else (side, side)
        size = (getattr(config, "num_channels", 3), *sides)
    return torch.zeros(1, *size, device=weight.device, dtype=weight.dtype)


def n_tokens(example: Any) -> int | None:
    """How many tokens a text has; ``None`` for anything but a text."""
    ids = example.get("input_ids") if isinstance(example, Mapping) else None
    return ids.shape[1] if isinstance(ids, torch.Tensor) else None


def doubled(example: Any) -> Any:
    """The same stimulus twice, in one batch."""
    if isinstance(example, torch.Tensor):
        return torch.cat([example, example])
    if isinstance(example, Mapping):
        return {name: doubled(value) for name, value in example.items()}
    return tuple(doubled(value) for value in example) if isinstance(example, tuple) else example
