"""The tour through timm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import timm
from torch import nn

from tests.vision_loc.tour import N_CLASSES, Sites, Stop, Tour, Visit, arrive, transformer


def from_timm(name: str, **settings: Any) -> Callable[[], nn.Module]:
    return lambda: timm.create_model(name, num_classes=N_CLASSES, **settings)


PLAIN_TIMM = {"attn": ".attn", "mlp": ".mlp", "narrow": ".mlp.fc2"}

TOUR = {
    # Three BasicBlocks and, alone of its class, a Bottleneck (expansion 4).
    "test_resnet": Stop(
        from_timm("test_resnet"),
        64,
        "BasicBlock Bottleneck",
        Sites(4, ("layer1.0", 32), ("layer4.0", 96)),
    ),
    "regnetx_002": Stop(
        from_timm("regnetx_002"),
        64,
        "Bottleneck",
        Sites(1 + 1 + 4 + 7, ("s1.b1", 24), ("s4.b7", 368)),
    ),
    # The MLP of its blocks is made of 1x1 convolutions, channels first.
    "convnext_atto": Stop(
        from_timm("convnext_atto"),
        64,
        "ConvNeXtBlock",
        Sites(2 + 2 + 6 + 2, ("stages.0.blocks.0", 40), ("stages.3.blocks.1", 320)),
        mlp=Sites(12, ("stages.0.blocks.0.mlp", 40), ("stages.3.blocks.1.mlp", 320)),
        mlp_hidden=Sites(
            12, ("stages.0.blocks.0.mlp.fc2", 160), ("stages.3.blocks.1.mlp.fc2", 1280)
        ),
    ),
    # The same architecture with linear layers instead, channels last.
    "test_convnext": Stop(
        from_timm("test_convnext"),
        64,
        "ConvNeXtBlock",
        Sites(1 + 2 + 4 + 2, ("stages.0.blocks.0", 24), ("stages.3.blocks.1", 64)),
        mlp=Sites(9, ("stages.0.blocks.0.mlp", 24), ("stages.3.blocks.1.mlp", 64)),
        mlp_hidden=Sites(9, ("stages.0.blocks.0.mlp.fc2", 96), ("stages.3.blocks.1.mlp.fc2", 256)),
    ),
    "efficientnet_b0": Stop(
        from_timm("efficientnet_b0"),
        64,
        "DepthwiseSeparableConv InvertedResidual",
        Sites(1 + 2 + 2 + 3 + 3 + 4 + 1, ("blocks.0.0", 16), ("blocks.6.0", 320)),
    ),
    # The last stage, blocks.5.0, is a single convolution and no block.
    "mobilenetv3_small_100": Stop(
        from_timm("mobilenetv3_small_100"),
        64,
        "DepthwiseSeparableConv InvertedResidual",
        Sites(1 + 2 + 3 + 2 + 3, ("blocks.0.0", 16), ("blocks.4.2", 96)),
    ),
    "vit_tiny_patch16_224": Stop(
        from_timm("vit_tiny_patch16_224", img_size=64),
        64,
        "Block",
        **transformer(
            12, "blocks.{}", **PLAIN_TIMM, width=192, hidden=768, heads=(".attn.proj", 3)
        ),
    ),
    "deit_tiny_patch16_224": Stop(
        from_timm("deit_tiny_patch16_224", img_size=64),
        64,
        "Block",
        **transformer(
            12, "blocks.{}", **PLAIN_TIMM, width=192, hidden=768, heads=(".attn.proj", 3)
        ),
    ),
    # Attention gives one row a window; the width doubles with each stage.
    "swin_tiny_patch4_window7_224": Stop(
        from_timm("swin_tiny_patch4_window7_224", img_size=64, window_size=4),
        64,
        "SwinTransformerBlock",
        Sites(2 + 2 + 6 + 2, ("layers.0.blocks.0", 96), ("layers.3.blocks.1", 768)),
        Sites(12, ("layers.0.blocks.0.attn", 96), ("layers.3.blocks.1.attn", 768)),
        Sites(12, ("layers.0.blocks.0.mlp", 96), ("layers.3.blocks.1.mlp", 768)),
        Sites(12, ("layers.0.blocks.0.mlp.fc2", 384), ("layers.3.blocks.1.mlp.fc2", 3072)),
        Sites(12, ("layers.0.blocks.0.attn.proj", 3), ("layers.3.blocks.1.attn.proj", 24)),
    ),
    # Seven inverted residuals, and three blocks that hold 2, 4 and 3 transformer layers.
    "mobilevit_xxs": Stop(
        from_timm("mobilevit_xxs"),
        64,
        "BottleneckBlock MobileVitBlock",
        Sites(7 + 3, ("stages.0.0", 16), ("stages.4.1", 80)),
        Sites(9, ("stages.2.1.transformer.0.attn", 64), ("stages.4.1.transformer.2.attn", 96)),
        Sites(9, ("stages.2.1.transformer.0.mlp", 64), ("stages.4.1.transformer.2.mlp", 96)),
        Sites(
            9, ("stages.2.1.transformer.0.mlp.fc2", 128), ("stages.4.1.transformer.2.mlp.fc2", 192)
        ),
        Sites(
            9, ("stages.2.1.transformer.0.attn.proj", 4), ("stages.4.1.transformer.2.attn.proj", 4)
        ),
    ),
    # Each block: an inverted residual, attention in windows, attention over a grid.
    "maxvit_rmlp_pico_rw_256": Stop(
        from_timm("maxvit_rmlp_pico_rw_256", img_size=64),
        64,
        "MaxxVitBlock",
        Sites(2 + 2 + 5 + 2, ("stages.0.blocks.0", 32), ("stages.3.blocks.1", 256)),
        Sites(
            22,
            ("stages.0.blocks.0.attn_block.attn", 32),
            ("stages.3.blocks.1.attn_grid.attn", 256),
        ),
        Sites(
            22, ("stages.0.blocks.0.attn_block.mlp", 32), ("stages.3.blocks.1.attn_grid.mlp", 256)
        ),
        Sites(
            22,
            ("stages.0.blocks.0.attn_block.mlp.fc2", 128),
            ("stages.3.blocks.1.attn_grid.mlp.fc2", 1024),
        ),
        Sites(  # heads of 32 channels: in the first stage a single one
            22,
            ("stages.0.blocks.0.attn_block.attn.proj", 1),
            ("stages.3.blocks.1.attn_grid.attn.proj", 8),
        ),
    ),
    # Two stages of inverted residuals, then two of transformers, channels first.
    "coatnet_pico_rw_224": Stop(
        from_timm("coatnet_pico_rw_224", img_size=64),
        64,
        "MbConvBlock TransformerBlock2d",
        Sites(2 + 3 + 5 + 2, ("stages.0.blocks.0", 64), ("stages.3.blocks.1", 512)),
        Sites(7, ("stages.2.blocks.0.attn", 256), ("stages.3.blocks.1.attn", 512)),
        Sites(7, ("stages.2.blocks.0.mlp", 256), ("stages.3.blocks.1.mlp", 512)),
        Sites(7, ("stages.2.blocks.0.mlp.fc2", 1024), ("stages.3.blocks.1.mlp.fc2", 2048)),
    ),
    # The first MLP of a block mixes the 16 tokens, the second one the 512 channels.
    "mixer_s16_224": Stop(
        from_timm("mixer_s16_224", img_size=64),
        64,
        "MixerBlock",
        Sites(8, ("blocks.0", 512), ("blocks.7", 512)),
        None,
        Sites(16, ("blocks.0.mlp_tokens", 16), ("blocks.7.mlp_channels", 512)),
        Sites(16, ("blocks.0.mlp_tokens.fc2", 256), ("blocks.7.mlp_channels.fc2", 2048)),
    ),
    # A stage of convolutions, and three of transformers that turn their maps channels last first.
    "tiny_vit_5m_224": Stop(
        from_timm("tiny_vit_5m_224"),
        64,
        "MBConv TinyVitBlock",
        Sites(2 + 2 + 6 + 2, ("stages.0.blocks.0", 64), ("stages.3.blocks.1", 320)),
        Sites(10, ("stages.1.blocks.0.attn", 128), ("stages.3.blocks.1.attn", 320)),
        Sites(10, ("stages.1.blocks.0.mlp", 128), ("stages.3.blocks.1.mlp", 320)),
        Sites(10, ("stages.1.blocks.0.mlp.fc2", 512), ("stages.3.blocks.1.mlp.fc2", 1280)),
        Sites(10, ("stages.1.blocks.0.attn.proj", 4), ("stages.3.blocks.1.attn.proj", 10)),
    ),
}


@pytest.fixture(scope="module", params=TOUR)
def at(request: pytest.FixtureRequest) -> Visit:
    """Tests that share an architecture run one after the other, so it is built once."""
    return arrive(TOUR[request.param])


class TestTimm(Tour):
    """All of the tour, here."""
