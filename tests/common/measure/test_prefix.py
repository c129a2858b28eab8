"""What comes before an ablation is computed once, and nobody can tell from the numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from threading import Thread
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from common.measure.ablate import ablate
from common.measure.masks import units_mask
from common.measure.passes import Passes
from common.measure.prefix import Prefix
from common.measure.record import record
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


@pytest.mark.parametrize("by", ["zero", 0.5])
@pytest.mark.parametrize("quiet", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_the_numbers_are_those_of_a_whole_pass(
    model: nn.Module, given: Tensor, layer: int, quiet: Callable[[], Any], by: Any
) -> None:
    found = map_of(model, given)
    mask = units_mask(found, [6 * layer, 6 * layer + 4])
    with quiet():
        intact = model(given)
        with ablate(model, mask, by):
            whole = model(given)
        assert not torch.equal(whole, intact)
        prefix = Prefix(model, lambda: model(given), found.sites)
        assert torch.equal(prefix.intact, intact)
        for _ in range(2):  # what was kept is not written into
            with counted() as seen:
                assert torch.equal(prefix.under(mask, by), whole)
            assert n_linear(seen) == 2 - layer  # the one that is ablated was computed before it
        assert prefix.n_whole == 0
        assert torch.equal(model(given), intact)


def test_masks_that_begin_nowhere_known_are_computed_whole(model: nn.Module, given: Tensor) -> None:
    found = map_of(model, given)
    prefix = Prefix(model, lambda: model(given), found.sites[1:])
    mask = units_mask(found, [0, 13])  # in the first and the third site
    with ablate(model, mask):
        whole = model(given)
    assert torch.equal(prefix.under(mask), whole)
    assert prefix.n_whole == 1


def test_a_mask_over_many_sites_begins_at_its_first(model: nn.Module, given: Tensor) -> None:
    """That no mask begins at its later sites is no reason to compute it whole."""
    found = map_of(model, given)
    masks = [units_mask(found, [2, 9, 15]), units_mask(found, [1, 14]), units_mask(found, [3, 16])]
    masks += [units_mask(found, [4, 10])]
    alone = []
    for mask in masks:
        with ablate(model, mask):
            alone.append(model(given))
    passes = Passes(model, masks)
    with counted() as seen:
        together = [*passes(lambda: model(given), given.shape)]
    assert all(map(torch.equal, together, alone))
    # Three intact passes (plain, read past torch, kept), and each mask's from its second layer on.
    assert n_linear(seen) == 3 * 3 + len(masks) * 2


def test_masks_in_another_order_than_the_model_are_computed_whole(
    model: nn.Module, given: Tensor
) -> None:
    whole_order = map_of(model, given)
    where = [Site(name, shape=(6,)) for name in ("third", "first")]
    with record(model, where) as recorder:
        recorder.expect([0, 0, 1, 1])
        model(given)
    found = welch(recorder.group(0), recorder.group(1))
    assert found.sites[0] != whole_order.sites[0]
    mask = units_mask(found, [0, 8])
    with ablate(model, mask):
        whole = model(given)
    prefix = Prefix(model, lambda: model(given), found.sites)
    assert torch.equal(prefix.under(mask), whole)
    assert prefix.n_whole == 1


def test_memory_is_bounded_and_an_earlier_site_serves(model: nn.Module, given: Tensor) -> None:
    found = map_of(model, given)
    free = Prefix(model, lambda: model(given), found.sites)
    tight = Prefix(model, lambda: model(given), found.sites, memory=free.n_bytes - 1)
    none = Prefix(model, lambda: model(given), found.sites, memory=0)
    assert none.n_bytes == 0 < tight.n_bytes < free.n_bytes
    for units in ([2], [8], [14]):
        mask = units_mask(found, units)
        with ablate(model, mask):
            whole = model(given)
        for prefix in (free, tight, none):
            assert torch.equal(prefix.under(mask), whole)
    assert (free.n_whole, none.n_whole) == (0, 3)
    assert tight.n_whole < 3


def test_a_plan_serves_all_batches_of_a_shape(model: nn.Module, given: Tensor) -> None:
    found, plans = map_of(model, given), {}  # type: ignore[var-annotated]
    mask = units_mask(found, [8])
    passes = Counter[str]()
    count = model.register_forward_hook(lambda *_: passes.update(["pass"]))
    for number, batch in enumerate((given, given + 1, given[:2], given[2:])):
        passes.clear()
        run = partial(model, batch)
        prefix = Prefix(model, run, found.sites, plans=plans, key=batch.shape)
        assert passes["pass"] == (3 if number in (0, 2) else 1)
        with ablate(model, mask):
            whole = model(batch)
        assert torch.equal(prefix.under(mask), whole)
        assert prefix.n_whole == 0
    count.remove()


def test_edited_weights_are_noticed(model: nn.Module, given: Tensor) -> None:
    found = map_of(model, given)
    mask = units_mask(found, [14])
    prefix = Prefix(model, lambda: model(given), found.sites)
    with torch.no_grad():
        model.get_submodule("first").weight[0] += 1
    with ablate(model, mask):
        whole = model(given)
    assert torch.equal(prefix.under(mask), whole)
    assert torch.equal(prefix.intact, model(given))


def test_a_reader_gets_numbers(model: nn.Module, given: Tensor) -> None:
    """Before the boundary there are none, so that a pass that is read is computed whole."""
    found = map_of(model, given)
    mask = units_mask(found, [14])
    prefix = Prefix(model, lambda: model(given), found.sites)
    with record(model, found.sites) as there, ablate(model, mask):
        model(given)
    with record(model, found.sites) as here:
        prefix.under(mask)
    for site in found.sites:
        assert np.array_equal(here.moments[site].mean, there.moments[site].mean)
    assert prefix.n_whole == 1


def test_an_outer_ablation_counts_as_the_model(model: nn.Module, given: Tensor) -> None:
    found = map_of(model, given)
    outer, inner = units_mask(found, [1]), units_mask(found, [8])
    with ablate(model, outer):
        with ablate(model, inner):
            whole = model(given)
        prefix = Prefix(model, lambda: model(given), found.sites)
        assert torch.equal(prefix.under(inner), whole)


class Drawing(nn.Module):
    """Draws between its two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.second(x + torch.rand_like(x))


def test_what_is_drawn_is_drawn_again(given: Tensor) -> None:
    torch.manual_seed(0)
    model = Drawing().requires_grad_(False)
    where = [Site(name, shape=(6,)) for name in ("first", "second")]
    with record(model, where) as recorder:
        recorder.expect([0, 0, 1, 1])
        model(given)
    found = welch(recorder.group(0), recorder.group(1))
    prefix = Prefix(model, lambda: model(given), where)
    for units in ([1], [7]):
        mask = units_mask(found, units)
        torch.manual_seed(5)
        with ablate(model, mask):
            whole = model(given)
        torch.manual_seed(5)
        assert torch.equal(prefix.under(mask), whole)
    assert prefix.n_whole == 1  # the second layer stands behind the draw


class Attending(nn.Module):
    """Attention between two layers; its dropout rests."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)[None, None]
        seen: Tensor = self.second(F.scaled_dot_product_attention(x, x, x))
        return seen


def test_attention_that_draws_nothing_is_not_computed_again(given: Tensor) -> None:
    model = Attending().requires_grad_(False)
    site = Site("second", shape=(1, 4, 6), axis=3)
    with torch.inference_mode(), record(model, [site]) as recorder:
        model(given)
        model(given + 1)
    found = welch(recorder.moments, recorder.moments)
    prefix = Prefix(model, lambda: model(given), [site])
    prefix.under(units_mask(found, [1]))
    assert prefix.n_whole == 0


class Caching(nn.Module):
    """Adds in its first pass what it has at hand in all others, and goes on with the like."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = (nn.Parameter(torch.randn(6)) for _ in range(2))
        self.last = nn.Linear(6, 6)
        self.sum: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.sum is None:
            self.sum = self.one + self.two
        found: Tensor = self.last((x + self.sum).square())
        return found


def test_a_pass_that_goes_another_way_is_computed(given: Tensor) -> None:
    model = Caching().requires_grad_(False)
    site = Site("last", shape=(6,))
    with torch.inference_mode():
        prefix = Prefix(model, lambda: model(given), [site])
        first = prefix.intact
        with record(model, [site]) as recorder:
            model(given)
        mask = units_mask(welch(recorder.moments, recorder.moments), [2])
        with ablate(model, mask):
            whole = model(given)
        assert torch.equal(prefix.under(mask), whole)
        assert torch.equal(model(given), first)


class Listing(nn.Module):
    """Looks at its own numbers past torch."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        found: Tensor = self.second(x * max(x[0].tolist()))
        return found


def test_numbers_that_are_read_past_torch_are_computed(given: Tensor) -> None:
    model = Listing().requires_grad_(False)
    site = Site("second", shape=(6,))
    with torch.no_grad(), record(model, [site]) as recorder:
        model(given)
        mask = units_mask(welch(recorder.moments, recorder.moments), [2])
        with ablate(model, mask):
            whole = model(given)
        prefix = Prefix(model, lambda: model(given), [site])
        assert torch.equal(prefix.under(mask), whole)
    assert prefix.n_whole == 1


def test_nothing_stays_behind(model: nn.Module, given: Tensor) -> None:
    found = map_of(model, given)
    mask = units_mask(found, [7])
    intact = model(given)
    prefix = Prefix(model, lambda: model(given), found.sites)
    broken = model.get_submodule("third").register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        prefix.under(mask)
    broken.remove()
    with counted() as seen:
        assert torch.equal(model(given), intact)
    assert n_linear(seen) == 3


def test_each_thread_has_its_own(model: nn.Module, given: Tensor) -> None:
    found, seen, other = map_of(model, given), [], deepcopy(model)

    def elsewhere() -> None:
        with counted() as there:
            other(given)
        seen.append(n_linear(there))

    def compute() -> Tensor:
        thread = Thread(target=elsewhere)
        thread.start()
        thread.join()
        result: Tensor = model(given)
        return result

    prefix = Prefix(model, compute, found.sites)
    prefix.under(units_mask(found, [14]))
    assert seen == [3, 3, 3, 3]
