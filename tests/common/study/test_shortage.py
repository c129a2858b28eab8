"""Where memory runs out batches are made in halves, and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from common.base.errors import ModelError, RunError
from common.measure import shortage
from common.measure.contrast import Batch, Fitting, contrast
from common.measure.masks import units_mask
from common.measure.shortage import FEW, is_shortage, most_at_once, peak
from common.measure.survey import Survey
from tests.common.study.test_together import SIZE, N, found, module, reading

__all__ = ["found", "module"]  # fixtures

ERRORS: list[Exception] = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB)"),
]


@contextmanager
def room_for(module: nn.Module, most: int, error: Exception) -> Iterator[list[int]]:
    """Passes over more than so many rows fail, at their last layer; the sizes that were tried."""
    sizes: list[int] = []

    def fail(_: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        sizes.append(len(given[0]))
        if len(given[0]) > most:
            raise error

    hook = module[-1].register_forward_pre_hook(fail)  # type: ignore[index]
    try:
        yield sizes
    finally:
        hook.remove()


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_what_says_that_memory_ran_out(error: Exception) -> None:
    assert is_shortage(error)
    assert not is_shortage(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_shortage(ModelError("out of memory"))


@pytest.mark.parametrize("n_masks", [2, 6])  # one by one, and with what they share kept
def test_an_evaluation_goes_on_in_halves(
    module: nn.Module, found: Any, tmp_path: Path, n_masks: int
) -> None:
    masks = [None, *(units_mask(found, [number, 13 + number]) for number in range(n_masks))]
    whole = [*reading(module, tmp_path / "whole").outcomes(masks, found)]
    with room_for(module, 1, ERRORS[0]) as sizes:
        halved = [*reading(module, tmp_path / "halved").outcomes(masks, found)]
    for one, other in zip(whole, halved, strict=True):
        assert np.allclose(one.margin, other.margin, atol=1e-6)
        assert (one.prediction == other.prediction).all()
    failed = [size for size in sizes if size > 1]
    assert len(failed) <= 4  # once learned, it is not tried again
    assert sum(size for size in sizes if size == 1) >= N


def test_a_single_stimulus_that_does_not_fit_is_one_line(module: nn.Module, found: Any) -> None:
    with (
        room_for(module, 0, ERRORS[1]),
        pytest.raises(ModelError, match="runs out in a pass over a single stimulus: take a"),
    ):
        [*reading(module, None).outcomes([None], found)]


def test_other_errors_are_what_they_are(module: nn.Module, found: Any) -> None:
    error = RuntimeError("something else")
    with room_for(module, 0, error) as sizes, pytest.raises(RuntimeError, match="something else"):
        [*reading(module, None).outcomes([None], found)]
    assert sizes == [SIZE]


class Named:
    """A stimulus."""

    def __init__(self, name: str, condition: str) -> None:
        self.name, self.condition = name, condition


def rows_in(module: nn.Module, rows: torch.Tensor) -> Callable[[np.ndarray], list[Batch]]:
    def batch(where: np.ndarray) -> Batch:
        return Batch(where, lambda: module(rows[where]), part=lambda which: batch(where[which]))

    return lambda _: [batch(where) for where in np.array_split(np.arange(len(rows)), 3)]


def test_localizing_goes_on_in_halves(module: nn.Module) -> None:
    rows = torch.randn(24, 8, generator=torch.Generator().manual_seed(3))
    sides = [[Named(f"{side}{i}", side) for i in range(12)] for side in ("one", "other")]
    # The last site comes before the layer that fails, which the first pass reaches alone.
    sites = Survey(module, torch.zeros(1, 8)).matching("0,2,4")
    whole = contrast(module, sites, *sides, rows_in(module, rows))
    with room_for(module, 3, ERRORS[2]) as sizes:
        halved = contrast(module, sites, *sides, rows_in(module, rows))
    assert np.allclose(whole.t, halved.t, atol=1e-5)
    assert [size for size in sizes if size > 3] == [8, 4]
    with (
        room_for(module, 0, ERRORS[0]),
        pytest.raises(ModelError, match="single stimulus"),
    ):
        contrast(module, sites, *sides, rows_in(module, rows))


def test_a_batch_that_cannot_be_parted_is_one_line() -> None:
    def fails() -> None:
        raise ERRORS[0]

    with pytest.raises(ModelError, match="single stimulus"):
        Fitting(lambda batch: batch.run())(Batch(np.arange(4), fails))


def test_a_peak_is_what_was_held_at_once() -> None:
    held = 150 << 20
    took = peak(torch.device("cpu"), lambda: torch.ones(held // 4))
    if took is None:
        pytest.skip("this system does not say")
    assert 0.9 * held < took < 1.5 * held


def test_as_many_as_fit_into_half_of_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setattr(shortage, "peak", lambda *_: 400)
    monkeypatch.setattr(shortage, "free_memory", lambda _: 2000)
    assert most_at_once(cpu, lambda: None, FEW, 64) == 10
    assert most_at_once(cpu, lambda: None, FEW, 8) == 8
    monkeypatch.setattr(shortage, "free_memory", lambda _: 10)
    assert most_at_once(cpu, lambda: None, FEW, 64) == 1
    monkeypatch.setattr(shortage, "peak", lambda *_: None)
    assert most_at_once(cpu, lambda: None, FEW, 64) == 64


def test_what_fits_is_noted_and_a_run_goes_on_with_it(
    module: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = tmp_path / "pace.json"
    monkeypatch.setattr("common.study.together.most_at_once", lambda *_: 3)
    one = reading(module, None, size=64)
    with one.arranged(note, begun=False):
        assert one.settings.batch_size == 3
    assert json.loads(note.read_text())["batch_size"] == 3
    monkeypatch.setattr("common.study.together.most_at_once", lambda *_: 64)
    again = reading(module, None, size=64)
    with again.arranged(note, begun=True):
        assert again.settings.batch_size == 3
    plain = reading(module, None, size=64, plain=True)
    with plain.arranged(tmp_path / "plain.json", begun=False):
        assert plain.settings.batch_size == 64
    note.write_text('{"layout": "plain", "batch_size": 0}')
    with pytest.raises(RunError, match=r"pace\.json: names no batch size that there is"):
        reading(module, None).arranged(note, begun=True).__enter__()
