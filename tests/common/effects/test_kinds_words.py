"""What a comparison of kinds says in words, for each of its answers."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from common.effects.claim import NO, UNTOLD, YES
from common.effects.kinds_words import (
    NONE,
    ONE,
    SEVERAL,
    UNKNOWN,
    cautions,
    outcome,
    plainly,
    said,
    sentences,
)
from common.effects.site_kinds import AskedKinds, ComparedSites
from common.effects.words import read_twice
from tests.common.effects.test_kinds import asked
from tests.common.made import EVALUATION, LOCALIZER, MODEL, SELECTIVITY

KINDS = ("block", "attn")


@cache
def two(other: bool = True) -> AskedKinds:
    return asked({"block": 4.0, "attn": 1.0}, other=other)


def made(largest: tuple[str, ...], more: tuple[str, ...], **changes: Any) -> ComparedSites:
    """Two kinds with these answers; the block has the larger effect."""
    question = two()
    kinds = [
        each.model_copy(update={"largest": a, "more_than_matched": b, "because": f"{each.kind} so"})
        for each, a, b in zip(question.kinds, largest, more, strict=True)
    ]
    mapped = [
        {"kind": kind, "selectivity": SELECTIVITY, "percent": 1.0, "width": 1, "sites": {}}
        for kind in KINDS
    ]
    return ComparedSites.model_validate({
        "model": MODEL, "localizer": LOCALIZER, "evaluation": EVALUATION, "ablation": "zero",
        "n_units": 12, "kinds": mapped, "left_out": {}, "shared": (),
        "asked": (question.model_copy(update={"kinds": tuple(kinds)}),), **changes,
    })  # fmt: skip


@pytest.mark.parametrize(
    ("largest", "more", "what", "first", "second"),
    [
        ((YES, NO), (YES, NO), ONE, ", which is more than at every other kind.",
         "More than matched units of the same kind take it at block."),
        ((NO, NO), (YES, YES), SEVERAL, ", which is not shown to be more than at attn.",
         "More than matched units of the same kind take it at block and attn."),
        ((UNTOLD, NO), (UNTOLD, NO), UNKNOWN,
         ", and whether that is more cannot be told (block so).",
         "Whether matched units take as much cannot be told at block (block so); at no "
         "other is it shown to be more."),
        ((YES, NO), (YES, UNTOLD), ONE, ", which is more than at every other kind.",
         "More than matched units of the same kind take it at block; at attn it cannot be told."),
        ((YES, NO), (UNTOLD, UNTOLD), UNKNOWN, ", which is more than at every other kind.",
         "Whether matched units take as much cannot be told at block and attn (at block: block "
         "so)."),
        ((YES, NO), (NO, NO), NONE, ", which is more than at every other kind.",
         "At no kind is it shown to be more than matched units of that kind take."),
    ],
)  # fmt: skip
def test_each_outcome_has_its_line(
    largest: tuple[str, ...], more: tuple[str, ...], what: str, first: str, second: str
) -> None:
    found = made(largest, more)
    assert outcome(found) == what
    line = plainly(found)
    assert line.startswith(
        "With 12 units of each kind what face loses more than object at equal margin is largest at "
        "block (+"
    )
    assert line.endswith(f"){first} {second}")
    assert said(found) == " ".join([line, *sentences(found)])


def test_one_group_and_a_running_text_are_told_as_such() -> None:
    alone = two(False)
    text = alone.model_copy(update={"name": "prose", "rule": None})
    bare = [each.model_copy(update={"drawn": ()}) for each in text.kinds]
    text = text.model_copy(update={"kinds": tuple(bare)})
    found = made((YES, NO), (YES, NO)).model_copy(update={"asked": (alone, text), "n_units": 1})
    assert plainly(found).startswith("With 1 unit of each kind what face loses is largest at block")
    items, beyond, prose = sentences(found)
    assert ", on the same items (p = " in items
    assert " Layer-matched draws of it come to +" in items
    assert items.endswith(" among 20, over all kinds).")
    assert beyond.startswith("Beyond the mean of layer-matched draws of the same kind the largest")
    assert prose.startswith("prose: block +")
    assert prose.endswith("corrected for 2 kinds). No matched units were drawn.")


def test_what_warns_of_it_is_told() -> None:
    usual = [*cautions(made((YES, NO), (YES, NO)))]
    kinds = [
        {
            "kind": kind,
            "selectivity": {**SELECTIVITY, "twins": {"10": 2}},
            "percent": dose,
            "width": width,
            "sites": {},
        }
        for kind, dose, width in (("block", 9.9, 1), ("attn", 10.0, 64))
    ]
    found = made(
        (YES, NO), (YES, NO), kinds=kinds, shared=[{"one": "block", "other": "attn", "n": 3}],
        left_out={"op": "too many", "mlp": "none", "head": "too many"},
        evaluation={**EVALUATION, "overlap": 2},
    )  # fmt: skip
    told = [*cautions(found)]
    assert told[: -len(usual)] == [
        "2 evaluation stimuli were in the localizer too.",
        "Not compared: op and head (too many).",
        "Not compared: mlp (none).",
        "A attn is 64 neighbouring channels, so as many of them are more of the model than as many "
        "units of another kind.",
        "12 units are 10.0 % of all of attn: matched draws share some with the mask, and do more "
        "for it.",
        "3 of the 12 units of block and of attn are the same ones, in the same place.",
        f"attn: {read_twice(2, 12)}",
    ]
    assert told[-len(usual) :] == usual


def test_a_warning_of_every_verdict_is_told_once_and_others_with_their_kind() -> None:
    found = made((YES, NO), (YES, NO))
    (question,) = found.asked
    warned = [
        each.model_copy(update={
            "judgement": each.judgement.model_copy(update={"warnings": ("Mind all.", *more)})
        })
        for each, more in zip(question.kinds, ((), ("Mind it.",)), strict=True)
    ]  # fmt: skip
    question = question.model_copy(update={"kinds": tuple(warned)})
    told = [*cautions(found.model_copy(update={"asked": (question,)}))]
    assert told == ["Mind all.", "attn: Mind it."]
