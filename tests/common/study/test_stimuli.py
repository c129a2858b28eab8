"""A part of a localizer: so many stimuli of either side, as equally from conditions as can be."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest

from common.study.localizers import some


@dataclass(frozen=True)
class Stimulus:
    name: str
    condition: str

    def digest(self) -> str:
        return self.name


SIDE = tuple(
    Stimulus(f"{condition}{number}", condition)
    for condition, size in (("car", 3), ("house", 20), ("body", 7))
    for number in range(size)
)


@pytest.mark.parametrize("n", range(1, 34))
def test_they_are_spread_over_the_conditions_and_keep_their_order(n: int) -> None:
    kept = some(SIDE, n, 5)
    assert len(kept) == len({*kept}) == min(n, len(SIDE))
    assert [*kept] == sorted(kept, key=SIDE.index)
    # By hand: one after the other from the condition that has given the fewest and has one left.
    given, left = Counter[str](), Counter(each.condition for each in SIDE)
    for _ in range(min(n, len(SIDE))):
        fewest = min(given[name] for name in left if given[name] < left[name])
        given[next(name for name in left if given[name] == fewest < left[name])] += 1
    assert sorted(Counter(each.condition for each in kept).values()) == sorted(
        filter(None, given.values())
    )
    assert {*kept} <= {*some(SIDE, n + 1, 5)}


def test_another_seed_is_another_draw() -> None:
    assert some(SIDE, 9, 5) == some(SIDE, 9, 5) != some(SIDE, 9, 6)
