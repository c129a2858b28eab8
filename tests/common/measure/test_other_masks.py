"""What a map is told of its top masks is not told of other ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from common.effects.localized import describe_map
from common.measure.chosen import with_chosen
from common.measure.scores import SelectivityMap
from tests.common.measure.test_unit_table import made

SPREAD = {"mean": 0.9, "low": 0.8, "high": 1.0}
TOLD = {
    "split_half": {"correlation": 0.9, "dice": {"25": 0.8}, "dice_chance": {"25": 0.25}},
    "splits": {
        "n": 5, "correlation": SPREAD, "dice": {"25": SPREAD}, "held": {"25": 0.9},
        "n_mostly": {"25": 3},
    },
}  # fmt: skip


def loud() -> SelectivityMap:
    found = made("channel")
    magnitude = np.ones(found.n_units)
    magnitude[int(found.ranking[0])] = 1000
    return replace(found, magnitude=magnitude, about=TOLD)


def test_neither_of_a_list_nor_of_the_units_that_are_left_without_the_massive() -> None:
    found = loud()
    whole = describe_map(found)
    assert whole.splits is not None
    assert "of the top 25 %" in whole.splits.said("25")
    for other in (found.without(100.0), with_chosen(found, "mine", [0])):
        told = describe_map(other)
        assert told.split_half is not None
        assert told.splits is not None
        assert (told.split_half.correlation, told.splits.n) == (0.9, 5)
        assert not told.split_half.dice
        assert "top 25 %" not in told.splits.said("25")
    assert found.about == TOLD
