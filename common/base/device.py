"""Where and in which precision a model runs."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from common.base.errors import SettingError
from common.base.heavy import torch

DTYPES = ("float32", "float16", "bfloat16")

MEMINFO = Path("/proc/meminfo")
CONTAINER = Path("/sys/fs/cgroup")
UNKNOWN = 1 << 32  # bytes that a machine is taken to have if it does not say


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name; ``auto`` takes CUDA, then Apple's MPS, then the CPU.

    From here on float32 is float32 on CUDA, too: by itself torch lets convolutions round their
    input to 10 bits there (TF32), which moved t by up to 0.2 on a real model.

    Raises
    ------
    SettingError
        If the device is not one that this machine has.
    """
    round_nothing()
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise SettingError(f"`device` {name}: not on this machine ({reason})") from error
    return device


def described_device(device: torch.device) -> str:
    """A device with what the last bits of its numbers depend on, as ``run.json`` notes it."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    if device.type != "cpu":
        return str(device)
    return f"cpu ({torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads)"


@cache
def round_nothing() -> None:
    """Let torch round float32 nowhere on CUDA; once a process, whose warnings it holds back."""
    with warnings.catch_warnings():
        # The new names of it make torch refuse whoever asks by the old ones, libraries among them.
        warnings.simplefilter("ignore")
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False


def sent(values: torch.Tensor, device: torch.device | str) -> torch.Tensor:
    """A tensor on a device, without waiting for what that has still to do.

    A plain copy to a GPU waits until all earlier work is done there, and the processor, that could
    prepare the next batch meanwhile, with it.
    """
    device = torch.device(device)
    if device.type == "cuda" and values.device.type == "cpu":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)


def all_sent(
    named: Mapping[str, torch.Tensor], device: torch.device | str
) -> dict[str, torch.Tensor]:
    """The same of what a model is given by name."""
    return {name: sent(values, device) for name, values in named.items()}


def choose_dtype(name: str = "float32") -> torch.dtype:
    """The floating-point type of that name.

    Raises
    ------
    SettingError
        If it is not one of ``float32``, ``float16``, ``bfloat16``.
    """
    if name not in DTYPES:
        raise SettingError(f"`dtype` {name}: choose one of {', '.join(DTYPES)}")
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def free_memory(device: torch.device) -> int:
    """Bytes that are free where a model computes.

    On CUDA the card's own; elsewhere the machine's, and no more than its container may have.
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    left = _available()
    most, used = _number(CONTAINER / "memory.max"), _number(CONTAINER / "memory.current")
    return left if most is None or used is None else max(0, min(left, most - used))


def _available() -> int:
    """Memory of the machine that could be had; where it does not say, half of all."""
    try:
        lines = MEMINFO.read_text(encoding="ascii").splitlines()
        kilobytes = next(line.split()[1] for line in lines if line.startswith("MemAvailable:"))
        return int(kilobytes) << 10
    except (OSError, StopIteration, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, OSError, ValueError):
        return UNKNOWN


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # no container, or none that has a bound
        return None


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all that was asked of it (for timings)."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
