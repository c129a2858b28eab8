"""The finding in words, for every finding there can be."""

from __future__ import annotations

from typing import Any

import pytest

from common.effects.words import between, has_evidence, percent, points, verdict, warnings
from tests.common.made import ablation, effect, made, permutation

MATCHED = [("layer-matched", 20), ("magnitude-matched", 20)]


def results(
    drops: tuple[float, float] = (0.42, 0.016),
    interaction_ci: tuple[float, float] = (0.31, 0.5),
    p: float | None = 1 / 21,
    rules: list[tuple[str, int]] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """What ``results.json`` holds, as far as words are made of it."""
    intact = {
        "face": {"accuracy": 0.9, "ci": [0.85, 0.94], "n": 200},
        "object": {"accuracy": 0.8, "ci": [0.77, 0.83], "n": 1000},
    }
    groups = {
        name: effect(intact[name]["accuracy"] - drop, drop, intact[name]["n"])
        for name, drop in zip(intact, drops, strict=True)
    }
    gap = drops[0] - drops[1]
    top = ablation(groups=groups, interaction=gap, interaction_ci=list(interaction_ci))
    compared = [
        permutation(rule, draws, p) for rule, draws in (MATCHED if rules is None else rules)
    ]
    return {
        "intact": intact,
        "ablations": [top],
        "permutations": compared,
        "permutation_p": p,
        **changes,
    }


def told(given: dict[str, Any]) -> str:
    return verdict(made(**given))


def evident(given: dict[str, Any], dose: float | None = None) -> bool:
    return has_evidence(made(**given), dose)


def doubts(given: dict[str, Any]) -> list[str]:
    return warnings(made(**given))


def test_evidence_is_said_in_full() -> None:
    found = results()
    assert evident(found)
    assert told(found) == (
        "Zeroing the 12 units (1 % of 1,200) most selective for floc:faces changed accuracy "
        "on face by -42.0 points [-45.0, -37.0] (from 90.0 % to 48.0 %, n = 200) and "
        "on object by -1.6 points [-4.6, +3.4] (from 80.0 % to 78.4 %, n = 1,000). "
        "Evidence that these units serve face more than object: "
        "the interaction is +40.4 points [+31.0, +50.0], p = 0.048 against control masks."
    )


@pytest.mark.parametrize(
    ("ci", "p"),
    [((-0.01, 0.5), 1 / 21), ((0.0, 0.5), 1 / 21), ((0.3, 0.5), 2 / 21), ((-0.1, 0.5), 0.4)],
)
def test_no_evidence_is_said_when_either_test_fails(ci: tuple[float, float], p: float) -> None:
    found = results(interaction_ci=ci, p=p)
    assert not evident(found)
    assert "No evidence that these units serve face more than object: " in told(found)
    assert f"p = {p:.3f}" in told(found)


def test_p_of_exactly_5_in_100_is_evidence() -> None:
    assert evident(results(p=1 / 20))


def test_the_opposite_is_called_no_evidence_and_named() -> None:
    found = results((0.01, 0.3), (-0.4, -0.2), p=1.0)
    assert not evident(found)
    assert "No evidence for face; object lost more: the interaction is -29.0 points" in told(found)


def test_without_control_masks_nothing_is_evidence() -> None:
    found = results(p=None, rules=[])
    assert not evident(found)
    assert told(found).endswith(
        "The interaction is +40.4 points [+31.0, +50.0]; "
        "without drawn control masks that is no evidence."
    )


@pytest.mark.parametrize(
    ("ablation", "words"),
    [
        ("zero", "Zeroing the 12"),
        ("mean", "Setting to their mean the 12"),
        ("scale:2", "Scaling by 2 the 12"),
        ("scale:-0.5", "Scaling by -0.5 the 12"),
    ],
)
def test_the_ablation_is_named(ablation: str, words: str) -> None:
    assert told(results(ablation=ablation)).startswith(words)


def test_one_unit_is_no_units() -> None:
    found = results()
    found["ablations"][0]["n_units"] = 1
    assert "the 1 unit (" in told(found)


def test_the_verdict_is_about_the_headline_dose() -> None:
    found = results()
    other = {**found["ablations"][0], "percent": 5.0, "n_units": 60, "interaction_ci": [-1, 1]}
    found["ablations"].insert(0, other)
    found["permutations"].append(permutation("random", 20, 1 / 21, 5.0))
    assert "the 12 units (1 % of 1,200)" in told(found)
    assert evident(found)
    assert evident(found, 1.0)
    assert not evident(found, 5.0)


@pytest.mark.parametrize(
    ("rules", "yes"),
    [
        ([("random", 10, 0.9), ("layer-matched", 20, 0.04)], True),
        ([("random", 10, 0.01), ("layer-matched", 20, 0.9)], False),
        ([("layer-matched", 20, 0.04), ("magnitude-matched", 20, 0.06)], False),
        ([("random", 19, 0.05), ("bottom", 1, 0.5)], True),
        ([("bottom", 1, 0.01)], False),
    ],
)
def test_evidence_at_a_dose_rests_on_the_matched_controls(rules: list, yes: bool) -> None:
    found = results(rules=[])
    found["permutations"] = [permutation(*each) for each in rules]
    assert evident(found, 1.0) is yes


@pytest.mark.parametrize("nothing", [0.0, -0.0, -0.0004, 0.0004])
def test_nothing_is_never_minus_nothing(nothing: float) -> None:
    assert points(nothing) == "+0.0"
    assert between((-nothing, nothing)) == "[+0.0, +0.0]"
    assert "-0.0" not in told(results((nothing, -nothing), (nothing, nothing)))


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
    )
    found["intact"]["face"]["n"] = 29
    found["selectivity"] = {"n_selective_q05": found["ablations"][0]["n_units"] - 1}
    found["ablations"].append({**found["ablations"][0], "percent": 2.0})
    assert doubts(found) == [
        "The model is a phantom: the run shows that the instrument works, nothing about brains.",
        "The weights are untrained: units with q < 0.05 show that the stimuli differ, not that "
        "anything was learned about them.",
        "7 evaluation stimuli were in the localizer too.",
        "Blurred.",
        "Only 11 units have t > 0 and q < 0.05: the others among the 12 that were masked cannot be "
        "told from chance.",
        "Group face has only 29 items.",
        "Intact accuracy on face is not above chance (90.0 %).",
        "Intact accuracy on object is not above chance (90.0 %).",
        "2 doses were tried; p is not corrected for that.",
    ]


def test_each_group_has_the_chance_of_its_own_items() -> None:
    found = results()
    found["evaluation"] = {"chances": {"face": 0.01, "object": 0.99}}
    (doubt,) = doubts(found)
    assert doubt == "Intact accuracy on object is not above chance (99.0 %)."


def test_accuracy_above_chance_and_enough_items_are_no_warning() -> None:
    found = results(model={"chance": 0.5, "phantom": False, "untrained": False})
    found["intact"]["face"]["n"] = 30
    assert doubts(found) == []


@pytest.mark.parametrize(
    ("rules", "few"),
    [
        ([("layer-matched", 19), ("magnitude-matched", 19)], False),
        ([("layer-matched", 18)], True),
        ([("random", 100), ("layer-matched", 5)], True),  # p rests on the five
        ([("random", 19), ("bottom", 1)], False),
        ([("random", 19), ("range:40-60", 4)], True),
        ([("bottom", 1)], True),
        ([], True),
    ],
)
def test_too_few_draws_for_any_p_are_a_warning(rules: list, few: bool) -> None:
    wanted = ["Too few control masks were drawn for p to fall to 0.05."] if few else []
    assert doubts(results(rules=rules)) == wanted
