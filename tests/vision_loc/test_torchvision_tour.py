"""The tour through torchvision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchvision
from torch import nn

from common import Survey
from tests.vision_loc.tour import N_CLASSES, Sites, Stop, Tour, Visit, arrive, transformer


def from_torchvision(name: str, **settings: Any) -> Callable[[], nn.Module]:
    return lambda: torchvision.models.get_model(name, num_classes=N_CLASSES, **settings)


TOUR = {
    # One activation module a block, used twice in it.
    "resnet18": Stop(
        from_torchvision("resnet18"),
        64,
        "BasicBlock",
        Sites(8, ("layer1.0", 64), ("layer4.1", 512)),
    ),
    # Plain chains: a block is a nonlinearity (in place).
    "vgg11": Stop(
        from_torchvision("vgg11", init_weights=False),
        64,
        "ReLU",
        Sites(8 + 2, ("features.1", 64), ("classifier.4", 4096)),
    ),
    "alexnet": Stop(
        from_torchvision("alexnet"),
        64,
        "ReLU",
        Sites(5 + 2, ("features.1", 64), ("classifier.5", 4096)),
    ),
    "densenet121": Stop(
        from_torchvision("densenet121"),
        64,
        "_DenseBlock",
        Sites(4, ("features.denseblock1", 256), ("features.denseblock4", 1024)),
    ),
    # Three InceptionA, one B, four C, one D, two E; the auxiliary head rests.
    "inception_v3": Stop(
        from_torchvision("inception_v3", init_weights=False),
        96,
        "InceptionA InceptionB InceptionC InceptionD InceptionE",
        Sites(3 + 1 + 4 + 1 + 2, ("Mixed_5b", 256), ("Mixed_7c", 2048)),
    ),
    "squeezenet1_1": Stop(
        from_torchvision("squeezenet1_1"),
        64,
        "Fire",
        Sites(8, ("features.3", 128), ("features.12", 512)),
    ),
    # Fused attention: nothing inside self_attention ever fires.
    "vit_b_16": Stop(
        from_torchvision("vit_b_16", image_size=64),
        64,
        "EncoderBlock",
        **transformer(
            12,
            "encoder.layers.encoder_layer_{}",
            ".self_attention",
            ".mlp",
            ".mlp.3",
            width=768,
            hidden=3072,
        ),
    ),
    # Channels last throughout.
    "swin_t": Stop(
        from_torchvision("swin_t"),
        64,
        "SwinTransformerBlock",
        Sites(12, ("features.1.0", 96), ("features.7.1", 768)),
        Sites(12, ("features.1.0.attn", 96), ("features.7.1.attn", 768)),
        Sites(12, ("features.1.0.mlp", 96), ("features.7.1.mlp", 768)),
        Sites(12, ("features.1.0.mlp.3", 384), ("features.7.1.mlp.3", 3072)),
    ),
    "mobilenet_v3_small": Stop(
        from_torchvision("mobilenet_v3_small"),
        64,
        "InvertedResidual",
        Sites(11, ("features.1", 16), ("features.11", 96)),
    ),
    "regnet_x_400mf": Stop(
        from_torchvision("regnet_x_400mf"),
        64,
        "ResBottleneckBlock",
        Sites(
            1 + 2 + 7 + 12,
            ("trunk_output.block1.block1-0", 32),
            ("trunk_output.block4.block4-11", 400),
        ),
    ),
}


@pytest.fixture(scope="module", params=TOUR)
def at(request: pytest.FixtureRequest) -> Visit:
    """Tests that share an architecture run one after the other, so it is built once."""
    return arrive(TOUR[request.param])


class TestTorchvision(Tour):
    """All of the tour, here."""


def test_fused_attention_is_left_out_with_a_reason() -> None:
    model = torchvision.models.VisionTransformer(64, 16, 2, 4, 32, 48, num_classes=N_CLASSES)
    survey = Survey(model.eval(), torch.zeros(1, 3, 64, 64))
    inside = "encoder.layers.encoder_layer_0.self_attention.out_proj"
    assert survey.left_out[inside] == "never fires in a forward pass"
