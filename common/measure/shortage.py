"""Memory that runs out in a pass, and how many stimuli fit into one.

A batch that does not fit is made in halves by whoever shows it, and loses nothing: moments and
outcomes are kept when a pass has ended, never in its midst.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

from common.base.device import free_memory, synchronize
from common.base.errors import ModelError
from common.base.heavy import torch
from common.base.memory import give_back_freed_memory

SHARE = 0.5  # of the memory that is free, for one pass
FEW = 4  # stimuli that are shown to learn what one takes
STATUS, FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
PEAK = "5"  # what to write there so that the peak is counted anew; proc(5)
SAID = ("can't allocate memory", "not enough memory", "out of memory")  # by allocators of torch


def is_shortage(error: BaseException) -> bool:
    """Whether an error says that memory has run out, on whatever device."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(said in str(error).lower() for said in SAID)


def no_room() -> ModelError:
    """What is said where even one stimulus does not fit."""
    return ModelError(
        "memory runs out in a pass over a single stimulus: take a smaller model, `dtype` float16 "
        "or another `device`"
    )


def release() -> None:
    """Give back what a pass that failed held; to be called when its error is no longer handled."""
    gc.collect()  # frames of the error hold tensors, in circles
    give_back_freed_memory()
    torch.cuda.empty_cache()  # which does nothing where there is no CUDA


def most_at_once(device: torch.device, compute: Callable[[], object], n: int, most: int) -> int:
    """How many stimuli a pass may have, by the memory that is free.

    Parameters
    ----------
    device : torch.device
        Where the model computes.
    compute : callable
        A pass over few stimuli, the largest that there are; it returns when it is done.
    n : int
        How many these are.
    most : int
        What is wanted.

    Returns
    -------
    int
        From 1 to `most`; `most` where the system does not say what a pass takes.
    """
    took = peak(device, compute)
    if not took:
        return most
    return min(most, max(1, int(SHARE * free_memory(device) * n / took)))


def peak(device: torch.device, compute: Callable[[], object]) -> int | None:
    """Bytes that a computation holds at once, beyond what was held before it.

    CUDA counts them; for a processor Linux does. Nothing where neither can be asked.
    """
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        compute()
        synchronize(device)
        return int(torch.cuda.max_memory_allocated(device)) - before
    if device.type != "cpu":
        return None
    give_back_freed_memory()
    try:
        FORGET.write_text(PEAK, encoding="ascii")
        before = _resident("VmRSS:")
    except (OSError, StopIteration):
        return None
    compute()
    return max(0, _resident("VmHWM:") - before)


def _resident(name: str) -> int:
    lines = STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name))) << 10
