"""How much memory is free: the machine's, or as much as its container may have."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from common.base import device
from common.base.device import choose_device, free_memory, round_nothing

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
