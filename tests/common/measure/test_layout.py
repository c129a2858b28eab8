"""The fastest layout: found by trying, left as if nobody had tried."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from common.measure import layout
from common.measure.layout import Layout, fastest_layout, in_layout, layouts_of


@pytest.fixture
def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 8, 3), nn.Flatten()
    ).eval()


def is_last(module: nn.Module) -> bool:
    weight = next(module.parameters())
    return weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()


def test_channels_last_gives_the_same_up_to_rounding(net: nn.Sequential) -> None:
    pixels = torch.randn(4, 3, 12, 12)
    with torch.inference_mode():
        plain = net[:4](pixels)
        with in_layout(net, "channels_last"):
            last = net[:4](pixels)
            assert last.is_contiguous(memory_format=torch.channels_last)  # it really was another
    torch.testing.assert_close(last, plain, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("fails", [False, True])
def test_afterwards_the_weights_lie_where_they_lay(net: nn.Sequential, fails: bool) -> None:
    before = {name: (each.data_ptr(), each.stride()) for name, each in net.state_dict().items()}

    def compute() -> None:
        with in_layout(net, "channels_last"):
            assert is_last(net)
            if fails:
                raise KeyError

    if fails:
        with pytest.raises(KeyError):
            compute()
    else:
        compute()
    after = {name: (each.data_ptr(), each.stride()) for name, each in net.state_dict().items()}
    assert after == before


def test_only_convolutions_have_a_second_one(net: nn.Sequential) -> None:
    assert layouts_of(net) == ("plain", "channels_last")
    assert layouts_of(nn.Linear(3, 3)) == ["plain"]


@pytest.mark.parametrize(
    ("plain", "last", "times", "found"),
    [
        (1.0, 0.6, 10, "channels_last"),
        (1.0, 0.95, 10, "plain"),  # not worth it
        (1.0, 1.4, 10, "plain"),
        (0.01, 0.006, 10, "plain"),  # over before one has tried
    ],
)
def test_the_faster_is_found_where_it_is_worth_it(
    net: nn.Sequential,
    monkeypatch: pytest.MonkeyPatch,
    plain: float,
    last: float,
    times: int,
    found: Layout,
) -> None:
    now, tried = [0.0], []
    monkeypatch.setattr(layout, "perf_counter", lambda: now[0])

    def compute() -> None:
        tried.append(is_last(net))
        now[0] += last if tried[-1] else plain

    chosen, seconds = fastest_layout(net, compute, times)
    assert chosen == found
    assert seconds["plain"] == pytest.approx(plain)
    assert (True in tried) == ("channels_last" in seconds) == (plain * times >= 3)
    assert len(tried) <= 12
    assert not is_last(net)
