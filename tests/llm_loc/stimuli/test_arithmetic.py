"""Sums: the localizer's, and those that are to be solved."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from common.base.errors import ManifestError
from llm_loc.stimuli import (
    arithmetic,
    benchmark,
    localizer,
)


def test_sums_are_all_different_within_their_range_and_the_same_every_time() -> None:
    for what, (low, high) in arithmetic.OPERANDS.items():
        sums = arithmetic.draw(what, 100, 0)
        assert sums == arithmetic.draw(what, 100, 0) != arithmetic.draw(what, 100, 1)
        assert len(set(sums)) == 100
        operands = [int(n) for text in sums for n in re.findall(r"\d+", text)]
        assert min(operands) >= low
        assert max(operands) <= high
    with pytest.raises(ManifestError, match="there are 361 sums"):
        arithmetic.draw("easy-arithmetic", 400, 0)


def test_multiple_demand_needs_no_files(tmp_path: Path) -> None:
    found = localizer("multiple-demand", tmp_path)
    assert found.name == "multiple-demand:difficulty"
    assert len(found.target) == len(found.control) == 100


def test_problems_are_new_to_the_localizer_and_have_near_wrong_answers() -> None:
    found = benchmark("multiple-demand")
    used = localizer("multiple-demand")
    seen = {text.text for text in (*used.target, *used.control)}
    assert (found.target, found.other) == ("hard", "easy")
    assert found.chances == {"hard": 0.25, "easy": 0.25}
    assert (found.groups == "hard").sum() == (found.groups == "easy").sum() == 200
    assert len(set(found.good)) == 400
    for texts in found.choices:
        assert len(set(texts)) == 4
        assert len({len(text) for text in texts}) == 1
        sums, _, results = zip(*(text.rpartition(" ") for text in texts), strict=True)
        assert len(set(sums)) == 1
        assert sums[0] not in seen
        one, two = map(int, re.findall(r"\d+", sums[0]))
        right, *wrong = map(int, results)
        assert right == one + two
        assert all(0 < abs(each - right) <= 10 for each in wrong)
