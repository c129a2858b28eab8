"""Memory that one tensor gives back is kept for the next.

The C library of Linux asks the system for each block above 32 MB and gives it back when it is
freed, so that a network whose activations are larger fetches every page again in every pass: half
of the time of a pass of EfficientNet-Lite0 on 16 pictures is spent there.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

LARGEST, KEPT = 2**30, 2**31 - 1  # bytes: blocks that come from what the process keeps, and of it
OWN_LARGEST, OWN_KEPT = 2**25, 2**26  # what the library comes to by itself for large tensors
MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # of malloc.h
TUNED = ("GLIBC_TUNABLES", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_")


def keep_freed_memory() -> bool:
    """Let the C library keep what is freed, where it is glibc: for who runs, not on import.

    Returns
    -------
    bool
        Whether it does: another library is left as it is, and one that the environment tunes too.
    """
    mallopt = _function("mallopt")
    if mallopt is None or any(name in os.environ for name in TUNED):
        return False
    return bool(mallopt(MMAP_THRESHOLD, LARGEST)) and bool(mallopt(TRIM_THRESHOLD, KEPT))


@contextmanager
def freed_memory_given_back() -> Iterator[None]:
    """Within it the C library does what it does by itself; for comparisons."""
    mallopt = _function("mallopt")
    if mallopt is not None:
        mallopt(MMAP_THRESHOLD, OWN_LARGEST)
        mallopt(TRIM_THRESHOLD, OWN_KEPT)
    give_back_freed_memory()
    try:
        yield
    finally:
        keep_freed_memory()


def give_back_freed_memory() -> None:
    """Hand to the system what this process has freed and keeps: when a model goes, say."""
    trim = _function("malloc_trim")
    if trim is not None:
        trim(0)


def _function(name: str) -> ctypes._NamedFuncPointer | None:
    try:
        found: ctypes._NamedFuncPointer = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):  # another C library, or another system
        return None
    return found
