"""Where and in which precision a model runs."""

from __future__ import annotations

import torch

from common.base.errors import SettingError

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name; ``auto`` takes CUDA, then Apple's MPS, then the CPU.

    Raises
    ------
    SettingError
        If the device is not one that this machine has.
    """
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


def choose_dtype(name: str = "float32") -> torch.dtype:
    """The floating-point type of that name.

    Raises
    ------
    SettingError
        If it is not one of ``float32``, ``float16``, ``bfloat16``.
    """
    if name not in DTYPES:
        raise SettingError(f"`dtype` {name}: choose one of {', '.join(DTYPES)}")
    return DTYPES[name]


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all that was asked of it (for timings)."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
