"""The verdict: each outcome, each error, and what must not matter."""

import json
import math
import re

import numpy as np
import pandas as pd
import pytest

from common.base.errors import DataError
from common.effects.finding import finding, plainly
from common.effects.judge import judge
from common.effects.judgement import Judgement
from common.effects.resample import Resampler
from tests.common.effects.judged import MATCHED, Experiment, found


def test_a_loss_of_the_target_is_evidence() -> None:
    judged = found(shift=0.6)
    assert judged.outcome == "evidence"
    assert judged.adjusted.ci[0] > 0.3
    assert judged.adjusted.p == 1 / 40
    assert judged.interaction is not None
    assert judged.interaction.ci[0] > 0
    assert judged.reason == ""


def test_equal_harm_is_no_evidence() -> None:
    judged = found()
    assert judged.outcome == "no evidence"
    assert judged.smallest_visible is not None
    assert 0.02 < judged.smallest_visible < 0.5


def test_harm_on_the_steep_part_is_difficulty() -> None:
    judged = found(loss=0.7, accuracies=(0.6, 0.98), n=300, m=600)
    assert judged.outcome == "explained by difficulty"
    assert judged.interaction is not None
    assert judged.interaction.ci[0] > 0


def test_where_controls_lose_as_much_at_equal_margin_difficulty_explains_nothing() -> None:
    run = Experiment(n=300, m=600).add("top-1", "top", 1.0, 0.5, 0.6).controls()
    for draw in (40, 41, 42):  # all right, though the target's margin fell by more than the top's
        run.add(f"magnitude-matched-1-s{draw}", "magnitude-matched", 1.0, loss=-6.0, shift=1.0)
    judged = judge(run.table(), "face", "object")
    assert judged.interaction is not None
    assert judged.interaction.p is not None
    assert judged.interaction.p <= 0.05
    assert judged.interaction.ci[0] > 0
    assert judged.adjusted.ci[0] > 0
    assert judged.outcome == "no evidence"
    assert "but not more margin" not in finding(judged)


def test_a_loss_of_the_other_group_is_none() -> None:
    assert found(shift=-0.6).outcome == "no evidence"


def test_a_top_that_only_scatters_more_is_no_evidence() -> None:
    hits = 0
    for seed in range(20):
        run = Experiment()
        run.rng = np.random.default_rng(seed)
        run.add("top-1", "top", 1.0, 0.5, scatter=1.5).controls(draws=19, rules=MATCHED[:1])
        hits += judge(run.table(), "face", "object").outcome == "evidence"
    assert hits <= 2


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (Experiment(n=29).add("t", "top", 1, 0, 1).controls(), "face has 29 items"),
        (Experiment(n=1).add("t", "top", 1, 0, 3).controls(), "face has 1 items"),
        (Experiment(m=20).add("t", "top", 1, 0, 1).controls(), "object has 20 items"),
        (Experiment().add("t", "top", 1, 0, 0, 0).controls(), "0 items became"),
        (Experiment().add("t", "top", 1, 0, 1), "no matched control"),
        (Experiment().add("t", "top", 1, 0, 1).controls(rules=["random"]), "no matched control"),
        (Experiment().add("t", "top", 1, 0, 1).controls(draws=18), "19 are needed"),
    ],
)
def test_too_little_cannot_tell(run: Experiment, reason: str) -> None:
    judged = judge(run.table(), "face", "object")
    assert judged.outcome == "cannot tell"
    assert reason in judged.reason
    assert reason in finding(judged)


def test_a_null_needs_no_more_draws_than_the_rule_asks_for() -> None:
    run = Experiment().add("t", "top", 1, 0.1).controls(draws=12, shift=1.0)
    assert judge(run.table(), "face", "object").outcome == "no evidence"


def test_groups_without_common_margins_cannot_tell() -> None:
    run = Experiment()
    run.intact = run.intact + 50 * run.target
    run.tables.clear()
    run.add("intact", "", math.nan, 0, scatter=0).add("t", "top", 1, 3).controls()
    judged = judge(run.table(), "face", "object")
    assert judged.outcome == "cannot tell"
    assert "intact margin" in judged.reason


def test_every_matched_rule_must_be_beaten() -> None:
    run = Experiment().add("t", "top", 1, 0.3, 0.6).controls(rules=MATCHED[:1])
    assert judge(run.table(), "face", "object").outcome == "evidence"
    run.controls(rules=MATCHED[1:], shift=1.0)
    judged = judge(run.table(), "face", "object")
    assert judged.outcome == "no evidence"
    assert judged.adjusted.p == 1.0


def test_one_matched_rule_is_warned_of() -> None:
    run = Experiment().add("t", "top", 1, 0.3, 0.6).controls(rules=MATCHED[:1])
    judged = judge(run.table(), "face", "object")
    assert any("No magnitude-matched control" in warning for warning in judged.warnings)


def test_other_rules_are_ranked_beside() -> None:
    run = Experiment().add("t", "top", 1, 0.3, 0.6).controls()
    run.controls(rules=["random", "range:40-60"], draws=5).add("b", "bottom", 1.0, 0)
    judged = judge(run.table(), "face", "object")
    by_rule = {entry.rule: entry for entry in judged.verdict.comparisons}
    assert set(by_rule) == {*MATCHED, "random", "range:40-60"}
    assert not by_rule["random"].matched
    assert by_rule["random"].p == 1 / 6


def test_the_matched_part_has_a_verdict_of_its_own() -> None:
    run = Experiment().add("t", "top", 1, 0.3, 0.6)
    run.add("m", "matched-part", 1, 0.1).add("u", "unmatched-part", 1, 0.2, 0.6).controls()
    judged = judge(run.table(), "face", "object")
    assert judged.matched_part is not None
    assert judged.matched_part.mask == "m"
    assert judged.matched_part.outcome == "no evidence"
    # The whole is compared with equally loud units by its matched part, which is nothing special.
    assert judged.outcome == "no evidence"
    against = {entry.rule: entry.against for entry in judged.verdict.comparisons}
    assert against == {"layer-matched": "top", "magnitude-matched": "matched-part"}
    assert [entry.rule for entry in judged.matched_part.comparisons] == ["magnitude-matched"]
    assert "(against the matched part)" in finding(judged)


def test_a_serving_matched_part_is_evidence_for_both() -> None:
    run = Experiment().add("t", "top", 1, 0.3, 0.6).add("m", "matched-part", 1, 0.1, 0.5)
    judged = judge(run.controls().table(), "face", "object")
    assert judged.outcome == "evidence"
    assert judged.matched_part is not None
    assert judged.matched_part.outcome == "evidence"


def test_doses_are_corrected_and_headline_is_one_percent() -> None:
    run = Experiment()
    for percent, shift in ((0.5, 0.0), (1.0, 0.6), (2.0, 0.0)):
        run.add(f"top-{percent:g}", "top", percent, 0.1, shift).controls(percent)
    judged = judge(run.table(), "face", "object")
    assert judged.percent == 1.0
    assert [verdict.outcome for verdict in judged.doses] == [
        "no evidence",
        "evidence",
        "no evidence",
    ]
    for verdict in judged.doses:
        for entry in verdict.comparisons:
            assert entry.p >= entry.p_alone
    assert any("3 doses" in warning for warning in judged.warnings)
    run.tables = [table for table in run.tables if table["percent"].iloc[0] != 1.0]
    assert judge(run.table(), "face", "object").percent == 0.5


def test_one_group_is_judged_by_its_loss() -> None:
    assert found(loss=0.3, other=None).outcome == "evidence"
    judged = found(loss=0.1, other=None)
    assert judged.outcome == "no evidence"
    assert judged.adjusted.effect == pytest.approx(0.1, abs=0.1)
    assert list(judged.verdict.groups) == ["face"]


def test_running_text_has_no_accuracy() -> None:
    table = Experiment().add("t", "top", 1, 0.3).controls().table()
    for text in (table.drop(columns="correct"), table.assign(correct=math.nan)):
        judged = judge(text, "face")
        assert judged.outcome == "evidence"
        assert judged.interaction is None
        assert judged.verdict.n_changed == 120
        assert judged.verdict.groups["face"].drop is None
        assert plainly(judged).startswith("Face: +0.280 margin lost.")
        assert finding(judged)


def test_rows_may_come_in_any_order_and_seed_decides() -> None:
    table = Experiment(labels=30).add("t", "top", 1, 0.3, 0.2).controls(draws=19).table()
    judged = judge(table, "face", "object")
    shuffled = table.groupby("mask", sort=False, group_keys=False).sample(frac=1, random_state=1)
    assert judge(shuffled, "face", "object") == judged
    assert judge(table.sample(frac=1, random_state=2), "face", "object") == judged
    assert judge(table, "face", "object", Resampler(1)) != judged


def test_what_counts_as_right_is_that_of_the_table() -> None:
    table = Experiment().add("t", "top", 1, 0.3, 0.2).controls(draws=19).table()
    assert judge(table, "face", "object").measure == "accuracy"
    assert judge(table.assign(measure="agreement"), "face", "object").measure == "agreement"


def test_other_groups_do_not_matter() -> None:
    table = Experiment().add("t", "top", 1, 0.3, 0.2).controls(draws=19).table()
    third = table[table["group"] == "face"].assign(group="third", margin=0.5)
    third["item"] = "third" + third["item"]
    judged = judge(table, "face", "object")
    assert judge(pd.concat([third, table]), "face", "object") == judged


def test_few_labels_are_warned_of_and_items_stand_alone() -> None:
    judged = found(shift=0.3, labels=3)
    assert any("only 3 labels" in warning for warning in judged.warnings)
    alone = found(shift=0.3)
    assert judged.adjusted == alone.adjusted or judged.adjusted.ci != alone.adjusted.ci


def test_a_ceiling_is_warned_of() -> None:
    run = Experiment()
    run.intact = np.minimum(run.intact, 0.5)
    run.tables.clear()
    run.add("intact", "", math.nan, 0, scatter=0).add("t", "top", 1, 0.3).controls()
    assert any("highest" in text for text in judge(run.table(), "face", "object").warnings)


@pytest.mark.parametrize("other", ["object", None])
def test_it_is_said_when_the_other_end_of_the_ranking_costs_as_much(other: str | None) -> None:
    def said(loss: float, shift: float, top: float = 0.5, scatter: float = 0.3) -> list[str]:
        run = Experiment().add("t", "top", 1, 0.1, top).controls()
        run.add("b", "bottom", 1, loss, shift, scatter)
        judged = judge(run.table(), "face", other)
        assert judged.outcome == ("evidence" if top else "no evidence")
        return [each for each in judged.warnings if "ranks last" in each]

    (told,) = said(loss=0.3, shift=0.5)
    more = r" more than object" if other else ""
    assert re.search(rf"cost face \+0\.\d+ \[\+0\.\d+, \+0\.\d+\]{more}, and the top", told)
    assert said(loss=0.3, shift=0.8)  # more than the top
    assert not said(loss=0.1, shift=0.0)
    assert not said(loss=0.1, shift=0.0, scatter=9.0)  # nothing is known of it
    assert not said(loss=0.1, shift=0.5, top=0.0)  # where nothing is claimed, nothing is taken back


def test_the_other_end_is_held_against_the_whole_top_by_the_same_items() -> None:
    run = Experiment().add("t", "top", 1, 0.3, 0.5).controls()
    table = run.add("b", "bottom", 1, 0.3, 0.6).table()
    (told,) = [each for each in judge(table, "face").warnings if "ranks last" in each]
    means = table[table["group"] == "face"].groupby("mask")["margin"].mean()
    bottom, top = means["intact"] - means["b"], means["intact"] - means["t"]
    assert f"cost face {bottom:+.3f} [" in told
    assert f"more than that ({top - bottom:+.3f} [" in told


def broken(name: str) -> pd.DataFrame:
    table = Experiment(40, 40).add("t", "top", 1.0, 0.3).controls(draws=2).table()
    if name == "column":
        return table.drop(columns="margin")
    if name == "twice":
        return pd.concat([table, table.iloc[[90]]])
    if name == "missing":
        return table.drop(index=100)
    if name == "extra":
        return pd.concat([table, table.iloc[[100]].assign(item="new")])
    if name == "nan":
        table.loc[100, "margin"] = math.nan
    if name == "infinite":
        table.loc[100, "margin"] = math.inf
    if name == "intact":
        return table[table["mask"] != "intact"]
    if name == "top":
        return table[table["rule"] != "top"]
    if name == "correct":
        table.loc[100, "correct"] = 2
    if name == "some correct":
        table["correct"] = table["correct"].astype(float)
        table.loc[100, "correct"] = math.nan
    if name == "regrouped":
        table.loc[100, "group"] = "object"
    if name == "percent":
        table.loc[table["mask"] == "t", "percent"] = math.nan
    if name == "two tops":
        more = table[table["mask"] == "t"].assign(mask="another")
        return pd.concat([table, more])
    if name == "two rules":
        table.loc[100, "rule"] = "random"
    return table


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("column", "lacks the columns margin"),
        ("twice", "comes twice under the mask 't'"),
        ("missing", "'i00020' is missing under the mask 't'"),
        ("extra", "'new' is missing under the mask 'intact'"),
        ("nan", "margin of item 'i00020' under the mask 't' is no number"),
        ("infinite", "margin of item 'i00020' under the mask 't' is no number"),
        ("intact", "no rows with the mask 'intact'"),
        ("top", "no mask of the table has the rule 'top'"),
        ("correct", "neither right"),
        ("some correct", "neither right"),
        ("regrouped", "more than one group"),
        ("percent", "'t' has no rule or no percent"),
        ("two tops", "more than one top mask of 1 percent"),
        ("two rules", "'t' has more than one rule"),
    ],
)
def test_a_broken_table_is_told(name: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        judge(broken(name), "face", "object")


def test_groups_must_be_known_and_two() -> None:
    table = broken("")
    with pytest.raises(DataError, match="no item is of the group 'car'; there are face, object"):
        judge(table, "car", "object")
    with pytest.raises(DataError, match="no item is of the group 'car'"):
        judge(table, "face", "car")
    with pytest.raises(DataError, match="name two groups"):
        judge(table, "face", "face")


def test_everything_is_plain_data() -> None:
    held = found().as_json()
    assert json.loads(json.dumps(held, allow_nan=False)) == held
    assert Judgement.model_validate(held) == found()
    single = judge(Experiment(n=1).add("t", "top", 1, 0, 3).table(), "face", "object")
    assert single.as_json()["adjusted"]["ci"] == [None, None]
    assert Judgement.model_validate(single.as_json()) == single
    assert held["doses"][0]["groups"]["face"]["drop"]["n"] == 120
