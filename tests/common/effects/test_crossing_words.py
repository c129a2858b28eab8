"""What a dissociation says in words, for each of its outcomes."""

from __future__ import annotations

from typing import Any

import pytest

from common.effects.claim import NO, UNTOLD, YES
from common.effects.crossing_words import (
    DOUBLE,
    NONE,
    SINGLE,
    UNKNOWN,
    cautions,
    outcome,
    plainly,
    said,
    sentences,
)
from common.effects.dissociation import Dissociation
from tests.common.made import EVALUATION, LOCALIZER, MODEL, SELECTIVITY, estimate

CHANCE = {"accuracy": 0.3, "ci": [0.25, 0.4], "n": 50}
SURE = {"accuracy": 0.9, "ci": [0.8, 0.95], "n": 50}
PLACES = [("A", "x"), ("A", "y"), ("B", "x"), ("B", "y")]
LOSS = {("A", "x"): 2.0, ("A", "y"): 0.5, ("B", "x"): 0.25, ("B", "y"): 1.0}


def cell(localizer: str, group: str, answer: str, running: bool = False) -> dict[str, Any]:
    loss = LOSS[localizer, group]
    other = "B" if localizer == "A" else "A"
    lead = {"other": other, "loss": estimate(loss - LOSS[other, group], 0.01)}
    far = {"other": "C", "loss": estimate(loss + 5, 0.01)}
    drop = {"effect": loss / 10, "ci": [0.0, 0.3], "lost": 9, "won": 1, "n": 50, "mcnemar_p": 0.1}
    drawn = {
        "rule": "layer-matched", "against": "top", "draws": 20, "mean": 0.1, "p": 1 / 21,
        "least": 1 / 21,
    }  # fmt: skip
    return {
        "localizer": localizer, "group": group, "ablated": None if running else SURE,
        "drop": None if running else drop, "loss": estimate(loss), "leads": [far, lead],
        "p_alone": 0.01, "p": 0.04 - loss / 100, "drawn": [drawn] if answer == YES else [],
        "singled_out": answer, "because": "" if answer == YES else f"{group} is {answer}",
    }  # fmt: skip


def made(answers: tuple[str, ...], running: bool = False, **changes: Any) -> Dissociation:
    out = [place for place, answer in zip(PLACES, answers, strict=True) if answer == YES]
    doubles = [
        {"one": one, "other": other} for one in out for other in out
        if one[0] < other[0] and one[1] != other[1]
    ]  # fmt: skip
    mapped = [
        {"localizer": {**LOCALIZER, "name": name}, "selectivity": SELECTIVITY, "n_units": 12}
        for name in "AB"
    ]
    return Dissociation.model_validate({
        "model": MODEL, "localizers": mapped, "evaluation": EVALUATION, "by": "group",
        "groups": [
            {"name": name, "n": 50, "intact": of} for name, of in (("x", SURE), ("y", CHANCE))
        ],
        "percent": 1.0, "ablation": "zero", "overlaps": [], "doubles": doubles,
        "cells": [
            cell(*place, answer, running) for place, answer in zip(PLACES, answers, strict=True)
        ],
        **changes,
    })  # fmt: skip


@pytest.mark.parametrize(
    ("answers", "what", "words"),
    [
        ((YES, NO, NO, YES), DOUBLE,
         "Double dissociation: x loses most without the units of A (+20.0 points [+0.0, "
         "+30.0]; next is B with +2.5), y without those of B (+10.0 points [+0.0, +30.0]; next is "
         "A with +5.0)."),
        ((YES, NO, NO, NO), SINGLE,
         "Single dissociation: x loses most without the units of A (+20.0 points [+0.0, "
         "+30.0]; next is B with +2.5). No other mask singles out another group."),
        ((YES, YES, NO, NO), NONE,
         "No dissociation: every group loses most without the units of A, so these are no single "
         "group’s own."),
        ((NO, NO, NO, UNTOLD), UNKNOWN,
         "Cannot tell: y under the mask of B (y is cannot tell)."),
        ((NO, NO, NO, NO), NONE,
         "No dissociation: no group loses more without one localizer’s units than without those of "
         "every other and without matched ones."),
    ],
)  # fmt: skip
def test_each_outcome_has_its_line(answers: tuple[str, ...], what: str, words: str) -> None:
    found = made(answers)
    assert outcome(found) == what
    assert plainly(found) == words
    assert said(found) == " ".join([words, *sentences(found)])


def test_a_sentence_has_the_numbers_of_what_is_singled_out() -> None:
    (told,) = sentences(made((YES, NO, NO, NO)))
    assert told == (
        "Without the units of A x loses +20.0 points [+0.0, +30.0] of accuracy and +2.00 "
        "[+1.90, +2.10] of margin, +1.75 [+1.65, +1.85] of margin more than without those of B "
        "(p = 0.02, corrected for 4 cells); layer-matched draws cost it +0.100 on average "
        "(p = 0.048 among 20)."
    )
    assert len(sentences(made((YES, NO, NO, YES)))) == 2


def test_where_nothing_is_singled_out_the_nearest_is_told_and_why_it_is_not() -> None:
    (told,) = sentences(made((NO, NO, NO, UNTOLD)))
    assert told.startswith("Without the units of A x loses")  # its p is the smallest
    assert told.endswith("corrected for 4 cells). It is not singled out: x is no.")


def test_of_running_text_the_margin_alone_is_told() -> None:
    found = made((YES, NO, NO, NO), running=True)
    assert "(+2.00 of margin [+1.90, +2.10]; next is B with +0.250)" in plainly(found)
    assert "A x loses +2.00 [+1.90, +2.10] of margin, +1.75" in sentences(found)[0]


def test_what_warns_of_it_is_told() -> None:
    assert [*cautions(made((NO,) * 4))] == []
    overlap = {"one": "A", "other": "B", "chance": 0.1, "chance_within": 0.5}
    mapped = [
        {"localizer": {**LOCALIZER, "name": name, **more}, "selectivity": {}, "n_units": 12}
        for name, more in (
            ("A", {"warning": "Mind them."}),
            ("B", {"skipped": [{"name": "a.png", "reason": "empty"}]}),
        )
    ]
    for each in mapped:
        each["selectivity"] = SELECTIVITY
    told = [*cautions(made(
        (NO,) * 4,
        model={**MODEL, "chance": 0.25, "untrained": True}, localizers=mapped,
        evaluation={**EVALUATION, "overlap": 3, "warning": "Mind those."},
        overlaps=[{**overlap, "shared": n, "p": p} for n, p in ((4, 0.05), (0, 0.01), (1, 0.06))],
    ))]  # fmt: skip
    assert told == [
        "The weights are untrained.",
        "3 evaluation stimuli were in a localizer too.",
        "A: Mind them.",
        "1 stimulus of the B was broken or missing and left out: a.png.",
        "Mind those.",
        "The masks of A and B share 4 of 12 units (chance within sites 0.5, p = 0.05); what is "
        "shared cannot set them apart.",
        "Intact accuracy on y is not above chance (25.0 %).",
    ]
