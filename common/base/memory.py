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
from pathlib import Path

LARGEST, KEPT = 2**30, 2**31 - 1  # bytes: blocks that come from what the process keeps, and of it
OWN_LARGEST, OWN_KEPT = 2**25, 2**26  # what the library comes to by itself for large tensors
MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # of malloc.h
_LEFT = {"bytes": 0}  # by the last time that freed memory was given back
STATM = Path("/proc/self/statm")
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


def give_back_beyond(most: int = KEPT) -> bool:
    """Hand back what is freed, where that is more than is to be kept.

    A library by itself gives back from the end of its memory alone, and what lies between tensors
    that are kept grows: by 0.1 GB a batch of pictures under masks, each of other sizes.

    Parameters
    ----------
    most : int
        Bytes that may be kept.

    Returns
    -------
    bool
        Whether it was more.
    """
    kept = freed_and_kept()
    if kept is None or kept <= most + _LEFT["bytes"]:
        return False
    give_back_freed_memory()
    # What stays was none of the library's: asked again, it would be for nothing again.
    _LEFT["bytes"] = max(0, freed_and_kept() or 0)
    return True


def freed_and_kept() -> int | None:
    """Bytes that this process has freed and the system still counts as its own, where glibc says.

    What was handed back stays free in the library's own books, so that these alone do not tell. An
    estimate: what Python and libraries take without asking the C library adds to it, and what was
    asked for and not touched yet is taken off.
    """
    info = _function("mallinfo2")
    if info is None or not STATM.exists():
        return None
    info.restype = _Books
    books = info()
    _, resident, shared, *_ = map(int, STATM.read_text().split())
    used = int(books.uordblks) + int(books.hblkhd)
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE") - used


class _Books(ctypes.Structure):
    """What glibc (2.33 or newer) knows of its memory, in bytes: struct mallinfo2 of malloc.h."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
            "fordblks", "keepcost",
        )
    ]  # fmt: skip


def _function(name: str) -> ctypes._NamedFuncPointer | None:
    try:
        found: ctypes._NamedFuncPointer = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):  # another C library, or another system
        return None
    return found
