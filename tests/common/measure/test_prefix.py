"""What comes before an ablation is computed once, and nobody can tell from the numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from common.measure.ablate import ablate
from common.measure.masks import top_percent, units_mask
from common.measure.prefix import Prefix
from common.measure.record import record
from common.measure.respond import respond_each
from common.measure.scores import SelectivityMap, welch
from common.measure.sites import Site

LINEAR = ("aten.linear.default", "aten.addmm.default")


class Awkward(nn.Module):
    """Writes in place, reads through views, keeps a branch for later, rests its dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.Linear(6, 6) for _ in range(3))
        self.norm = nn.LayerNorm(6)
        self.dropout = nn.Dropout(0.5)

    def forward(self, given: Tensor) -> Tensor:
        x = self.dropout(self.first(given))
        kept, half = x, x[:, :3]
        x += 1  # seen by `kept` and by `half`
        x = F.relu(self.second(x), inplace=True)
        x[:, 0] *= 2
        if float(half.sum()) > -1e9:  # a number that the model itself looks at
            x = x + kept
        low, high = self.norm(x).chunk(2, dim=1)
        x = self.third(torch.cat([high.sub_(half), low], dim=1))
        return x.max(dim=1, keepdim=True).values + x.square_()


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return Awkward().eval().requires_grad_(False)


@pytest.fixture
def given() -> Tensor:
    return torch.randn(4, 6, generator=torch.Generator().manual_seed(1))


def map_of(model: nn.Module, given: Tensor) -> SelectivityMap:
    where = [Site(name, shape=(6,)) for name in ("first", "second", "third")]
    with record(model, where) as recorder:
        recorder.expect([0, 0, 1, 1])
        model(given)
    return welch(recorder.group(0), recorder.group(1))


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """The operations that are really computed, by their names."""
    seen: Counter[str] = Counter()

    class Count(TorchDispatchMode):
        def __torch_dispatch__(
            self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            seen[str(operation)] += 1
            return operation(*args, **(kwargs or {}))

    with Count():
        yield seen


def n_linear(seen: Counter[str]) -> int:
    return sum(seen[name] for name in LINEAR)


@pytest.mark.parametrize("quiet", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_the_numbers_are_those_of_a_whole_pass(
    model: nn.Module, given: Tensor, layer: int, quiet: Callable[[], Any]
) -> None:
    found = map_of(model, given)
    mask = units_mask(found, [6 * layer, 6 * layer + 4])
    prefix = Prefix()
    with quiet():
        intact = model(given)
        with prefix.keep():
            assert torch.equal(model(given), intact)
        with ablate(model, mask):
            whole = model(given)
        assert not torch.equal(whole, intact)
        for _ in range(2):  # what was kept is not written into
            with counted() as seen, ablate(model, mask), prefix.reuse() as reused:
                assert torch.equal(model(given), whole)
            assert n_linear(seen) == 2 - layer  # the one that is ablated was computed before it
            assert reused.answered > layer
        with counted() as seen, prefix.reuse():
            assert torch.equal(model(given), intact)
        assert n_linear(seen) == 0
        assert torch.equal(model(given), intact)


def test_what_a_reading_hook_computes_is_none_of_it(model: nn.Module, given: Tensor) -> None:
    found = map_of(model, given)
    alone, read = Prefix(), Prefix()
    with alone.keep():
        model(given)
    every = top_percent(found, 100)
    with respond_each(model, every, found), record(model, found.sites), read.keep():
        model(given)
    assert [each.operation for each in read.steps] == [each.operation for each in alone.steps]


def test_what_is_too_large_is_left_out_from_there_on(model: nn.Module, given: Tensor) -> None:
    whole, short = Prefix(), Prefix(largest=2 * given.nbytes)
    for prefix in (whole, short):
        with prefix.keep():
            intact = model(given)
    assert 0 < short.n_bytes <= short.largest < whole.n_bytes
    assert 0 < len(short.steps) < len(whole.steps)
    with short.reuse() as reused:
        assert torch.equal(model(given), intact)
    assert 0 < reused.answered <= len(short.steps)


def test_what_is_drawn_is_drawn_again_and_so_is_what_follows(given: Tensor) -> None:
    class Drawing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            drawn = torch.rand_like(x.square())
            return F.scaled_dot_product_attention(drawn, x, x)

    model, prefix = Drawing(), Prefix()
    with prefix.keep():
        model(given)
    torch.manual_seed(5)
    with prefix.reuse() as reused:
        again = model(given)
    torch.manual_seed(5)
    assert torch.equal(again, model(given))
    assert reused.answered == 1


def test_attention_that_draws_nothing_is_not_computed_again(given: Tensor) -> None:
    prefix = Prefix()
    with torch.inference_mode():
        with prefix.keep():
            seen = F.scaled_dot_product_attention(given, given, given)
        with prefix.reuse() as reused:
            again = F.scaled_dot_product_attention(given, given, given)
    assert torch.equal(seen, again)
    assert reused.answered == 1


class Caching(nn.Module):
    """Adds in its first pass what it has at hand in all others, and goes on with the like."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = (nn.Parameter(torch.randn(6)) for _ in range(2))
        self.sum: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.sum is None:
            self.sum = self.one + self.two
        return (x + self.sum).square()


def test_a_pass_that_goes_another_way_is_computed(given: Tensor) -> None:
    model, prefix = Caching().requires_grad_(False), Prefix()
    with torch.inference_mode():
        with prefix.keep():
            first = model(given)
        with prefix.reuse() as reused:
            assert torch.equal(model(given), first)
    assert reused.answered == 0


def test_other_arguments_are_another_pass(given: Tensor) -> None:
    prefix = Prefix()
    with prefix.keep():
        given.sum(dim=0)
    with prefix.reuse() as reused:
        given.sum(dim=1)
    assert reused.answered == 0


def test_the_first_are_dropped_when_all_together_are_too_large(
    model: nn.Module, given: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Prefix(), Prefix()
    with first.keep():
        intact = model(given)
    monkeypatch.setattr("common.measure.prefix.TOGETHER", first.n_bytes)
    with second.keep():
        model(given)
    assert (first.steps, first.n_bytes) == ([], 0)
    assert second.steps
    with first.reuse() as reused:
        assert torch.equal(model(given), intact)
    assert reused.answered == 0


def test_nothing_stays_behind(model: nn.Module, given: Tensor) -> None:
    found = map_of(model, given)
    mask, prefix = units_mask(found, [7]), Prefix()
    with prefix.keep():
        model(given)
    intact = model(given)
    broken = model.third.register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError), ablate(model, mask), prefix.reuse():
        model(given)
    broken.remove()
    with counted() as seen:
        assert torch.equal(model(given), intact)
    assert n_linear(seen) == 3


def test_each_thread_has_its_own(model: nn.Module, given: Tensor) -> None:
    prefix, seen = Prefix(), []

    def elsewhere() -> None:
        with counted() as there:
            model(given)
        seen.append(n_linear(there))

    with prefix.keep():
        model(given)
    with prefix.reuse():
        thread = Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert seen == [3]
