"""How many stimuli fit into a pass, by what the device says of its memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from common.measure import shortage
from common.measure.shortage import most_at_once, no_room, peak

CPU, CUDA, MPS = map(torch.device, ("cpu", "cuda", "mps"))


def test_a_card_counts_what_a_pass_holds_beyond_what_was_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 100)
    monkeypatch.setattr(
        torch.cuda, "reset_peak_memory_stats", lambda _: done.append("counted anew")
    )
    monkeypatch.setattr(torch.cuda, "synchronize", lambda _: done.append("waited"))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 350)
    assert peak(CUDA, lambda: done.append("computed")) == 250
    assert done == ["counted anew", "computed", "waited"]


def test_where_nobody_counts_nothing_is_computed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    done: list[int] = []
    assert peak(MPS, lambda: done.append(1)) is None
    monkeypatch.setattr(shortage, "FORGET", Path(f"{tmp_path}/none/of/it"))
    assert peak(CPU, lambda: done.append(1)) is None
    assert done == []


@pytest.mark.parametrize(
    ("took", "free", "expected"),
    [(None, 0, 64), (0, 0, 64), (100, 8000, 64), (100, 2000, 40), (100, 40, 1), (100, 0, 1)],
)
def test_half_of_what_is_free_is_for_one_pass(
    took: int | None, free: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four stimuli took a hundred bytes."""
    monkeypatch.setattr(shortage, "peak", lambda *_: took)
    monkeypatch.setattr(shortage, "free_memory", lambda _: free)
    assert most_at_once(CPU, lambda: None, 4, 64) == expected


def test_no_room_says_what_to_do() -> None:
    assert "take a smaller model, `dtype` float16 or another `device`" in str(no_room())
