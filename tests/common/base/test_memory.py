"""What the C library keeps for the next tensor, as the programs ask it to."""

from __future__ import annotations

import platform
import resource
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from common.base.memory import (
    KEPT,
    LARGEST,
    OWN_KEPT,
    OWN_LARGEST,
    TUNED,
    _function,
    freed_and_kept,
    freed_memory_given_back,
    give_back_beyond,
    give_back_freed_memory,
    keep_freed_memory,
)
from tests.forked import CONTEXT

SIZE = 2**26  # bytes of a tensor, more than the C library keeps by itself
glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="no glibc here")


def faults(kept: bool) -> tuple[int, int]:
    """Pages that this process fetches for ten tensors, one after another, and those it holds."""
    if kept:
        assert keep_freed_memory()
    torch.zeros(SIZE, dtype=torch.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.zeros(SIZE, dtype=torch.uint8)
    fetched = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    held = pages()
    give_back_freed_memory()
    return fetched, held - pages()


def pages() -> int:
    """Pages of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1])


def in_a_process(kept: bool) -> tuple[int, int]:
    with CONTEXT.Pool(1) as pool:
        return pool.apply(faults, (kept,))


@glibc
def test_a_tensor_takes_the_pages_of_the_one_before() -> None:
    (given_back, _), (kept, _) = in_a_process(kept=False), in_a_process(kept=True)
    assert kept < given_back / 4


@glibc
def test_what_is_kept_is_given_back_when_asked_for() -> None:
    _, returned = in_a_process(kept=True)
    assert returned > 0.9 * SIZE / resource.getpagesize()


@pytest.mark.parametrize("name", TUNED)
def test_who_tunes_the_library_is_left_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    assert not keep_freed_memory()


def test_another_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.base.memory._function", lambda _: None)
    assert not keep_freed_memory()
    give_back_freed_memory()


def test_for_a_comparison_the_library_does_what_it_does_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[int, ...]] = []

    def function(name: str) -> Callable[..., int]:
        return lambda *given: asked.append((name == "mallopt", *given)) or 1  # type: ignore[func-returns-value]

    for name in TUNED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("common.base.memory._function", function)
    with freed_memory_given_back():
        assert asked == [(True, -3, OWN_LARGEST), (True, -1, OWN_KEPT), (False, 0)]
    assert asked[3:] == [(True, -3, LARGEST), (True, -1, KEPT)]


def test_a_function_that_no_library_has_is_none() -> None:
    assert _function("no_library_has_this") is None


def fragments() -> tuple[int, int, bool, bool]:
    """What is kept of every second of many tensors, and what of it after giving back."""
    assert keep_freed_memory()
    tensors = [torch.ones(SIZE, dtype=torch.uint8) for _ in range(12)]
    del tensors[::2]
    before = freed_and_kept() or 0
    given_back = give_back_beyond(before - SIZE)
    return before, freed_and_kept() or 0, given_back, give_back_beyond(before - SIZE)


@glibc
def test_what_lies_between_tensors_is_given_back_where_it_is_more_than_is_to_be_kept() -> None:
    with CONTEXT.Pool(1) as pool:
        before, after, given_back, again = pool.apply(fragments)
    assert before - after > 4.9 * SIZE
    assert (given_back, again) == (True, False)


def test_nothing_is_known_of_another_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.base.memory._function", lambda _: None)
    assert freed_and_kept() is None
    assert not give_back_beyond(0)
