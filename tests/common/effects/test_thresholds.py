"""Each threshold of the verdict, on either side of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from common.effects.judge import _largest, _outcome, _reason
from common.effects.judgement import DIFFICULTY, EVIDENCE, NONE, Comparison, Estimate
from tests.common.made import comparison


def bench(**changes: Any) -> Any:
    """What is asked of the work bench: two groups of 30, all of whose margins overlap."""
    told = {
        "other": "object", "sizes": {"face": 30, "object": 30}, "has_accuracy": True,
        "table": SimpleNamespace(measure="accuracy"),
        "design": SimpleNamespace(tolerance=changes.pop("tolerance", 0.05)),
    }  # fmt: skip
    return SimpleNamespace(**{**told, **changes})


def of(low: float, p: float | None = 0.05) -> Estimate:
    return Estimate(effect=1.0, ci=(low, 2.0), p=p)


def drawn(beyond: float = 0.01, **changes: Any) -> Comparison:
    entry = Comparison.model_validate(comparison("layer-matched", 19, **changes))
    return entry.model_copy(update={"excess": of(beyond, None)})


@pytest.mark.parametrize(
    ("adjusted", "interaction", "excess", "other", "outcome"),
    [
        (of(0.01), None, [0.01, 0.01], "object", EVIDENCE),
        (of(0.01), None, [0.01, 0.01], None, EVIDENCE),
        (of(0.01, 0.051), None, [0.01], "object", NONE),
        (of(0.01, None), None, [0.01], "object", NONE),
        (of(0.0), None, [0.01], "object", NONE),
        (of(0.01), None, [0.01, 0.0], "object", NONE),
        (of(0.01), None, [-0.01, 0.01], "object", NONE),
        (of(0.0, 0.5), of(0.01), [0.0], "object", DIFFICULTY),
        (of(-1.0, 0.01), of(0.01), [0.5], "object", DIFFICULTY),
        (of(0.0, 0.5), of(0.01), [0.0], None, NONE),
        (of(0.01, 0.5), of(0.01), [0.0], "object", NONE),  # more is lost at equal margin, too
        (of(0.0, 0.5), of(0.0), [0.0], "object", NONE),
        (of(0.0, 0.5), of(0.01, 0.06), [0.0], "object", NONE),
        (of(0.0, 0.5), of(0.01, None), [0.0], "object", NONE),
        (of(0.0, 0.5), None, [0.0], "object", NONE),
    ],
)
def test_evidence_needs_all_of_it(
    adjusted: Estimate, interaction: Estimate | None, excess: list[float], other: str | None,
    outcome: str,
) -> None:  # fmt: skip
    matched = [drawn(each) for each in excess]
    assert _outcome(bench(other=other), adjusted, interaction, matched) == outcome


@pytest.mark.parametrize(
    ("told", "matched", "changed", "reason"),
    [
        (bench(), [drawn()], 10, ""),
        (bench(sizes={"face": 29, "object": 30}), [drawn()], 10,
         "face has 29 items, and 30 are needed"),
        (bench(sizes={"face": 30, "object": 29}), [drawn()], 10,
         "object has 29 items, and 30 are needed"),
        (bench(), [drawn()], 9, "9 items became right or wrong, and 10 are needed"),
        (bench(has_accuracy=False), [drawn()], 9, "9 windows changed, and 10 are needed"),
        (bench(tolerance=0.049), [drawn()], 10,
         "hardly any intact margin occurs in both groups, so none can be held equal"),
        (bench(), [], 10, "no matched control was drawn"),
        (bench(), [drawn(least=0.05)], 10, ""),
        (bench(), [drawn(), drawn(least=0.051)], 10,
         "19 layer-matched draws cannot give a p of 0.05; 19 are needed"),
        (bench(), [drawn(least=0.2, settled=True)], 10, ""),
        (bench(), [drawn(least=0.05, settled=False)], 10, ""),
    ],
)  # fmt: skip
def test_too_little_is_told_by_what_is_missing(
    told: Any, matched: list[Comparison], changed: int, reason: str
) -> None:
    assert _reason(told, matched, changed) == reason


def test_the_largest_p_counts_of_those_that_are_known() -> None:
    assert _largest([0.1, None, 0.3]) == 0.3
    assert _largest([None]) is None
    assert _largest([]) is None
