"""How long a run takes, on a clock that the test turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from torch import nn

from common.base.progress import LEFT, NOTE, spoken_seconds
from common.effects.described import DescribedEvaluation
from common.effects.items import Items, Outcome
from common.measure.masks import Mask, units_mask
from common.measure.passes import Passes
from common.measure.prefix import first_site
from common.measure.scores import SelectivityMap
from common.study import estimate, together
from common.study.batches import Batches
from common.study.estimate import Estimate, Left, Rates, fewer_items, foreseen, kinds, offer
from common.study.journal import Arrays
from common.study.settings import Settings
from common.study.together import EvaluatingTogether
from tests.common.conftest import MapMaker


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(estimate, "perf_counter", made)
    monkeypatch.setattr(together, "perf_counter", made)
    return made


COST = {"layer0": 1.0, "layer1": 0.4, "layer2": 0.1}  # of a pass that begins there


class Slow(Batches[int]):
    """Takes the time that such a model would take: whole passes, shared ones, late ones."""

    def __init__(self, clock: Clock, sizes: Sequence[int], pace: float = 0.02) -> None:
        self.module, self.sizes, self.clock, self.pace = nn.Linear(1, 1), sizes, clock, pace
        self.parts = sizes

    def halves(self, part: int) -> None:
        """It never runs out of memory."""

    def read(self, part: int, passes: Passes) -> Iterator[Arrays]:
        n = part
        sharing = len(passes.masks) >= 4  # the pass that they share is the intact one
        for place, mask in enumerate(passes.masks):
            share = float(not sharing) if mask is None else COST[first_site(mask).module]  # type: ignore[union-attr]
            shared = 1.1 if sharing and place == 0 else 0.0
            self.clock.now += self.pace * n * (share + shared)
            yield {"margin": np.zeros(n, np.float32)}

    def outcome(self, parts: Sequence[Arrays]) -> Outcome:
        margin = np.concatenate([each["margin"] for each in parts])
        return Outcome(np.zeros(len(margin), int), margin > 0, margin)


@dataclass(kw_only=True, eq=False)
class Waiting(EvaluatingTogether):
    slow: Slow

    def shown(self) -> Slow:
        return self.slow


@pytest.fixture
def found(make_map: MapMaker) -> SelectivityMap:
    return make_map((30, 30, 30))


def masks_at(found: SelectivityMap, *places: int) -> list[Mask]:
    return [units_mask(found, [30 * place + number]) for number, place in enumerate(places)]


def waiting(clock: Clock, n: int = 200, **more: Any) -> Waiting:
    sizes = [64] * (n // 64) + ([n % 64] if n % 64 else [])
    return Waiting(
        items=Items([f"i{k}" for k in range(n)], np.array(["x"] * n), "x",
                    labels=np.arange(n) % 4),
        described=DescribedEvaluation(name="slow"), stimuli="s", digests=[], word="items",
        settings=Settings("m", **more), slow=Slow(clock, sizes),
    )  # fmt: skip


def test_an_estimate_is_true_within_a_tenth_and_left_follows(
    clock: Clock, found: SelectivityMap
) -> None:
    told: list[tuple[str, int, int]] = []
    one = waiting(clock, n=640)
    masks = masks_at(found, *[0] * 5, *[1] * 4, *[2] * 9)
    one.forewarn(1 + len(masks), 0.0, lambda *each: told.append(each))
    [*one.outcomes([None], found)]
    begun = clock.now
    one.foresee(masks, [(masks[-1], 100)], found, lambda *each: told.append(each))
    trial = clock.now - begun
    assert one._rates is not None
    least, most = foreseen(one._rates, 640, masks, [(masks[-1], 100)])
    began = clock.now
    [*one.outcomes(masks, found, lambda *each: told.append(each))]
    took = clock.now - began
    assert least == pytest.approx(took, rel=0.1)
    assert most == pytest.approx(took + 640 * 0.02 * 100 * 0.1, rel=0.1)
    assert trial < 0.15 * took
    notes = [step for step, *_ in told if step.startswith(NOTE)]
    assert notes[0].startswith(f"{NOTE}This run: at most ")
    assert notes[1].startswith(f"{NOTE}Evaluating: {spoken_seconds(least)} to ")
    left = [(done, total) for step, done, total in told if step == LEFT]
    assert left
    assert all(abs(total - took) < 0.1 * took for _, total in left)


def test_it_is_scaled_by_the_pace_of_what_was_done(clock: Clock) -> None:
    told: list[tuple[int, int]] = []
    left = Left(100.0, lambda _step, done, total: told.append((done, total)))
    for _ in range(100):
        clock.now += 3  # three times as slow as thought
        left.did(1.0)
    assert told[0] == (3, 102)  # too soon to tell
    assert all(299 <= total <= 301 for _, total in told[1:])
    assert told[-1] == (300, 300)


def test_short_work_is_not_tried_and_nothing_is_said(clock: Clock, found: SelectivityMap) -> None:
    told: list[str] = []
    one = waiting(clock, n=40)
    one.slow.pace = 0.001
    one.forewarn(5, 0.0, lambda step, *_: told.append(step))
    [*one.outcomes([None], found)]
    before = clock.now
    one.foresee(masks_at(found, *[0] * 5), [], found, lambda step, *_: told.append(step))
    assert clock.now == before
    assert not told


def test_where_masks_begin_counts_and_an_unknown_site_is_like_an_earlier_one(
    found: SelectivityMap,
) -> None:
    early, middle, late = masks_at(found, 0, 1, 2)
    first = first_site(early)
    assert first is not None
    rates = Rates(2.0, 0.5, {first: 1.5})
    assert [rates.under(mask) for mask in (None, early, middle, late)] == [2.0, 1.5, 1.5, 1.5]
    assert Rates(2.0).under(late) == 2.0
    assert foreseen(rates, 10, [early, middle, late]) == (45.0, 45.0)  # too few to share a pass
    assert foreseen(rates, 10, [None, early, middle, late], [(late, 4)]) == (70.0, 130.0)
    assert [first_site(mask) for mask in kinds([late, early, None, late])] == [
        first_site(early), first_site(late)
    ]  # fmt: skip


def test_a_long_run_is_offered_a_part_of_the_items() -> None:
    shares = fewer_items(["a"] * 600 + ["b"] * 300 + ["c"] * 5)
    assert shares[50] == pytest.approx(105 / 905)
    assert fewer_items(["a"] * 30, versions=3)[5] == 0.5
    long = offer(Estimate(5 * 3600, 5 * 3600), shares)
    assert long.said() == "about 5.0 h; with `items` 10: 8 min"
    assert offer(Estimate(500, 500), shares).fewer is None
    assert offer(Estimate(9000, 9000), {}).fewer is None
    endless = offer(Estimate(1e6, 1e6), shares)
    assert endless.fewer is not None
    assert endless.fewer[0] == 5  # no number makes it short; the smallest is offered


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "1 s"), (89, "89 s"), (91, "2 min"), (5399, "90 min"), (5500, "1.5 h"), (36000, "10 h"),
     (200000, "2 days")],
)  # fmt: skip
def test_seconds_in_words(seconds: float, said: str) -> None:
    assert spoken_seconds(seconds) == said


def test_at_least_and_at_most_are_said_where_they_differ() -> None:
    assert Estimate(60, 80).said() == "about 70 s"
    assert Estimate(60, 600).said().startswith("60 s to 10 min, by how many control masks")
    assert Estimate(60, 60, bound=True).said() == "at most 60 s"
