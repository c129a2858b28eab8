"""Weights that are set to zero: the model computes with them, and every bit is put back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from common import Mask, ablate
from common.base.errors import SettingError
from common.measure import zeroed
from common.measure.passes import Passes
from common.measure.prefix import Prefix
from common.measure.sites import WEIGHT
from common.measure.weights import weight_sites
from tests.common.measure.hooked import Tied, images, small
from tests.common.measure.test_prefix import counted, n_linear

PIXELS = images(14)


def bits(model: nn.Module) -> dict[str, bytes]:
    return {
        name: each.detach().contiguous().view(torch.uint8).numpy().tobytes()
        for name, each in model.named_parameters()
    }


def of(model: nn.Module, *names: str, units: tuple[int, ...] = (0, 2, 3)) -> Mask:
    """A mask of these numbers of each tensor."""
    sites = tuple(weight_sites(model, ",".join(f"{name}:all" for name in names)))
    starts = np.cumsum([0, *(site.n_units(WEIGHT) for site in sites)])[:-1]
    chosen = np.concatenate([start + np.array(units) for start in starts])
    return Mask("top", 1.0, None, sites, WEIGHT, chosen)


def test_zeroed_weights_are_zero_and_the_model_computes_with_them() -> None:
    net, wanted = small(), small()
    mask = of(net, "block1.conv1.weight", "head.bias")
    with torch.no_grad():
        wanted.block1.conv1.weight.view(-1)[[0, 2, 3]] = 0
        wanted.head.bias[[0, 2, 3]] = 0
    before = bits(net)
    with ablate(net, mask), torch.inference_mode():
        assert torch.equal(net(PIXELS), wanted(PIXELS))
        assert bits(net) == bits(wanted) != before
    assert bits(net) == before


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("quiet", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_every_bit_comes_back(dtype: torch.dtype, quiet: Callable[[], Any]) -> None:
    """Also that of a negative zero, of not-a-numbers with a load, of infinities."""
    net = small(dtype)
    width = torch.tensor([], dtype=dtype).element_size()
    whole = {2: torch.int16, 4: torch.int32, 8: torch.int64}[width]
    odd = torch.tensor([-0.0, torch.nan, torch.inf, 1e-7], dtype=dtype)
    with torch.no_grad():
        net.head.weight.view(-1)[:4] = odd
        net.head.weight.view(whole).view(-1)[1] += 5  # another not-a-number
        net.block1.conv1.weight.data = net.block1.conv1.weight.data.to(
            memory_format=torch.channels_last
        )
    before = bits(net)
    mask = of(net, "head.weight", "block1.conv1.weight", units=(0, 1, 2, 3, 23))
    with quiet(), ablate(net, mask):
        assert not net.head.weight.view(-1)[:4].any()
    assert bits(net) == before
    assert not net.block1.conv1.weight.is_contiguous()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, GeneratorExit, SystemExit])
def test_bits_are_back_after_an_exception_in_mid_pass(error: type[BaseException]) -> None:
    net = small()
    before, mask = bits(net), of(net, "stem.weight", "block2.conv1.weight")

    def stop(*_: Any) -> None:
        assert bits(net) != before
        raise error

    handle = net.trap.register_forward_hook(stop)
    with pytest.raises(error), ablate(net, mask):
        net(PIXELS)
    handle.remove()
    assert bits(net) == before


@pytest.mark.parametrize("at", range(8))
def test_bits_are_back_wherever_an_interrupt_comes(
    at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every write there is, the one of the way back among them, and twice in a row."""
    net = small()
    before, mask = bits(net), of(net, "stem.weight", "block1.conv1.weight", "head.bias")
    write, count = zeroed.Kept._write, 0

    def interrupted(kept: zeroed.Kept, values: Tensor) -> None:
        nonlocal count
        count += 1
        if count in (at, at + 1):
            if at % 2:
                write(kept, values)  # before the write, or after it
            raise KeyboardInterrupt
        write(kept, values)

    monkeypatch.setattr(zeroed.Kept, "_write", interrupted)
    if at == 0:
        at = -1  # never
    stopped = False
    try:
        with ablate(net, mask):
            net(PIXELS)
    except KeyboardInterrupt:
        stopped = True
    assert stopped == (1 <= at + 1 <= 7)
    assert bits(net) == before


def test_masks_nest_and_share_weights() -> None:
    net = small()
    before = bits(net)
    outer, inner = (of(net, "head.weight", units=units) for units in ((0, 1, 2), (1, 2, 9)))
    with ablate(net, outer):
        between = bits(net)
        with ablate(net, inner):
            assert not net.head.weight.view(-1)[[0, 1, 2, 9]].any()
        assert bits(net) == between
    assert bits(net) == before


@pytest.fixture
def tied() -> Tied:
    torch.manual_seed(0)
    return Tied().eval().requires_grad_(False)


def test_a_tied_weight_is_zero_wherever_it_is_read(tied: Tied) -> None:
    before = bits(tied)
    with ablate(tied, of(tied, "first.weight")):
        assert tied.last.weight is tied.first.weight
        assert not tied.last.weight.view(-1)[[0, 2, 3]].any()
    assert bits(tied) == before


@pytest.mark.parametrize("overlap", [0, 3])
def test_tensors_that_share_memory_get_their_first_values_back(tied: Tied, overlap: int) -> None:
    """Both names of a number are masked: the second one meets the zero of the first."""
    whole = torch.randn(6, 6)
    tied.first.weight = tied.last.weight = nn.Parameter(whole, requires_grad=False)
    tied.inner.weight = nn.Parameter(whole[overlap:], requires_grad=False)
    before = bits(tied)
    for names in (("first.weight", "inner.weight"), ("inner.weight",), ("first.weight",)):
        with ablate(tied, of(tied, *names, units=(0, 2, 3, 17))):
            assert bits(tied) != before
        assert bits(tied) == before
    with ExitStack() as stack:
        for name in ("first.weight", "inner.weight", "first.weight"):
            stack.enter_context(ablate(tied, of(tied, name, units=(0, 2, 17))))
    assert bits(tied) == before


def test_weights_are_set_to_zero_and_to_nothing_else() -> None:
    net = small()
    with (
        pytest.raises(SettingError, match="`ablation`: a weight is set to zero"),
        ablate(net, of(net, "head.weight"), "mean"),
    ):
        pass


# --- many masks, one pass ---


class Backwards(nn.Module):
    """Runs its layers in another order than that of its parameters, one of them as a function."""

    def __init__(self) -> None:
        super().__init__()
        self.third, self.second, self.first = (nn.Linear(6, 6) for _ in range(3))
        self.table = nn.Parameter(torch.randn(6, 6))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        x = torch.relu(self.second(x)) @ self.table.T
        return self.third(x)


@pytest.mark.parametrize(
    ("names", "n"),
    [
        (("first.weight",), 3),
        (("second.weight",), 2),
        (("third.weight",), 1),
        (("table",), 1),
        (("third.weight", "first.weight"), 3),
        (("third.weight", "second.bias"), 2),
    ],
)
@pytest.mark.parametrize("quiet", [torch.no_grad, torch.inference_mode])
def test_a_pass_begins_where_the_first_masked_weight_is_read(
    names: tuple[str, ...], n: int, quiet: Callable[[], Any]
) -> None:
    torch.manual_seed(0)
    net = Backwards().eval().requires_grad_(False)
    given = torch.randn(4, 6)
    mask = of(net, *names)
    before = bits(net)
    with quiet():
        with ablate(net, mask):
            whole = net(given)
        prefix = Prefix(net, lambda: net(given), mask.sites)
        for _ in range(2):
            with counted() as seen:
                assert torch.equal(prefix.under(mask), whole)
            assert n_linear(seen) == n
        assert not torch.equal(prefix.under(of(net, "first.bias")), whole)
        with torch.no_grad():
            net.second.weight += 1  # somebody else's edit is noticed
        assert not torch.equal(prefix.under(of(net, "third.bias")), whole)
        with torch.no_grad():
            net.second.weight -= 1
    assert bits(net).keys() == before.keys()


def test_a_tied_weight_counts_from_where_it_is_read_first(tied: Tied) -> None:
    given = torch.randn(4, 6)
    masks = [of(tied, "inner.weight"), of(tied, "first.weight"), of(tied, "last.bias"), None]
    with torch.inference_mode():
        wholes = []
        for mask in masks:
            with ExitStack() as stack:
                if mask is not None:
                    stack.enter_context(ablate(tied, mask))
                wholes.append(tied(given))
        for _ in range(2):
            every = Passes(tied, masks)(lambda: tied(given))
            assert all(map(torch.equal, every, wholes))
