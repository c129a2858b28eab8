"""Sites are asked for: by pattern, with an example or one that is guessed, the model left alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from common import Survey, sites
from common.base.errors import SiteError
from tests.common.measure.surveyed import (
    FOUND,
    LanguageModel,
    OptLayer,
    ResNet,
    listed,
    pixels,
    survey_of,
)

# --- patterns ---


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("layer1.0", ["layer1.0:output"]),
        ("layer?.0", ["layer1.0:output", "layer2.0:output"]),
        ("layer1.?.conv1", ["layer1.0.conv1:output", "layer1.1.conv1:output"]),
        ("layer2.0,layer1.1", ["layer1.1:output", "layer2.0:output"]),
        ("layer2.0, layer2.0:output", ["layer2.0:output"]),
        ("layer2.0.conv1:input", ["layer2.0.conv1:input"]),
        ("fc:input,stem.0:output", ["stem.0:output", "fc:input"]),
        ("*.conv2:input", [f"layer{i}.conv2:input" for i in ("1.0", "1.1", "2.0")]),
    ],
)
def test_patterns_give_sites_in_running_order(pattern: str, found: list[str]) -> None:
    assert [str(site) for site in sites(ResNet(), pattern=pattern, example=pixels())] == found


def test_an_input_has_the_channels_of_what_comes_in() -> None:
    (place,) = survey_of("resnet").matching("layer2.0.conv1:input")
    assert (place.channels, place.shape, place.axis) == (8, (8, 8, 8), 1)


@pytest.mark.parametrize("pattern", ["layer3.*", "LAYER1.0", "", "layer1.0,", "layer9:input"])
def test_a_pattern_that_matches_nothing_is_an_error(pattern: str) -> None:
    with pytest.raises(SiteError, match=r"`sites` .*: no such module"):
        survey_of("resnet").matching(pattern)


@pytest.mark.parametrize("pattern", ["layer1.0:outptu", "layer1.0:0", "layer1.0:input:output"])
def test_a_pattern_with_a_bad_end_is_an_error(pattern: str) -> None:
    with pytest.raises(SiteError, match="after the colon comes input or output"):
        survey_of("resnet").matching(pattern)


# --- the model is left as it was ---


def test_the_training_mode_of_every_module_is_restored() -> None:
    model = ResNet().train()
    model.layer1.eval()
    model.dropout.eval()
    before = {path: module.training for path, module in model.named_modules()}
    statistics = model.layer2[0].bn1.running_mean.clone()
    Survey(model, pixels())
    assert {path: module.training for path, module in model.named_modules()} == before
    assert torch.equal(model.layer2[0].bn1.running_mean, statistics)


def test_the_training_mode_is_restored_after_an_error() -> None:
    model = ResNet().train()
    with pytest.raises(RuntimeError):
        Survey(model, torch.zeros(1, 4, 8, 8))
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize("guard", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_sites_are_found_under_any_grad_mode(guard: Callable[[], Any]) -> None:
    with guard():
        found = sites(ResNet().eval(), example=pixels())
    assert listed(found) == FOUND["resnet"]["block"]


def test_an_example_made_in_inference_mode_will_do() -> None:
    with torch.inference_mode():
        example = pixels() * 1
    assert listed(sites(ResNet().eval(), example=example)) == FOUND["resnet"]["block"]


# --- the example ---


def test_the_example_is_guessed_from_the_models_configuration() -> None:
    model = ResNet()
    seen: list[tuple[int, ...]] = []
    model.stem.register_forward_pre_hook(lambda _m, args: seen.append(tuple(args[0].shape)))
    model.pretrained_cfg = {"input_size": (3, 12, 16)}
    sites(model)
    assert seen == [(1, 3, 12, 16), (2, 3, 12, 16)]


def test_without_a_configuration_the_example_is_a_usual_picture() -> None:
    (first, *_) = sites(ResNet(), "op")
    assert first.shape == (8, 224, 224)


def test_words_are_taken_from_dummy_inputs() -> None:
    model = LanguageModel(OptLayer)
    model.dummy_inputs = {"input_ids": torch.tensor([[7, 6, 0], [1, 2, 3]])}
    assert sites(model)[0].shape == (3, 6)


def test_the_guessed_example_has_the_precision_of_the_model() -> None:
    model = ResNet().double()
    model.pretrained_cfg = {"input_size": (3, 8, 8)}
    assert listed(sites(model)) == FOUND["resnet"]["block"]


def test_a_tuple_of_arguments_is_an_example() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two, self.head = nn.Linear(2, 3), nn.Linear(4, 3), nn.Linear(3, 1)

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return self.head(self.one(x) + self.two(y))

    found = Survey(Two(), (torch.zeros(1, 2), torch.zeros(1, 4))).offered("op")
    assert listed(found) == [("one:output", 3), ("two:output", 3)]
