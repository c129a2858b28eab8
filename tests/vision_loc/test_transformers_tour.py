"""The tour through transformers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import transformers
from torch import nn

from tests.vision_loc.tour import N_CLASSES, Sites, Stop, Tour, Visit, arrive, transformer


def from_transformers(name: str, **settings: Any) -> Callable[[], nn.Module]:
    config = getattr(transformers, f"{name}Config")
    model = getattr(transformers, f"{name}ForImageClassification")
    return lambda: model(config(num_labels=N_CLASSES, **settings))


PLAIN_HF = {"attn": ".attention", "mlp": ".mlp", "narrow": ".mlp.fc2"}
TINY_VIT = {
    "image_size": 32,
    "patch_size": 8,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
}

TOUR = {
    "ViT": Stop(
        from_transformers("ViT", **TINY_VIT),
        32,
        "ViTLayer",
        **transformer(
            3, "vit.layers.{}", **PLAIN_HF, width=32, hidden=48, heads=(".attention.o_proj", 4)
        ),
        keyword=True,
    ),
    "DeiT": Stop(
        from_transformers("DeiT", **TINY_VIT),
        32,
        "DeiTLayer",
        **transformer(
            3, "deit.layers.{}", **PLAIN_HF, width=32, hidden=48, heads=(".attention.o_proj", 4)
        ),
        keyword=True,
    ),
    # Its table of relative positions is inside attention, and no answer to any stimulus.
    "Beit": Stop(
        from_transformers("Beit", **TINY_VIT, use_relative_position_bias=True),
        32,
        "BeitLayer",
        **transformer(
            3, "beit.layers.{}", **PLAIN_HF, width=32, hidden=48, heads=(".attention.o_proj", 4)
        ),
        keyword=True,
    ),
    "Swin": Stop(
        from_transformers(
            "Swin",
            image_size=32,
            patch_size=2,
            embed_dim=16,
            depths=[2, 2],
            num_heads=[2, 4],
            window_size=4,
        ),
        32,
        "SwinLayer",
        Sites(4, ("swin.encoder.layers.0.blocks.0", 16), ("swin.encoder.layers.1.blocks.1", 32)),
        Sites(
            4,
            ("swin.encoder.layers.0.blocks.0.attention", 16),
            ("swin.encoder.layers.1.blocks.1.attention", 32),
        ),
        Sites(
            4,
            ("swin.encoder.layers.0.blocks.0.mlp", 16),
            ("swin.encoder.layers.1.blocks.1.mlp", 32),
        ),
        Sites(
            4,
            ("swin.encoder.layers.0.blocks.0.mlp.fc2", 64),
            ("swin.encoder.layers.1.blocks.1.mlp.fc2", 128),
        ),
        Sites(
            4,
            ("swin.encoder.layers.0.blocks.0.attention.o_proj", 2),
            ("swin.encoder.layers.1.blocks.1.attention.o_proj", 4),
        ),
        keyword=True,
    ),
    "ResNet": Stop(
        from_transformers(
            "ResNet", embedding_size=8, hidden_sizes=[8, 16], depths=[1, 2], layer_type="basic"
        ),
        32,
        "ResNetBasicLayer",
        Sites(3, ("resnet.encoder.stages.0.layers.0", 8), ("resnet.encoder.stages.1.layers.1", 16)),
        keyword=True,
    ),
    # Linear layers straight in the block, with no module for the MLP around them.
    "ConvNext": Stop(
        from_transformers("ConvNext", hidden_sizes=[8, 16], depths=[1, 2], num_stages=2),
        32,
        "ConvNextLayer",
        Sites(
            3, ("convnext.encoder.stages.0.layers.0", 8), ("convnext.encoder.stages.1.layers.1", 16)
        ),
        mlp=Sites(
            3,
            ("convnext.encoder.stages.0.layers.0.pwconv2", 8),
            ("convnext.encoder.stages.1.layers.1.pwconv2", 16),
        ),
        mlp_hidden=Sites(
            3,
            ("convnext.encoder.stages.0.layers.0.pwconv2", 32),
            ("convnext.encoder.stages.1.layers.1.pwconv2", 64),
        ),
        keyword=True,
    ),
}


@pytest.fixture(scope="module", params=TOUR)
def at(request: pytest.FixtureRequest) -> Visit:
    """Tests that share an architecture run one after the other, so it is built once."""
    return arrive(TOUR[request.param])


class TestTransformers(Tour):
    """All of the tour, here."""
