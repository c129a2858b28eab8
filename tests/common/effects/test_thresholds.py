"""Each threshold of the verdict, on either side of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from common.effects.claim import NO, UNTOLD, YES, Answer
from common.effects.crossing import _answer
from common.effects.dissociation import Drawn, Lead
from common.effects.judge import _largest, _outcome, _reason
from common.effects.judgement import (
    DIFFICULTY,
    EVIDENCE,
    NONE,
    UNKNOWN,
    Comparison,
    Estimate,
)
from common.effects.kinds_compared import _is_largest, _more_than_matched
from common.effects.site_kinds import RankedDraws
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


def lead(low: float, effect: float = 1.0, other: str = "B") -> Lead:
    return Lead(other=other, loss=Estimate(effect=effect, ci=(low, 9.0), p=0.01))


def ranked(p: float, least: float = 0.04, draws: int = 24, rule: str = "layer-matched") -> Drawn:
    return Drawn(rule=rule, against="top", draws=draws, mean=0.1, p=p, least=least)


@pytest.mark.parametrize(
    ("n", "low", "leads", "p", "against", "answer", "why"),
    [
        (30, 0.01, [lead(0.01)], 0.05, [ranked(0.05)], YES, ""),
        (29, 0.01, [lead(0.01)], 0.05, [ranked(0.05)], UNTOLD, "29 items, and 30 are needed"),
        (30, 0.0, [lead(0.01)], 0.05, [ranked(0.05)], NO,
         "nothing is lost beyond what the interval leaves open"),
        (30, 0.01, [lead(0.01), lead(0.01, 0.5, "C")], 0.051, [ranked(0.05)], NO,
         "not more than under C (p = 0.051)"),
        (30, 0.01, [lead(0.01, 0.5), lead(0.0, 0.7, "C")], 0.01, [ranked(0.05)], NO,
         "not more than under B (p = 0.010)"),
        (30, 0.01, [lead(0.01)], 0.05, [ranked(0.05), ranked(0.051, rule="magnitude-matched")], NO,
         "not more than under magnitude-matched draws (p = 0.051)"),
        (30, 0.01, [lead(0.01)], 0.05, [ranked(0.06, least=0.05)], NO,
         "not more than under layer-matched draws (p = 0.060)"),
        (30, 0.01, [lead(0.01)], 0.05, [ranked(0.06, least=0.06, draws=9), ranked(0.05)], UNTOLD,
         "9 draws of matched masks cannot give a p of 0.05"),
        (30, 0.01, [lead(0.01)], 0.05, [], UNTOLD,
         "0 draws of matched masks cannot give a p of 0.05"),
    ],
)  # fmt: skip
def test_a_cell_is_singled_out_by_all_of_it(
    n: int, low: float, leads: list[Lead], p: float, against: list[Drawn], answer: Answer, why: str
) -> None:
    assert _answer(n, 10, of(low, None), leads, p, against) == (answer, why)


def test_a_cell_in_which_few_items_changed_singles_nothing_out() -> None:
    """As a run tells nothing of fewer, but where a cell is denied, more items would not help."""
    shown = (of(0.01, None), [lead(0.01)], 0.05, [ranked(0.05)])
    assert _answer(30, 10, *shown) == (YES, "")
    assert _answer(30, 9, *shown) == (UNTOLD, "9 items became right or wrong, and 10 are needed")
    assert _answer(30, 1, *shown)[1].startswith("1 item became")
    assert _answer(30, 0, of(-0.01, None), *shown[1:])[0] == NO


@pytest.mark.parametrize(
    ("outcome", "own", "leads", "p", "answer"),
    [
        (EVIDENCE, 0.01, [0.01, 0.01], 0.05, YES),
        (NONE, 0.01, [0.01], 0.05, YES),
        (UNKNOWN, 0.01, [0.01], 0.05, UNTOLD),
        (EVIDENCE, 0.0, [0.01], 0.05, NO),
        (EVIDENCE, 0.01, [0.0, 0.01], 0.05, NO),
        (EVIDENCE, 0.01, [0.01], 0.051, NO),
    ],
)
def test_a_kind_is_the_largest_by_all_of_it(
    outcome: str, own: float, leads: list[float], p: float, answer: Answer
) -> None:
    judged: Any = SimpleNamespace(outcome=outcome)
    assert _is_largest(judged, of(own), [of(low) for low in leads], p) == answer


def of_kind(p: float, least: float = 0.04, rule: str = "layer-matched") -> RankedDraws:
    return RankedDraws(
        rule=rule, against="top", effects=(0.1, 0.2), mean=0.15, p=p, p_alone=p, least=least
    )


@pytest.mark.parametrize(
    ("outcome", "against", "answer", "why"),
    [
        (EVIDENCE, [of_kind(0.05)], YES, ""),
        (EVIDENCE, [of_kind(0.01), of_kind(0.051, rule="magnitude-matched")], NO,
         "p = 0.051 among magnitude-matched draws over 3 kinds"),
        (EVIDENCE, [of_kind(0.06, least=0.05)], NO, "p = 0.060 among layer-matched draws over 3"
         " kinds"),
        (EVIDENCE, [of_kind(0.06, least=0.06)], UNTOLD, "p = 0.060 among layer-matched draws over 3"
         " kinds"),
        (NONE, [of_kind(0.01)], NO, "no evidence"),
        (UNKNOWN, [of_kind(0.01)], UNTOLD, "too few"),
    ],
)  # fmt: skip
def test_a_kind_takes_more_than_matched_units_over_all_kinds(
    outcome: str, against: list[RankedDraws], answer: Answer, why: str
) -> None:
    judged: Any = SimpleNamespace(outcome=outcome, reason="too few")
    assert _more_than_matched(judged, against, 3) == (answer, why)
