"""Recording only what is asked: a pass that ends behind the last site, cells, memory layouts."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from common import Site, record
from common.base.errors import DataError, SiteError
from common.measure.record import Recorder
from common.measure.sites import Pooling
from tests.common.measure.hooked import BLOCKS, FIRST, hooks_of, images, plain, small

FIELDS = ("mean", "m2", "output", "magnitude")
PIXELS = images(8)


def counted(model: nn.Module, path: str) -> list[int]:
    """Grows with every call of a module."""
    calls: list[int] = []
    model.get_submodule(path).register_forward_pre_hook(lambda *_: calls.append(1))
    return calls


def passes(recorder: Recorder, model: nn.Module, n: int = 3) -> None:
    for number in range(n):
        recorder.expect([number % 2] * len(PIXELS))
        recorder.run(partial(model, PIXELS * (1 + number)))


# --- the end behind the last site ---


def test_behind_the_last_site_nothing_is_computed_but_in_the_first_pass() -> None:
    model = small()
    behind, before = counted(model, "block2"), counted(model, "block1")
    hooks = hooks_of(model)
    with record(model, [FIRST]) as recorder:
        passes(recorder, model)
    assert (len(behind), len(before)) == (1, 3)
    assert hooks_of(model) == hooks
    with record(model, [FIRST]) as whole:
        for number in range(3):
            whole.expect([number % 2] * len(PIXELS))
            model(PIXELS * (1 + number))
    assert len(behind) == 4
    for group in (0, 1):
        one, other = recorder.group(group)[FIRST], whole.group(group)[FIRST]
        for name in FIELDS:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_whoever_waits_for_the_end_of_the_pass_gets_it() -> None:
    model, ends = small(), []
    model.register_forward_hook(lambda *_: ends.append(1))
    with record(model, [FIRST]) as recorder:
        passes(recorder, model)
    assert len(ends) == 3


def test_two_recordings_of_the_same_passes_are_both_whole() -> None:
    model = small()
    with record(model, BLOCKS) as outer, record(model, [FIRST]) as inner:
        passes(inner, model)
    assert outer.moments[BLOCKS[1]].count == inner.moments[FIRST].count == 3 * len(PIXELS)


def test_called_by_itself_the_model_gives_its_output_between_such_passes() -> None:
    model = small()
    with record(model, [FIRST]) as recorder:
        passes(recorder, model)
        assert torch.equal(model(PIXELS), small()(PIXELS))
    assert recorder.moments[FIRST].count == 4 * len(PIXELS)


def test_an_error_ends_the_pass_as_ever() -> None:
    model = small()
    hooks = hooks_of(model)
    with record(model, BLOCKS) as recorder:
        passes(recorder, model, 2)
        model.trap.armed = True
        with pytest.raises(RuntimeError, match="trap"):
            recorder.run(partial(model, PIXELS))
        model.trap.armed, model.trap.poisoned = False, True
        recorder.expect([0] * len(PIXELS), names=[f"{n}.jpg" for n in range(len(PIXELS))])
        with pytest.raises(DataError, match=r"block2:output: .* for 0.jpg and 7 others .*unit 0 "):
            recorder.run(partial(model, PIXELS))
    assert hooks_of(model) == hooks
    assert recorder.moments[FIRST].count == 2 * len(PIXELS)


def test_a_site_that_fires_again_behind_the_last_one_is_noticed() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            again: Tensor = self.one(self.two(self.one(x)))
            return again

    model = Twice()
    with (
        record(model, [Site("one", shape=(4,)), Site("two", shape=(4,))]) as recorder,
        pytest.raises(SiteError, match="one:output: fires more than once"),
    ):
        recorder.run(partial(model, torch.ones(2, 4)))


# --- groups of two kinds ---


def test_groups_of_both_kinds_are_merges_of_the_same_cells() -> None:
    model, rng = small(torch.float64), np.random.default_rng(0)
    pixels = images(40, torch.float64)
    one, two = rng.integers(0, 3, 40), rng.integers(0, 4, 40)
    with record(model, BLOCKS, statistic="signed") as recorder:
        for start in range(0, 40, 9):
            where = slice(start, start + 9)
            recorder.expect(one[where], finer=two[where])
            model(pixels[where])
    pooled = plain(model, "block1", pixels).mean((2, 3)).numpy()
    for groups, asked in ((one, recorder.group), (two, recorder.finer_group)):
        for number in range(groups.max() + 1):
            mine = pooled[groups == number]
            found = asked(number)
            assert list(found) == BLOCKS
            assert found[FIRST].count == len(mine)
            np.testing.assert_allclose(found[FIRST].mean, mine.mean(0), rtol=1e-10)
            np.testing.assert_allclose(found[FIRST].variance, mine.var(0, ddof=1), rtol=1e-10)
    assert recorder.group(7) == recorder.finer_group(7) == {}


# --- what lies in memory otherwise, or is written into later ---


@pytest.mark.parametrize("statistic", ["signed", "magnitude", "mean-magnitude"])
@pytest.mark.parametrize("unit", ["channel", "neuron"])
def test_channels_last_gives_the_same_units(unit, statistic) -> None:
    model = nn.Sequential(nn.Identity())
    site, pixels = Site("0", shape=(5, 3, 4)), torch.randn(6, 5, 3, 4, dtype=torch.float64)
    found = []
    for batch in (pixels, pixels.contiguous(memory_format=torch.channels_last)):
        with record(model, [site], unit=unit, statistic=statistic) as recorder:
            model(batch)
        found.append(recorder.moments[site])
    for name in FIELDS:
        one, other = (getattr(each, name) for each in found)
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-13)


def test_what_the_model_writes_into_afterwards_was_read_before() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=True)).requires_grad_(False)
    site, rows = Site("0", shape=(4,)), torch.randn(9, 3)
    with record(model, [site], statistic="signed") as recorder:
        model(rows)
    np.testing.assert_allclose(recorder.moments[site].mean, model[0](rows).mean(0), rtol=1e-5)
    assert (recorder.moments[site].mean < 0).any()


@pytest.mark.parametrize("pooling", ["mean", "sum"])
def test_padding_that_is_nan_never_counts(pooling: Pooling) -> None:
    site, rng = Site("0", axis=2, shape=(6, 4)), np.random.default_rng(0)
    values = torch.from_numpy(rng.standard_normal((3, 6, 4)))
    tokens = torch.tensor([[1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0]])
    wanted = [row[real.bool()].sum(0) for row, real in zip(values, tokens, strict=True)]
    if pooling == "mean":
        wanted = [total / real.sum() for total, real in zip(wanted, tokens, strict=True)]
    for filling in (0.0, 7.0, torch.nan, torch.inf):
        filled = values.masked_fill(~tokens.bool()[..., None], filling)
        found = site.pool(filled, "channel", pooling, tokens)
        np.testing.assert_allclose(found, torch.stack(wanted), rtol=1e-12)
