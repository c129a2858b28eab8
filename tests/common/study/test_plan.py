"""A plan is read from text: percentages, ablations, controls; what makes no sense is refused."""

from __future__ import annotations

import pytest

from common.base.errors import SettingError
from common.measure.ablate import Ablation
from common.measure.control_rules import parse_controls
from common.study.plan import DEFAULT_CONTROLS, Plan, parse_ablation, parse_percents


@pytest.mark.parametrize(
    ("percents", "headline"), [((5.0, 1.0), 1.0), ((0.5, 2.0), 0.5), ((2.0,), 2.0)]
)
def test_the_headline_is_one_percent_or_the_first(percents: tuple, headline: float) -> None:
    assert Plan(percents, []).headline == headline


@pytest.mark.parametrize(
    ("text", "percents"),
    [("1", (1.0,)), ("0.125, 1,100", (0.125, 1.0, 100.0)), ("5,1", (5.0, 1.0))],
)
def test_percentages_are_read(text: str, percents: tuple[float, ...]) -> None:
    assert parse_percents(text) == percents


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "101", "nan", "inf", "1,", "one", "1;2", "1,0", "1 2", "1,1.0"]
)
def test_percentages_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(SettingError) as caught:
        parse_percents(text)
    assert str(caught.value).startswith(f"`top` {text}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "ablation"),
    [("zero", "zero"), ("mean", "mean"), ("scale:0.5", 0.5), ("scale:-2", -2.0), ("scale:0", 0.0)],
)
def test_an_ablation_is_read(text: str, ablation: Ablation) -> None:
    assert parse_ablation(text) == ablation


@pytest.mark.parametrize(
    "text",
    ["", "none", "Zero", "zero:1", "2", "size:2", "scale", "scale:", "scale:nan", "scale:1:2"],
)
def test_an_ablation_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(SettingError) as caught:
        parse_ablation(text)
    assert str(caught.value).startswith(f"`ablation` {text}: ")


def test_the_default_controls_can_be_read() -> None:
    plans = {plan.rule: plan.draws for plan in parse_controls(DEFAULT_CONTROLS)}
    assert plans == {"random": 10, "layer-matched": 199, "magnitude-matched": 199, "bottom": 1}
