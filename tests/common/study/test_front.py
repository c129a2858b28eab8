"""How much work a front end does at once."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from common.effects.items import Outcome
from common.study import front
from common.study.front import FEWEST, TOGETHER, EvaluatingTogether

NOTHING = Outcome(np.zeros(1, int), np.zeros(1, bool), np.zeros(1, np.float32))


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.01, TOGETHER), (2.0, 20), (30.0, FEWEST)], ids=["s", "m", "l"]
)
def test_as_many_masks_at_once_as_a_kill_may_lose(
    monkeypatch: pytest.MonkeyPatch, seconds: float, expected: int
) -> None:
    clock, sizes = 0.0, []

    def evaluate(masks: Sequence[Any], *_: object) -> list[Outcome]:
        nonlocal clock
        clock += seconds * len(masks)
        sizes.append(len(masks))
        return [NOTHING] * len(masks)

    monkeypatch.setattr(front, "monotonic", lambda: clock)
    tested: Any = SimpleNamespace(evaluate=evaluate)
    found: Any = None
    outcomes = list(EvaluatingTogether.outcomes(tested, [None] * (1 + 2 * expected), found))
    assert sizes == [1, expected, expected]
    assert len(outcomes) == sum(sizes)
