"""What makes a model of one's own the same one: its weights, its code, and what neither says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import Tensor, nn
from torchvision import transforms as T

from common.base.errors import ModelError, RunError
from vision_loc import phantom
from vision_loc.notebook import experiment, vision_model
from vision_loc.preprocess import noise
from vision_loc.settings import Settings
from vision_loc.stimuli import pixel_store
from vision_loc.stimuli.pictures import Picture


class Scaled(nn.Module):
    """A temperature that is no parameter."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        return self.by * x


class Cut:
    """A transform as people write it, without a text of its own."""

    def __init__(self, at: int) -> None:
        self.at = at

    def __call__(self, picture: Image.Image) -> Image.Image:
        return picture.crop((self.at, self.at, self.at + 16, self.at + 16))


def net(part: nn.Module) -> nn.Sequential:
    made = nn.Sequential(nn.Conv2d(3, 4, 3), part, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    for each in made.parameters():
        nn.init.constant_(each, 0.1)
    return made


def fingerprint(module: nn.Module) -> str:
    mine = experiment(vision_model(module, size=16), "mine")
    return mine.front.load(Settings(mine.name, device="cpu"))[1].fingerprint


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (nn.ReLU(), nn.GELU()),
        (nn.LeakyReLU(0.1), nn.LeakyReLU(0.2)),
        (Scaled(1.0), Scaled(2.0)),
    ],
)
def test_networks_of_the_same_weights_that_compute_something_else_are_two(
    one: nn.Module, other: nn.Module
) -> None:
    assert fingerprint(net(one)) == fingerprint(net(one))
    assert fingerprint(net(one)) != fingerprint(net(other))


def test_a_buffer_that_is_not_saved_is_a_part_of_the_model() -> None:
    one, two = net(nn.ReLU()), net(nn.ReLU())
    one.register_buffer("fixed", Tensor([1.0]), persistent=False)
    two.register_buffer("fixed", Tensor([2.0]), persistent=False)
    assert fingerprint(one) != fingerprint(two)


def left(picture: Image.Image) -> Image.Image:
    return picture.crop((0, 0, 16, 16))


def right(picture: Image.Image) -> Image.Image:
    return picture.crop((20, 20, 36, 36))


@pytest.mark.parametrize("pair", [(T.Lambda(left), T.Lambda(right)), (Cut(0), Cut(20))])
def test_pixels_are_kept_for_the_transform_that_made_them(
    pair: tuple[Callable[..., Any], ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FUNCLOC_CACHE", str(tmp_path))
    monkeypatch.setenv("FUNCLOC_PIXELS", "1")
    picture = Picture("one", "a", lambda: noise(60, 50))
    for stage in pair:
        made = vision_model(net(nn.ReLU()), transform=T.Compose([stage, T.ToTensor()]))
        kept = pixel_store([picture], ["the same picture"], made.preprocess)[0]
        assert np.array_equal(kept.transpose(1, 2, 0), made.preprocess.geometry(noise(60, 50)))


def test_a_description_does_not_say_where_in_memory_a_transform_lies() -> None:
    one, two = (
        vision_model(net(nn.ReLU()), transform=T.Compose([Cut(3), T.ToTensor()])) for _ in range(2)
    )
    assert one.preprocess.description == two.preprocess.description
    assert " at 0x" not in one.preprocess.description


def test_a_transform_that_is_drawn_by_chance_is_refused() -> None:
    by_chance = T.Compose([T.Resize((16, 16)), T.RandomHorizontalFlip(), T.ToTensor()])
    with pytest.raises(ModelError, match="drawn by chance, as for training"):
        vision_model(net(nn.ReLU()), transform=by_chance)


def test_a_map_under_another_transform_is_another_evaluation(tmp_path: Path) -> None:
    at = 0

    def made() -> Any:
        cut = T.Compose([Cut(at), T.ToTensor()])
        return vision_model(phantom.load("planted"), transform=cut)

    mine, how = experiment(made, "mine"), {"controls": "", "top": "6.25", "items": "1"}
    mine.localize(localizer="phantom-planted:pattern", untrained_seeds=0, out=tmp_path / "map")
    where = {"evaluation": "phantom-planted", "out": tmp_path / "e"}
    mine.evaluate(tmp_path / "map", **where, **how)
    assert mine.evaluate(tmp_path / "map", **where, **how)[2]
    at = 8
    with pytest.raises(RunError, match=r"holds another run .*preprocessing"):
        mine.evaluate(tmp_path / "map", **where, **how)
