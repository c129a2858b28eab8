"""What the tests of runs share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.common.conftest import MapMaker
from tests.common.study.bench import Bench


@pytest.fixture
def bench(make_map: MapMaker) -> Callable[..., Bench]:
    """Front ends over one and the same map, each with its own count of calls."""
    return lambda dies_at=None: Bench(make_map((200, 100)), dies_at=dies_at)
