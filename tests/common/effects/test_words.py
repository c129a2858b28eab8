"""How numbers are written, and what a run says before and beside its verdict."""

from __future__ import annotations

from typing import Any

import pytest

from common.effects.finding import amount, finding, plainly
from common.effects.measured import Measure, changed_told
from common.effects.verdict import verdict, warnings
from common.effects.words import between, percent, points
from tests.common.made import LOCALIZER, ablation, effect, judgement, made

SAID = {"warnings": ["Labels are few."]}


def results(**changes: Any) -> dict[str, Any]:
    """What ``results.json`` holds, as far as words are made of it."""
    intact = {
        "face": {"accuracy": 0.9, "ci": [0.85, 0.94], "n": 200},
        "object": {"accuracy": 0.8, "ci": [0.77, 0.83], "n": 1000},
    }
    groups = {name: effect(0.5, 0.4, each["n"]) for name, each in intact.items()}
    return {"intact": intact, "ablations": [ablation(groups=groups)], **changes}


def told(given: dict[str, Any]) -> str:
    return verdict(made(**given))


def doubts(given: dict[str, Any]) -> list[str]:
    return warnings(made(**given))


def test_the_verdict_is_the_plain_line_what_was_done_and_the_finding() -> None:
    one = made(**results())
    assert verdict(one) == (
        f"{plainly(one.judgement)} The 12 units (1 % of 1,200) most selective for floc:faces were "
        f"zeroed. {finding(one.judgement)}"
    )


@pytest.mark.parametrize(
    ("ablation", "words"),
    [
        ("zero", "were zeroed."),
        ("mean", "were set to their mean."),
        ("scale:2", "were scaled by 2."),
        ("scale:-0.5", "were scaled by -0.5."),
    ],
)
def test_the_ablation_is_named(ablation: str, words: str) -> None:
    assert words in told(results(ablation=ablation))


def test_one_unit_is_no_units() -> None:
    found = results()
    found["ablations"][0]["n_units"] = 1
    assert "The 1 unit (1 % of 1,200) most selective for floc:faces was zeroed." in told(found)


def test_the_verdict_is_about_the_headline_dose() -> None:
    found = results()
    found["ablations"].insert(0, {**found["ablations"][0], "percent": 5.0, "n_units": 60})
    assert "The 12 units (1 % of 1,200)" in told(found)


@pytest.mark.parametrize("nothing", [0.0, -0.0, -0.0004, 0.0004])
def test_nothing_is_never_minus_nothing(nothing: float) -> None:
    assert points(nothing) == "+0.0"
    assert between((-nothing, nothing)) == "[+0.0, +0.0]"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "+0"), (0.2512, "+0.251"), (-12.34, "-12.3"), (0.00123, "+0.00123"), (123.4, "+123")],
)
def test_a_margin_has_three_digits(value: float, text: str) -> None:
    assert amount(value) == text


@pytest.mark.parametrize(("share", "text"), [(0.0, "0.0 %"), (0.31149, "31.1 %"), (1.0, "100.0 %")])
def test_a_share_is_a_percentage(share: float, text: str) -> None:
    assert percent(share) == text


# --- warnings ---


def test_a_plain_run_needs_no_warning() -> None:
    assert doubts(results()) == []


def test_every_reason_for_doubt_is_a_warning() -> None:
    found = results(
        model={"phantom": True, "untrained": True, "chance": 0.9},
        evaluation={"target": "face", "other": "object", "overlap": 7, "warning": "Blurred."},
        judgement=judgement(**SAID),
    )
    found["selectivity"] = {"n_selective_q05": found["ablations"][0]["n_units"] - 1}
    found["ablations"].append(ablation("unmatched-part", n_units=5))
    assert doubts(found) == [
        "The model is a phantom: the run shows that the instrument works, nothing about brains.",
        "The weights are untrained: units with q < 0.05 show that the stimuli differ, not that "
        "anything was learned about them.",
        "7 evaluation stimuli were in the localizer too.",
        "Blurred.",
        "Only 11 units have t > 0 and q < 0.05: the others among the 12 that were masked cannot be "
        "told from chance.",
        "Intact accuracy on face is not above chance (90.0 %).",
        "Intact accuracy on object is not above chance (90.0 %).",
        "5 of the top 12 units have no equally loud partner in their site: no control says what "
        "units as loud would do that are not selective.",
        "Labels are few.",
    ]


@pytest.mark.parametrize(
    ("n", "told"),
    [
        (0, "No unit has t > 0 and q < 0.05: the 12 that were masked cannot"),
        (1, "Only 1 unit has t > 0 and q < 0.05: the others among the 12 that were masked cannot"),
    ],
)
def test_none_and_one_selective_unit_have_words_of_their_own(n: int, told: str) -> None:
    found = results()
    found["selectivity"] = {"n_selective_q05": n}
    (doubt,) = doubts(found)
    assert doubt == f"{told} be told from chance."


@pytest.mark.parametrize(
    ("n", "measure", "of_text", "told"),
    [
        (0, "accuracy", False, "0 items became right or wrong"),
        (1, "accuracy", False, "1 item became right or wrong"),
        (1, "agreement", False, "1 prediction changed"),
        (1200, "accuracy", True, "1,200 windows changed"),
    ],
)
def test_one_that_changed_is_one(n: int, measure: Measure, of_text: bool, told: str) -> None:
    assert changed_told(n, measure, of_text) == told


def test_each_group_has_the_chance_of_its_own_items() -> None:
    found = results()
    found["evaluation"] = {"chances": {"face": 0.01, "object": 0.99}}
    (doubt,) = doubts(found)
    assert doubt == "Intact accuracy on object is not above chance (99.0 %)."


def test_accuracy_above_chance_is_no_warning() -> None:
    assert doubts(results(model={"chance": 0.5, "phantom": False, "untrained": False})) == []


@pytest.mark.parametrize("percent", [1.0, 5.0])
def test_controls_that_are_not_alike_are_a_warning_at_their_dose(percent: float) -> None:
    site = {"site": "layer4.1:output", "n_units": 60, "n_masked": 12, "n_unmatched": 0, "gap": 0.3}
    unlike = {
        "percent": percent, "rule": "layer-matched", "stands_against": "top", "draws": 20,
        "overlap": 0.3, "sites": [site],
    }  # fmt: skip
    said = doubts(results(balances=[unlike]))
    assert len(said) == (3 if percent == 1.0 else 0)
    assert all(each.startswith("layer-matched controls of the top 1 %: ") for each in said)


def test_few_stimuli_on_a_side_of_the_localizer_are_told() -> None:
    (told,) = warnings(made(localizer={**LOCALIZER, "n_control": 12}))
    assert "90 target and 12 control stimuli" in told
