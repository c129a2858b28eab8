"""What is known while an evaluation goes on, counted by hand beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from browser import fragments
from browser.visitors import Visitors
from common.base.progress import KNOWN, PART
from common.effects.items import Items, Outcome
from common.measure.masks import Mask, top_percent, units_mask
from common.measure.scores import SelectivityMap
from common.study import so_far
from common.study.so_far import SoFar, read_known
from tests.common.conftest import MapMaker
from tests.common.study.test_estimate import Clock, waiting

N = 300


@pytest.fixture
def found(make_map: MapMaker) -> SelectivityMap:
    return make_map((30, 30, 30))


def test_counts_are_those_of_the_items_that_are_known(found: SelectivityMap) -> None:
    rng = np.random.default_rng(0)
    groups = rng.choice(["face", "object"], N)
    items = Items([*map(str, range(N))], groups, "face", "object")
    right = {
        name: rng.random(N) < share for name, share in (("whole", 0.9), ("a", 0.4), ("b", 0.6))
    }
    told: list[str] = []
    counting = SoFar(items, lambda step, *_: told.append(step))
    counting.finish(None, Outcome(np.zeros(N), right["whole"], np.zeros(N)))
    masks = [units_mask(found, [1]), units_mask(found, [2])]
    places = np.arange(40)
    counting.tell((mask, places, right[n][places]) for mask, n in zip(masks, "ab", strict=True))
    intact, both = read_known(told[0])
    for name in ("face", "object"):
        own = [i for i in range(N) if groups[i] == name]
        assert intact.groups[name] == (sum(bool(right["whole"][i]) for i in own), len(own))
        some = [i for i in own if i < 40]
        assert both.groups[name] == (
            sum(int(right["a"][i]) + int(right["b"][i]) for i in some), 2 * len(some)
        )  # fmt: skip
    assert (intact.rule, intact.draws, both.draws) == ("intact", 1, 2)


def test_a_run_tells_it_batch_by_batch_and_the_page_shows_it(
    found: SelectivityMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(so_far, "monotonic", clock)
    one = waiting(clock, n=N)
    one.slow.known = lambda parts: (  # type: ignore[method-assign]
        np.arange(n := sum(len(each["margin"]) for each in parts)), np.arange(n) % 3 == 0
    )  # fmt: skip
    visitors, told = Visitors(), []
    show = visitors.follow("ada", lambda *_, **__: None, {})

    def progress(step: str, done: int, total: int) -> None:
        if step.startswith(KNOWN):
            told.append(read_known(step))
        elif step != PART:
            return
        show(step, done, total)

    mask: Mask = top_percent(found, 5.0)
    with visitors.running("ada"):
        [*one.outcomes([None], found, progress)]
        [*one.outcomes([mask] * 2, found, progress)]
        html = fragments.so_far(visitors.known("ada"))
    last: Any = told[-1]
    assert [each.rule for each in last] == ["intact", "top"]
    assert last[0].groups["x"] == (0, N)  # whose margins are 0, which is not right
    right, n = last[1].groups["x"]  # of both masks
    assert right == 2 * len(range(0, n // 2, 3))
    assert 0 < told[-2][-1].groups["x"][1] < n <= 2 * N  # and before, of fewer
    assert "<th scope='row' role='rowheader'>top 5 % <small>×2</small></th>" in html
    assert f"{100 * right / n:.1f} <small>of {n}</small>" in html
    assert visitors.known("ada") == []
    assert fragments.so_far([]) == ""
