"""Maps made of numbers alone, for the rooms that come after recording."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from common.measure.moments import Moments
from common.measure.scores import SelectivityMap, welch
from common.measure.sites import Site


def rescored(found: SelectivityMap, t: np.ndarray, **more: Any) -> SelectivityMap:
    """The same map with another score."""
    return replace(found, score=replace(found.score, value=t), **more)


MapMaker = Callable[..., SelectivityMap]


@pytest.fixture
def make_map() -> MapMaker:
    """Build a map of two or more sites from random activations of a given seed."""

    def make(
        widths: tuple[int, ...] = (60, 40),
        seed: int = 0,
        n: tuple[int, int] = (12, 15),
        model: str = "model-a",
    ) -> SelectivityMap:
        rng = np.random.default_rng(seed)
        sites = [Site(f"layer{i}", shape=(width, 2, 3)) for i, width in enumerate(widths)]
        level = {site: rng.uniform(0.1, 10, site.channels) for site in sites}
        target, control = (
            {
                site: Moments.of(rng.normal(level[site], 1, (count, site.channels)), "magnitude")
                for site in sites
            }
            for count in n
        )
        return welch(target, control, about={"model_fingerprint": model})

    return make
