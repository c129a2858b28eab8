"""The tour: architectures with random weights, and the places that each of them has.

The table below was written from the architectures' sources, before the program saw them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import timm
import torch
import torchvision
import transformers
from torch import Tensor, nn

from common import Mask, Site, Survey, ablate, record, top_percent, welch
from common.measure.prefix import Prefix
from common.measure.sites import KINDS, Kind

N_CLASSES = 10
GROUPS = [0, 0, 1, 1]
FEW = 2  # pictures, where no group is held against another


@dataclass(frozen=True)
class Sites:
    """How many sites of a kind there are, and module and channels (or heads) of first and last."""

    n: int
    first: tuple[str, int]
    last: tuple[str, int]


@dataclass(frozen=True)
class Stop:
    """One architecture: how it is made, how large its pictures are, and what it has."""

    build: Callable[[], nn.Module]
    size: int
    block: Sites
    attn: Sites | None = None
    mlp: Sites | None = None
    mlp_hidden: Sites | None = None
    head: Sites | None = None
    keyword: bool = False


def from_timm(name: str, **settings: Any) -> Callable[[], nn.Module]:
    return lambda: timm.create_model(name, num_classes=N_CLASSES, **settings)


def from_torchvision(name: str, **settings: Any) -> Callable[[], nn.Module]:
    return lambda: torchvision.models.get_model(name, num_classes=N_CLASSES, **settings)


def from_transformers(name: str, **settings: Any) -> Callable[[], nn.Module]:
    config = getattr(transformers, f"{name}Config")
    model = getattr(transformers, f"{name}ForImageClassification")
    return lambda: model(config(num_labels=N_CLASSES, **settings))


def transformer(
    n: int,
    blocks: str,
    attn: str,
    mlp: str,
    narrow: str,
    width: int,
    hidden: int,
    heads: tuple[str, int] | None = None,
) -> dict[str, Sites | None]:
    """The sites of `n` equal blocks; `blocks` is the path of one, with {} for its number."""

    def all_of(inner: str, channels: int) -> Sites:
        path = blocks + inner
        return Sites(n, (path.format(0), channels), (path.format(n - 1), channels))

    return {
        "block": all_of("", width),
        "attn": all_of(attn, width),
        "mlp": all_of(mlp, width),
        "mlp_hidden": all_of(narrow, hidden),
        "head": None if heads is None else all_of(*heads),
    }


PLAIN_TIMM = {"attn": ".attn", "mlp": ".mlp", "narrow": ".mlp.fc2"}
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
    # --- timm ---
    # Three BasicBlocks and, alone of its class, a Bottleneck (expansion 4).
    "timm/test_resnet": Stop(
        from_timm("test_resnet"), 64, Sites(4, ("layer1.0", 32), ("layer4.0", 96))
    ),
    "timm/regnetx_002": Stop(
        from_timm("regnetx_002"), 64, Sites(1 + 1 + 4 + 7, ("s1.b1", 24), ("s4.b7", 368))
    ),
    # The MLP of its blocks is made of 1x1 convolutions, channels first.
    "timm/convnext_atto": Stop(
        from_timm("convnext_atto"),
        64,
        Sites(2 + 2 + 6 + 2, ("stages.0.blocks.0", 40), ("stages.3.blocks.1", 320)),
        mlp=Sites(12, ("stages.0.blocks.0.mlp", 40), ("stages.3.blocks.1.mlp", 320)),
        mlp_hidden=Sites(
            12, ("stages.0.blocks.0.mlp.fc2", 160), ("stages.3.blocks.1.mlp.fc2", 1280)
        ),
    ),
    # The same architecture with linear layers instead, channels last.
    "timm/test_convnext": Stop(
        from_timm("test_convnext"),
        64,
        Sites(1 + 2 + 4 + 2, ("stages.0.blocks.0", 24), ("stages.3.blocks.1", 64)),
        mlp=Sites(9, ("stages.0.blocks.0.mlp", 24), ("stages.3.blocks.1.mlp", 64)),
        mlp_hidden=Sites(9, ("stages.0.blocks.0.mlp.fc2", 96), ("stages.3.blocks.1.mlp.fc2", 256)),
    ),
    "timm/efficientnet_b0": Stop(
        from_timm("efficientnet_b0"),
        64,
        Sites(1 + 2 + 2 + 3 + 3 + 4 + 1, ("blocks.0.0", 16), ("blocks.6.0", 320)),
    ),
    # The last stage, blocks.5.0, is a single convolution and no block.
    "timm/mobilenetv3_small_100": Stop(
        from_timm("mobilenetv3_small_100"),
        64,
        Sites(1 + 2 + 3 + 2 + 3, ("blocks.0.0", 16), ("blocks.4.2", 96)),
    ),
    "timm/vit_tiny_patch16_224": Stop(
        from_timm("vit_tiny_patch16_224", img_size=64),
        64,
        **transformer(
            12, "blocks.{}", **PLAIN_TIMM, width=192, hidden=768, heads=(".attn.proj", 3)
        ),
    ),
    "timm/deit_tiny_patch16_224": Stop(
        from_timm("deit_tiny_patch16_224", img_size=64),
        64,
        **transformer(
            12, "blocks.{}", **PLAIN_TIMM, width=192, hidden=768, heads=(".attn.proj", 3)
        ),
    ),
    # Attention gives one row a window; the width doubles with each stage.
    "timm/swin_tiny_patch4_window7_224": Stop(
        from_timm("swin_tiny_patch4_window7_224", img_size=64, window_size=4),
        64,
        Sites(2 + 2 + 6 + 2, ("layers.0.blocks.0", 96), ("layers.3.blocks.1", 768)),
        Sites(12, ("layers.0.blocks.0.attn", 96), ("layers.3.blocks.1.attn", 768)),
        Sites(12, ("layers.0.blocks.0.mlp", 96), ("layers.3.blocks.1.mlp", 768)),
        Sites(12, ("layers.0.blocks.0.mlp.fc2", 384), ("layers.3.blocks.1.mlp.fc2", 3072)),
        Sites(12, ("layers.0.blocks.0.attn.proj", 3), ("layers.3.blocks.1.attn.proj", 24)),
    ),
    # Seven inverted residuals, and three blocks that hold 2, 4 and 3 transformer layers.
    "timm/mobilevit_xxs": Stop(
        from_timm("mobilevit_xxs"),
        64,
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
    "timm/maxvit_rmlp_pico_rw_256": Stop(
        from_timm("maxvit_rmlp_pico_rw_256", img_size=64),
        64,
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
    "timm/coatnet_pico_rw_224": Stop(
        from_timm("coatnet_pico_rw_224", img_size=64),
        64,
        Sites(2 + 3 + 5 + 2, ("stages.0.blocks.0", 64), ("stages.3.blocks.1", 512)),
        Sites(7, ("stages.2.blocks.0.attn", 256), ("stages.3.blocks.1.attn", 512)),
        Sites(7, ("stages.2.blocks.0.mlp", 256), ("stages.3.blocks.1.mlp", 512)),
        Sites(7, ("stages.2.blocks.0.mlp.fc2", 1024), ("stages.3.blocks.1.mlp.fc2", 2048)),
    ),
    # The first MLP of a block mixes the 16 tokens, the second one the 512 channels.
    "timm/mixer_s16_224": Stop(
        from_timm("mixer_s16_224", img_size=64),
        64,
        Sites(8, ("blocks.0", 512), ("blocks.7", 512)),
        None,
        Sites(16, ("blocks.0.mlp_tokens", 16), ("blocks.7.mlp_channels", 512)),
        Sites(16, ("blocks.0.mlp_tokens.fc2", 256), ("blocks.7.mlp_channels.fc2", 2048)),
    ),
    # A stage of convolutions, and three of transformers that turn their maps channels last first.
    "timm/tiny_vit_5m_224": Stop(
        from_timm("tiny_vit_5m_224"),
        64,
        Sites(2 + 2 + 6 + 2, ("stages.0.blocks.0", 64), ("stages.3.blocks.1", 320)),
        Sites(10, ("stages.1.blocks.0.attn", 128), ("stages.3.blocks.1.attn", 320)),
        Sites(10, ("stages.1.blocks.0.mlp", 128), ("stages.3.blocks.1.mlp", 320)),
        Sites(10, ("stages.1.blocks.0.mlp.fc2", 512), ("stages.3.blocks.1.mlp.fc2", 1280)),
        Sites(10, ("stages.1.blocks.0.attn.proj", 4), ("stages.3.blocks.1.attn.proj", 10)),
    ),
    # --- torchvision ---
    # One activation module a block, used twice in it.
    "torchvision/resnet18": Stop(
        from_torchvision("resnet18"), 64, Sites(8, ("layer1.0", 64), ("layer4.1", 512))
    ),
    # Plain chains: a block is a nonlinearity (in place).
    "torchvision/vgg11": Stop(
        from_torchvision("vgg11", init_weights=False),
        64,
        Sites(8 + 2, ("features.1", 64), ("classifier.4", 4096)),
    ),
    "torchvision/alexnet": Stop(
        from_torchvision("alexnet"), 64, Sites(5 + 2, ("features.1", 64), ("classifier.5", 4096))
    ),
    "torchvision/densenet121": Stop(
        from_torchvision("densenet121"),
        64,
        Sites(4, ("features.denseblock1", 256), ("features.denseblock4", 1024)),
    ),
    # Three InceptionA, one B, four C, one D, two E; the auxiliary head rests.
    "torchvision/inception_v3": Stop(
        from_torchvision("inception_v3", init_weights=False),
        96,
        Sites(3 + 1 + 4 + 1 + 2, ("Mixed_5b", 256), ("Mixed_7c", 2048)),
    ),
    "torchvision/squeezenet1_1": Stop(
        from_torchvision("squeezenet1_1"), 64, Sites(8, ("features.3", 128), ("features.12", 512))
    ),
    # Fused attention: nothing inside self_attention ever fires.
    "torchvision/vit_b_16": Stop(
        from_torchvision("vit_b_16", image_size=64),
        64,
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
    "torchvision/swin_t": Stop(
        from_torchvision("swin_t"),
        64,
        Sites(12, ("features.1.0", 96), ("features.7.1", 768)),
        Sites(12, ("features.1.0.attn", 96), ("features.7.1.attn", 768)),
        Sites(12, ("features.1.0.mlp", 96), ("features.7.1.mlp", 768)),
        Sites(12, ("features.1.0.mlp.3", 384), ("features.7.1.mlp.3", 3072)),
    ),
    "torchvision/mobilenet_v3_small": Stop(
        from_torchvision("mobilenet_v3_small"),
        64,
        Sites(11, ("features.1", 16), ("features.11", 96)),
    ),
    "torchvision/regnet_x_400mf": Stop(
        from_torchvision("regnet_x_400mf"),
        64,
        Sites(
            1 + 2 + 7 + 12,
            ("trunk_output.block1.block1-0", 32),
            ("trunk_output.block4.block4-11", 400),
        ),
    ),
    # --- transformers ---
    "transformers/ViT": Stop(
        from_transformers("ViT", **TINY_VIT),
        32,
        **transformer(
            3, "vit.layers.{}", **PLAIN_HF, width=32, hidden=48, heads=(".attention.o_proj", 4)
        ),
        keyword=True,
    ),
    "transformers/DeiT": Stop(
        from_transformers("DeiT", **TINY_VIT),
        32,
        **transformer(
            3, "deit.layers.{}", **PLAIN_HF, width=32, hidden=48, heads=(".attention.o_proj", 4)
        ),
        keyword=True,
    ),
    # Its table of relative positions is inside attention, and no answer to any stimulus.
    "transformers/Beit": Stop(
        from_transformers("Beit", **TINY_VIT, use_relative_position_bias=True),
        32,
        **transformer(
            3, "beit.layers.{}", **PLAIN_HF, width=32, hidden=48, heads=(".attention.o_proj", 4)
        ),
        keyword=True,
    ),
    "transformers/Swin": Stop(
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
    "transformers/ResNet": Stop(
        from_transformers(
            "ResNet", embedding_size=8, hidden_sizes=[8, 16], depths=[1, 2], layer_type="basic"
        ),
        32,
        Sites(3, ("resnet.encoder.stages.0.layers.0", 8), ("resnet.encoder.stages.1.layers.1", 16)),
        keyword=True,
    ),
    # Linear layers straight in the block, with no module for the MLP around them.
    "transformers/ConvNext": Stop(
        from_transformers("ConvNext", hidden_sizes=[8, 16], depths=[1, 2], num_stages=2),
        32,
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
def stop(request: pytest.FixtureRequest) -> str:
    """Tests that share an architecture run one after the other, so it is built once."""
    visit.cache_clear()
    halves.cache_clear()
    return request.param


@cache
def visit(name: str) -> tuple[Stop, nn.Module, Survey]:
    chosen = TOUR[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = chosen.build().eval().requires_grad_(False)
        wake(model)
    return chosen, model, Survey(model, picture(chosen, 1))


def wake(model: nn.Module) -> None:
    """Undo initialisations that silence a branch, so that every unit can matter."""
    for parameter in model.parameters():
        if parameter.abs().max() < 1e-3:
            parameter.normal_(0, 0.1)


def picture(chosen: Stop, n: int) -> Tensor | dict[str, Tensor]:
    random = torch.Generator().manual_seed(3)
    pixels = torch.randn(n, 3, chosen.size, chosen.size, generator=random)
    return {"pixel_values": pixels} if chosen.keyword else pixels


def logits_of(model: nn.Module, pixels: Tensor | dict[str, Tensor]) -> Tensor:
    with torch.inference_mode():
        out = model(**pixels) if isinstance(pixels, Mapping) else model(pixels)
    return out if isinstance(out, Tensor) else out.logits


def facts(found: list[Site]) -> Sites | None:
    if not found:
        return None
    first, last = found[0], found[-1]
    n_first, n_last = (site.n_units("channel") for site in (first, last))
    return Sites(len(found), (first.module, n_first), (last.module, n_last))


def test_the_tour_finds_what_the_source_says(stop: str) -> None:
    chosen, _, survey = visit(stop)
    for kind in KINDS[:-1]:
        assert facts(survey.offered(kind)) == getattr(chosen, kind), kind


def test_every_site_fires_once_and_reading_it_changes_nothing(stop: str) -> None:
    chosen, model, survey = visit(stop)
    everywhere = [site for kind in KINDS for site in survey.offered(kind)]
    pixels = picture(chosen, FEW)
    with record(model, everywhere) as recorder:
        under = logits_of(model, pixels)
    assert torch.equal(under, logits_of(model, pixels))
    for site in everywhere:
        assert recorder.moments[site].count == FEW
        assert recorder.moments[site].mean.shape == (site.n_units("channel"),)


# What the architectures' own sources call a block, by the names of its classes.
OWN_BLOCKS = {
    "timm/test_resnet": "BasicBlock Bottleneck",
    "timm/regnetx_002": "Bottleneck",
    "timm/convnext_atto": "ConvNeXtBlock",
    "timm/test_convnext": "ConvNeXtBlock",
    "timm/efficientnet_b0": "DepthwiseSeparableConv InvertedResidual",
    "timm/mobilenetv3_small_100": "DepthwiseSeparableConv InvertedResidual",
    "timm/vit_tiny_patch16_224": "Block",
    "timm/deit_tiny_patch16_224": "Block",
    "timm/swin_tiny_patch4_window7_224": "SwinTransformerBlock",
    "timm/mobilevit_xxs": "BottleneckBlock MobileVitBlock",
    "timm/maxvit_rmlp_pico_rw_256": "MaxxVitBlock",
    "timm/coatnet_pico_rw_224": "MbConvBlock TransformerBlock2d",
    "timm/mixer_s16_224": "MixerBlock",
    "timm/tiny_vit_5m_224": "MBConv TinyVitBlock",
    "torchvision/resnet18": "BasicBlock",
    "torchvision/vgg11": "ReLU",
    "torchvision/alexnet": "ReLU",
    "torchvision/densenet121": "_DenseBlock",
    "torchvision/inception_v3": "InceptionA InceptionB InceptionC InceptionD InceptionE",
    "torchvision/squeezenet1_1": "Fire",
    "torchvision/vit_b_16": "EncoderBlock",
    "torchvision/swin_t": "SwinTransformerBlock",
    "torchvision/mobilenet_v3_small": "InvertedResidual",
    "torchvision/regnet_x_400mf": "ResBottleneckBlock",
    "transformers/ViT": "ViTLayer",
    "transformers/DeiT": "DeiTLayer",
    "transformers/Beit": "BeitLayer",
    "transformers/Swin": "SwinLayer",
    "transformers/ResNet": "ResNetBasicLayer",
    "transformers/ConvNext": "ConvNextLayer",
}


def test_blocks_are_those_of_the_architectures_own_definition(stop: str) -> None:
    _, model, survey = visit(stop)
    own = OWN_BLOCKS[stop].split()
    wanted = {path for path, module in model.named_modules() if type(module).__name__ in own}
    assert {site.module for site in survey.of_kind("block")} == wanted
    depths = getattr(getattr(model, "config", None), "depths", None)
    layers = getattr(getattr(model, "config", None), "num_hidden_layers", None)
    if stop.startswith("transformers/"):
        assert len(wanted) == (layers if depths is None else sum(depths))


def width_of(module: nn.Module) -> int | None:
    if isinstance(module, nn.LayerNorm):
        return module.normalized_shape[-1]
    names = ("out_channels", "out_features", "num_features", "num_channels")
    return next((getattr(module, name) for name in names if hasattr(module, name)), None)


def test_channels_are_the_width_of_the_layer(stop: str) -> None:
    _, model, survey = visit(stop)
    widths = {
        site.module: (site.channels, width_of(model.get_submodule(site.module)))
        for site in survey.offered("op")
        if not list(model.get_submodule(site.module).children())
    }
    known = {path: pair for path, pair in widths.items() if pair[1] is not None}
    assert len(known) >= 7
    assert {path: pair for path, pair in known.items() if pair[0] != pair[1]} == {}


def test_hidden_units_are_what_the_narrowing_layer_takes(stop: str) -> None:
    _, model, survey = visit(stop)
    for site in survey.offered("mlp_hidden"):
        layer = model.get_submodule(site.module)
        taken = layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels
        assert (site.end, site.channels) == ("input", taken)


def test_positions_and_channels_are_told_apart_in_a_map(stop: str) -> None:
    """What is left of a map when its channel axis is taken away is as wide as it is high."""
    _, _, survey = visit(stop)
    for kind in KINDS:
        for site in survey.offered(kind):
            if len(site.shape) == 3 and site.fold == 1:
                rest = [n for axis, n in enumerate(site.shape, 1) if axis != site.axis]
                assert rest[0] == rest[1], f"{site} {site.shape} axis {site.axis}"


@cache
def halves(name: str) -> tuple[dict[Kind, Mask], Prefix[Tensor]]:
    """The more selective half of the middle site of each kind, and the pass that they share."""
    chosen, model, survey = visit(name)
    middle = {kind: found[len(found) // 2] for kind in KINDS if (found := survey.offered(kind))}
    pixels = picture(chosen, len(GROUPS))
    with record(model, [*middle.values()]) as recorder:
        recorder.expect(GROUPS)
        logits_of(model, pixels)
    one, other = recorder.group(0), recorder.group(1)
    masks = {
        kind: top_percent(welch({site: one[site]}, {site: other[site]}), 50)
        for kind, site in middle.items()
    }
    for kind, mask in masks.items():
        assert (
            len(mask)
            == mask.counts()[middle[kind]]
            == max(1, round(middle[kind].n_units("channel") / 2))
        )
    few = picture(chosen, FEW)
    prefix = Prefix(model, lambda: logits_of(model, few), [*middle.values()])
    assert torch.equal(prefix.intact, logits_of(model, few))
    return masks, prefix


@pytest.mark.parametrize("kind", KINDS)
def test_ablating_half_of_a_site_changes_the_logits(stop: str, kind: Kind) -> None:
    chosen, model, _ = visit(stop)
    masks, prefix = halves(stop)
    if kind not in masks:
        assert kind != "op"
        assert getattr(chosen, kind) is None
        return
    mask, pixels, intact = masks[kind], picture(chosen, FEW), prefix.intact
    with ablate(model, mask):
        ablated = logits_of(model, pixels)
    assert not torch.equal(ablated, intact)
    assert torch.equal(prefix.under(mask), ablated)
    assert prefix.n_whole == 0
    with ablate(model, mask, by=1.0):
        assert torch.equal(logits_of(model, pixels), intact)
    assert torch.equal(logits_of(model, pixels), intact)


def test_fused_attention_is_left_out_with_a_reason() -> None:
    chosen = TOUR["torchvision/vit_b_16"]
    model = torchvision.models.VisionTransformer(64, 16, 2, 4, 32, 48, num_classes=N_CLASSES)
    survey = Survey(model.eval(), picture(chosen, 1))
    inside = "encoder.layers.encoder_layer_0.self_attention.out_proj"
    assert survey.left_out[inside] == "never fires in a forward pass"
