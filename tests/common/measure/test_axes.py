"""Where the channels of a block are, in one, two and three dimensions; and plain networks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from common import sites
from common.base.errors import SiteError

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


class Block(nn.Module):
    """A residual block by hand, of as many dimensions as are wanted."""

    def __init__(self, d: int, normed: bool) -> None:
        super().__init__()
        self.one = CONVOLUTIONS[d](8, 8, 3, padding=1)
        self.two = CONVOLUTIONS[d](8, 8, 3, padding=1)
        self.norm = NORMS[d](8) if normed else nn.Identity()
        self.act = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.norm(self.two(self.act(self.one(x))))


class Mixer(nn.Module):
    """A block whose channels are last, though it convolves along its positions."""

    def __init__(self) -> None:
        super().__init__()
        self.along = nn.Conv1d(8, 8, 3, padding=1)
        self.across = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.along(x.transpose(1, 2)).transpose(1, 2)
        return x + self.across(x)


@pytest.mark.parametrize("normed", [False, True])
@pytest.mark.parametrize("room", [(12,), (8,), (6, 6), (8, 8), (4, 6, 6), (8, 8, 8)])
def test_convolution_blocks_have_their_channels_first(room: tuple[int, ...], normed: bool) -> None:
    blocks = nn.Sequential(*(Block(len(room), normed) for _ in range(3))).eval()
    inside = nn.Sequential(nn.ReLU(), blocks, nn.Flatten())
    for model, begins in ((blocks, ""), (inside.eval(), "1.")):
        found = sites(model, "block", example=torch.zeros(1, 8, *room))
        assert [site.module for site in found] == [f"{begins}{number}" for number in range(3)]
        assert {(site.axis, site.channels) for site in found} == {(1, 8)}
        assert {site.shape for site in found} == {(8, *room)}


def test_blocks_of_sequences_have_them_last() -> None:
    model = nn.Sequential(*(Mixer() for _ in range(3))).eval()
    found = sites(model, "block", example=torch.zeros(1, 12, 8))
    assert {(site.axis, site.channels) for site in found} == {(2, 8)}
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    found = sites(encoder, "block", example=torch.zeros(1, 12, 8))
    assert {(site.axis, site.channels) for site in found} == {(2, 8)}


class Padded(nn.Module):
    """An encoder that is told which positions are padding."""

    def __init__(self, nested: bool) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=nested)

    def forward(self, x: torch.Tensor, padding: torch.Tensor) -> torch.Tensor:
        return self.encoder(x, src_key_padding_mask=padding)


@pytest.mark.filterwarnings("ignore:.*nested tensors")
def test_nested_tensors_are_refused_by_what_makes_them() -> None:
    example = (torch.randn(1, 6, 8), torch.arange(6)[None] > 3)
    with pytest.raises(SiteError, match="enable_nested_tensor=False"):
        sites(Padded(True).eval(), "block", example=example)
    found = sites(Padded(False).eval(), "block", example=example)
    assert [site.module for site in found] == ["encoder.layers.0", "encoder.layers.1"]
