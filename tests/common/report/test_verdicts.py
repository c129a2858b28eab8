"""The verdict in words: the outcome's mark, what it rests on, the table dose by dose."""

from __future__ import annotations

import pytest

from common.effects.finding import finding, plainly
from common.effects.judgement import Outcome
from common.report.outcome_table import columns, doses, intact_row
from common.report.verdicts import BADGES, beside, verdict_said, verdict_tables
from tests.common.made import (
    RATE,
    ablation,
    comparison,
    effect,
    estimate,
    group,
    judgement,
    made,
    verdict_at,
)

MATCHED = [
    comparison("layer-matched", 199, 0.05, settled=False),
    comparison("magnitude-matched", 40, 0.25, settled=True, against="matched-part"),
]


def test_each_outcome_has_its_own_mark_word_and_colour() -> None:
    badges = BADGES.values()
    for told in ("mark", "word", "style"):
        assert len({getattr(badge, told) for badge in badges}) == 4
    for outcome, badge in BADGES.items():
        assert badge.word.lower() == outcome


@pytest.mark.parametrize("outcome", [*BADGES])
def test_the_verdict_is_the_plain_line_and_then_the_sentence(outcome: Outcome) -> None:
    given = made(judgement=judgement([verdict_at(outcome=outcome, reason="too few")]))
    plain, rest = plainly(given.judgement), f"Zeroing it. {finding(given.judgement)}"
    said = verdict_said(given.model_copy(update={"verdict": f"{plain} {rest}"}))
    assert (said.badge, said.plain, said.sentence) == (BADGES[outcome], plain, rest)


def test_it_says_on_which_rules_and_draws_it_rests() -> None:
    drawn = [*MATCHED, comparison("random", 10)]
    said = verdict_said(made(judgement=judgement([verdict_at(comparisons=drawn)])))
    assert said.rests == (
        "It rests on 199 layer-matched draws and 40 magnitude-matched draws (held against the "
        "matched part; more would not change p); p is the largest of the ranks among them. Under "
        "the mask 25 items became right or wrong."
    )
    several = judgement([verdict_at(comparisons=MATCHED[:1]), verdict_at(5.0)])
    assert "p is the rank among them over 2 doses." in verdict_said(made(judgement=several)).rests
    none = judgement([verdict_at(comparisons=[comparison("random")])])
    assert "No matched control" in verdict_said(made(judgement=none)).rests


def test_the_matched_part_and_running_texts_stand_beside_it() -> None:
    masks = [
        ablation(mask="top-1", n_units=12),
        ablation("matched-part", mask="matched-part-1", n_units=9),
    ]
    part = verdict_at(mask="matched-part-1", outcome="no evidence", comparisons=MATCHED[1:])
    lost = {"n": 80, "intact": None, "ablated": None, "drop": None, "loss": estimate(0.03)}
    compared = [comparison("layer-matched", accuracy={}, loss={"prose": 0.01})]
    window = verdict_at(
        interaction=None, groups={"prose": lost}, outcome="no evidence", comparisons=compared
    )
    prose = judgement([window], target="prose", other=None, warnings=["Windows are neighbours."])
    given = made(
        ablations=masks, judgement=judgement(matched_parts=[part]), text_judgements={"prose": prose}
    )
    matched, text = beside(given)
    assert "matched part alone: 9 of 12 units" in matched.title
    assert matched.badge == BADGES["no evidence"]
    assert "40 magnitude-matched" in matched.sentence
    assert text.title.endswith("prose")
    assert text.plain.startswith("Prose: ")
    assert "windows changed" in text.rests
    assert text.notes == ("Windows are neighbours.",)
    ours, of_text = verdict_tables(given)
    assert [row[0].value for row in ours.rows] == ["1 %", "matched part of 1 %"]
    assert "nats a token" in of_text.note
    assert "interaction of accuracy" not in of_text.columns
    (whole, unmatched) = doses(given)[0].rows
    assert (whole.n_units, unmatched.n_units) == (12, 9)
    assert unmatched.cells[-2].value == "+0.500"  # the judgement's own, with its interval


def test_a_row_of_the_table_by_dose() -> None:
    drawn = [
        comparison("layer-matched", 199, 0.02, p_alone=0.01),
        comparison("magnitude-matched", 60, 0.03, p_alone=0.025),
        comparison("random", 10, 0.5, p_alone=0.5),
    ]
    first = verdict_at(comparisons=drawn, adjusted=estimate(0.251, 0.03))
    second = verdict_at(5.0, outcome="cannot tell", reason="it has 3 items", smallest_visible=None)
    given = made(
        ablations=[ablation(mask="top-1"), ablation(percent=5.0, mask="top-5", n_units=60)],
        judgement=judgement([first, second]),
    )
    (table,) = verdict_tables(given)
    assert "At 5 % nothing can be told: it has 3 items." in table.note
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    told = {head: (cell.value, cell.beside) for head, cell in rows[0].items()}
    assert told == {
        "dose": ("1 %", "12 units"),
        "outcome": ("●\N{NO-BREAK SPACE}Evidence", ""),
        "adjusted effect": ("+0.251", "[+0.151, +0.351]"),
        "p over doses": ("0.030", ""),
        "p of the dose alone": ("0.025", ""),
        "draws": ("199 layer-matched, 60 magnitude-matched", ""),
        "interaction of accuracy": ("+47.0", "[+37.0, +57.0], p = 0.048"),
        "smallest visible effect": ("0.310", ""),
    }
    assert rows[1]["smallest visible effect"].value == ""


def test_the_table_of_masks_with_two_groups_and_with_one() -> None:
    draws = [ablation("layer-matched", mask=f"l{n}") for n in range(3)]
    two = made(ablations=[ablation(), *draws, ablation("bottom")])
    assert [column.name for column in columns(two)] == [
        "face", "drop, face", "object", "drop, object", "interaction", "adjusted effect", "p",
    ]  # fmt: skip
    top, drawn, bottom = doses(two)[0].rows
    assert (top.cells[-2].value, top.cells[-1].value) == ("+0.500", "")
    assert (drawn.draws, drawn.cells[-2].value, drawn.cells[-1].value) == (3, "+0.0200", "0.048")
    assert bottom.cells[-2].value == bottom.cells[-1].value == ""
    one = made(
        evaluation={"other": None},
        intact={"face": RATE},
        ablations=[ablation(groups={"face": effect()})],
        judgement=judgement([verdict_at(groups={"face": group()})], other=None),
    )
    heads = [column.name for column in columns(one)]
    assert heads == ["face", "drop, face", "margin loss", "p"]
    assert [len(row.cells) for row in doses(one)[0].rows] == [len(intact_row(one))] == [4]
    (table,) = verdict_tables(one)
    assert "drop" in table.columns
    assert "margin loss" in table.columns
