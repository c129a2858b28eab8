"""Moments that stay where batches are reduced, and masks that a GPU tries both ways.

There need be no GPU: the processor is taken for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from common import record
from common.base.device import sent
from common.base.errors import DataError
from common.measure import passes, resident
from common.measure.moments import Membership
from common.measure.prefix import Prefix
from common.measure.record import Recorder
from llm_loc.load import load_model
from llm_loc.localize import find_sites as text_sites
from llm_loc.localize import read
from tests.common.measure.hooked import BLOCKS, images, mask_of, small


@pytest.fixture
def stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resident, "DEVICES", {"cpu"})


def seen(unit: str = "channel", sizes: Sequence[int] = (7, 7, 10)) -> Recorder:
    """Batches of which the second has a cell that the first has not."""
    model, pixels = small(torch.float64), images(sum(sizes), torch.float64)
    groups = np.arange(sum(sizes)) // 8
    with record(model, BLOCKS, unit=unit) as recorder:
        for start, size in zip(np.cumsum([0, *sizes]), sizes, strict=False):
            where = slice(start, start + size)
            recorder.expect(groups[where], finer=np.arange(sum(sizes))[where] % 3)
            model(pixels[where])
    return recorder


def assert_alike(one: Recorder, other: Recorder) -> None:
    for get in (Recorder.group, Recorder.finer_group):
        for number in range(3):
            mine, theirs = get(one, number), get(other, number)
            assert mine.keys() == theirs.keys()
            for site, moments in mine.items():
                right = theirs[site]
                assert (moments.count, moments.resolution) == (right.count, right.resolution)
                for name in ("mean", "m2", "output", "magnitude", "first", "peak"):
                    row, wanted = getattr(moments, name), getattr(right, name)
                    if wanted is None:
                        assert row is None
                    else:
                        np.testing.assert_allclose(row, wanted, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("unit", ["channel", "neuron"])
def test_what_stays_is_what_would_have_been_moved(unit, request) -> None:
    moved = seen(unit)
    request.getfixturevalue("stays")
    assert_alike(seen(unit), moved)


def test_texts_bring_their_first_token_and_their_peak(request) -> None:
    model = load_model("phantom/lm")
    ids = [[5, 6, 7, 8][: 1 + number % 4] for number in range(12)]

    def shown() -> Recorder:
        where = text_sites(model)
        with torch.inference_mode(), record(model.module, where, pooling="mean",
                                            through=model.through,
                                            left_out="first token") as recorder:  # fmt: skip
            for batch in read(model, ids, "full", 5):
                recorder.expect(batch.where % 2, batch.tokens)
                recorder.run(batch.run)
        return recorder

    moved = shown()
    assert all(moments.peak is not None for moments in moved.moments.values())
    request.getfixturevalue("stays")
    assert_alike(shown(), moved)


@pytest.mark.usefixtures("stays")
def test_moments_that_were_asked_for_on_the_way_go_on() -> None:
    model, pixels = small(torch.float64), images(9, torch.float64)
    with record(model, BLOCKS) as recorder:
        for start in range(0, 9, 3):
            model(pixels[start : start + 3])
            assert recorder.moments[BLOCKS[0]].count == start + 3


@pytest.mark.usefixtures("stays")
@pytest.mark.parametrize("unit", ["channel", "neuron"])
def test_a_batch_that_is_not_finite_is_named_a_batch_later(unit) -> None:
    model, pixels = small(), images(6)
    pixels[1] = torch.nan
    with record(model, BLOCKS, unit=unit) as recorder:
        recorder.expect([0, 0, 0], names=["ada", "grace", "emmy"])
        model(pixels[:3])
        recorder.expect([0, 0, 0], names=["a", "b", "c"])
        with pytest.raises(DataError, match=r"NaN or infinite for grace; .*unit 0 is the first"):
            model(pixels[3:])


@pytest.mark.usefixtures("stays")
def test_the_last_batch_that_is_not_finite_is_named_when_moments_are_taken() -> None:
    model, pixels = small(), images(3)
    pixels[2] = torch.nan
    with record(model, BLOCKS) as recorder:
        model(pixels)
    with pytest.raises(DataError, match="stimulus 2 of the batch"):
        _ = recorder.moments


def test_the_largest_of_each_group_is_found_without_counting(monkeypatch) -> None:
    values = torch.rand(9, 4) - 2.0  # below 0: what is left out must not count as 0
    members = Membership([2, 0, 2, 1, 0, 2, 1, 1, 0])
    right = members.largest(values)
    monkeypatch.setattr(torch.Tensor, "device", torch.device("meta"))
    assert torch.equal(members.largest(values), right)


def test_what_is_sent_is_the_same() -> None:
    values = torch.arange(3)
    assert sent(values, "cpu") is values
    assert sent(values, "meta").is_meta


@pytest.mark.parametrize("sooner", ["late", "whole"])
def test_masks_are_tried_both_ways_once_and_have_the_same_numbers(monkeypatch, sooner) -> None:
    model, pixels = small(), images(4)
    masks = [None, *(mask_of(BLOCKS[-1], units=(unit,)) for unit in range(5))]
    with torch.inference_mode():
        right = [*passes.Passes(model, masks)(lambda: model(pixels))]
    made: list[object] = []
    monkeypatch.setattr(passes, "DOUBTFUL", {"cpu"})

    def making(*args: Any, **kwargs: Any) -> Prefix[Any]:
        made.append(args)
        return Prefix(*args, **kwargs)

    monkeypatch.setattr(passes, "Prefix", making)
    seconds = iter([1.0, 2.0] * 2 if sooner == "late" else [2.0, 1.0] * 2)
    monkeypatch.setattr(passes, "_seconds", lambda *_: next(seconds))
    tried = passes.Passes(model, masks)
    with torch.inference_mode():
        for _ in range(2):
            for found, wanted in zip(tried(lambda: model(pixels)), right, strict=True):
                assert torch.equal(found, wanted)
            tried = tried.of(masks)
    assert len(made) == (2 if sooner == "late" else 1)
    assert next(seconds, None) is None  # tried once, whatever came out
