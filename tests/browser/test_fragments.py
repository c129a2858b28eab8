"""The verdict on a page: the same words as in the report, marked by more than a colour."""

from __future__ import annotations

import pytest

from browser import fragments
from common.effects.judgement import Outcome
from common.report.verdicts import BADGES, verdict_said
from tests.common.made import ablation, comparison, judgement, made, verdict_at

HOSTILE = '"quoted" <script>alert(1)</script>'


@pytest.mark.parametrize("outcome", [*BADGES])
def test_each_outcome_has_its_mark_word_and_colour(outcome: Outcome) -> None:
    given = made(judgement=judgement([verdict_at(outcome=outcome)]))
    html, badge = fragments.finding(given), BADGES[outcome]
    assert f"<span>{badge.mark}</span> {badge.word}</p>" in html
    assert f"fl-finding fl-{badge.style}" in html
    assert html.count("role='status'") == 1
    assert verdict_said(given).rests in html
    assert "Mind the gap." in html


def test_the_matched_part_and_the_table_by_dose_are_shown() -> None:
    masks = [ablation(), ablation("matched-part", mask="m"), *[ablation("layer-matched")] * 2]
    drawn = [comparison("magnitude-matched", 40, 0.4, against="matched-part")]
    part = verdict_at(mask="m", outcome="no evidence", comparisons=drawn)
    given = made(ablations=masks, judgement=judgement(matched_parts=[part]))
    html = fragments.finding(given)
    assert html.count("fl-also") == 1
    assert "40 magnitude-matched draws (held against the matched part)" in html
    tables = fragments.outcome_tables(given)
    assert "The verdict by dose" in tables
    assert "matched part of 1 %" in tables
    assert tables.count("fl-strong") == 1


def test_what_comes_from_outside_is_escaped() -> None:
    given = made(
        judgement=judgement(target=HOSTILE, other="object"), verdict=HOSTILE, warnings=[HOSTILE],
        localizer={"name": HOSTILE},
    )  # fmt: skip
    named = judgement([verdict_at(outcome="cannot tell", reason=HOSTILE, comparisons=[])])
    told = made(judgement=named, verdict=HOSTILE)
    for results in (told, given.model_copy(update={"judgement": told.judgement})):
        assert "<script" not in fragments.finding(results) + fragments.outcome_tables(results)
