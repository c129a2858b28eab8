"""How much memory is free: the machine's, or as much as its container may have."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from common.base import device
from common.base.device import (
    choose_device,
    described_device,
    free_memory,
    round_nothing,
    synchronize,
)
from common.base.errors import SettingError

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("most", "used", "expected"),
    [(None, None, 3000), ("max", "900", 3000), ("2048000", "48000", 2_000_000), ("10", "20", 0)],
)
def test_a_container_may_have_less_than_its_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, most: str | None, used: str | None,
    expected: int,
) -> None:  # fmt: skip
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable:    3000 kB\n")
    if most is not None and used is not None:
        (tmp_path / "memory.max").write_text(f"{most}\n")
        (tmp_path / "memory.current").write_text(f"{used}\n")
    monkeypatch.setattr(device, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(device, "CONTAINER", tmp_path)
    assert free_memory(CPU) == (3000 << 10 if expected == 3000 else expected)


def test_a_machine_that_does_not_say_has_something(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(device, "MEMINFO", tmp_path / "none")
    assert 1 << 20 < free_memory(CPU) < 1 << 50


@pytest.mark.parametrize("name", ["auto", "cpu"])
@pytest.mark.filterwarnings("ignore:Please use the new API settings")
def test_float32_is_not_rounded_on_a_gpu(name: str) -> None:
    torch.backends.cudnn.allow_tf32 = True  # as torch has it
    round_nothing.cache_clear()
    choose_device(name)
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


CUDA, MPS = torch.device("cuda"), torch.device("mps")


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, True, CUDA), (True, False, CUDA), (False, True, MPS), (False, False, CPU)],
)
def test_the_fastest_device_that_is_there_is_taken(
    cuda: bool, mps: bool, expected: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert choose_device("auto") == expected


def test_a_card_is_asked_for_its_own_name_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[object] = []
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda of: f"Card of {of}")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (7, 9))
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    monkeypatch.setattr(torch.mps, "synchronize", lambda: waited.append(MPS))
    assert described_device(CUDA) == "cuda (Card of cuda)"
    assert described_device(MPS) == "mps"
    assert described_device(CPU).startswith("cpu (")
    assert free_memory(CUDA) == 7
    for each in (CPU, CUDA, MPS):
        synchronize(each)
    assert waited == [CUDA, MPS]


def test_where_nothing_says_how_much_memory_there_is_a_little_is_supposed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(device, "MEMINFO", tmp_path / "none")
    monkeypatch.setattr(device, "CONTAINER", tmp_path)
    monkeypatch.delattr("os.sysconf")
    assert free_memory(CPU) == device.UNKNOWN


def test_a_device_that_is_not_there_is_one_line() -> None:
    with pytest.raises(SettingError, match="`device` nosuch: not on this machine") as caught:
        choose_device("nosuch")
    assert "\n" not in str(caught.value)
