"""Waiting for what is meant, however busy the machine is: the time is only when to give up."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from playwright.sync_api import Page

PATIENCE = 180.0  # seconds
MOMENT = 1000 * PATIENCE  # milliseconds, as playwright has it

T = TypeVar("T")


def wait_for(done: Callable[[], T | None], page: Page | None = None) -> T:
    """What `done` gives once it gives anything true; a page goes on meanwhile.

    Raises
    ------
    TimeoutError
        If it never does.
    """
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if value := done():
            return value
        if page is None:
            time.sleep(0.05)
        else:
            page.wait_for_timeout(50)
    raise TimeoutError(f"nothing within {PATIENCE:g} s")
