"""The folder that keeps what was downloaded, and how one process at a time fills a part of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pooch
from filelock import FileLock, Timeout

from common.base.progress import Progress

STAMP = ".funcloc.json"  # what a folder has that was placed whole
PARTIAL = ".partial"  # where it is made


def cache_folder() -> Path:
    """Where downloads are kept: ``FUNCLOC_CACHE``, or the system's place for caches."""
    return Path(os.environ.get("FUNCLOC_CACHE") or pooch.os_cache("funcloc"))


@contextmanager
def alone(path: Path, name: str, progress: Progress, does: str = "downloads") -> Iterator[None]:
    """Inside this context no other process holds the same lock.

    Parameters
    ----------
    path : Path
        The lock.
    name : str
        What is got, for whoever waits.
    progress : Progress
        Told when there is something to wait for.
    does : str, default="downloads"
        What the other process does with it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    waiting = f"wait for another process that {does} {name}"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress(waiting, 0, 1)
        lock.acquire()
        progress(waiting, 1, 1)
    try:
        yield
    finally:
        lock.release()
