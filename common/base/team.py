"""Several processes that do one piece of work together, as ``torchrun`` starts them.

All of them run the same program over the same settings, and do the same but for batches, which they
take in turns; what each batch gave is exchanged and put together in the order of the batches, so
the numbers are those of one process to the last bit. The first process alone writes and prints.

Nothing here is active outside :func:`joined`: a caller's own process group is left alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from typing import TypeVar

from common.base.heavy import torch

T = TypeVar("T")

PATIENCE = timedelta(days=30)  # a process that dies is told by torchrun, not by a time limit

_ranks = (0, 1)  # of this process, and how many there are


class Helped(BaseException):
    """This process has done its part, and the first one goes on alone.

    No ``Exception``, which a caller may catch.
    """


def rank() -> int:
    """Which process this is; 0 is the first, and the only one where there are no others."""
    return _ranks[0]


def size() -> int:
    """How many processes there are."""
    return _ranks[1]


@contextmanager
def joined() -> Iterator[None]:
    """Work together for this block, if ``torchrun`` has started this process with others.

    A process that :func:`leave` has sent away ends the block here.
    """
    global _ranks
    n = int(os.environ.get("WORLD_SIZE", "1"))
    if n < 2 or "RANK" not in os.environ or torch.distributed.is_initialized():
        yield
        return
    if torch.cuda.is_available():
        local = int(os.environ.get("LOCAL_RANK", "0"))
        torch.cuda.set_device(local % torch.cuda.device_count())
    torch.distributed.init_process_group("gloo", timeout=PATIENCE)
    _ranks = torch.distributed.get_rank(), n
    try:
        yield
    except Helped:
        pass
    finally:
        _ranks = 0, 1
        torch.distributed.destroy_process_group()


def leave() -> None:
    """Send all processes but the first away: what follows needs one alone."""
    if rank():
        raise Helped


def exchanged(value: T) -> list[T]:
    """What each process has of something, in their order; all have to ask."""
    if size() == 1:
        return [value]
    found: list[T | None] = [None] * size()
    torch.distributed.all_gather_object(found, value)
    return found  # type: ignore[return-value]


def from_first(value: T) -> T:
    """What the first process has, for all; all have to ask."""
    if size() == 1:
        return value
    found = [value]
    torch.distributed.broadcast_object_list(found)
    return found[0]


def rounds(parts: Iterable[T]) -> Iterator[list[T]]:
    """As many parts at a time as there are processes; each takes the one at its own place."""
    left = iter(parts)
    while some := [*islice(left, size())]:
        yield some
