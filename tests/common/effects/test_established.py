"""What a run establishes: every answer follows from its numbers, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from common.effects.claim import Claim
from common.effects.established import CLAIMS, established
from common.effects.results import Results
from tests.common.made import comparison, estimate, group, judgement, made, verdict_at

MATCHED = "magnitude-matched"
PEAK = {"largest": 3.0, "top": 2.0}


def claim(results: Results, name: str) -> Claim:
    return next(each for each in established(results) if each.name == name)


def judged(**changes: Any) -> Results:
    return made(judgement=judgement([verdict_at(1.0, **changes)]))


def of_map(**changes: Any) -> Results:
    return made(selectivity=changes)


@pytest.mark.parametrize(("n", "answer"), [(90, "yes"), (3, "no"), (None, "cannot tell")])
def test_selective(n: int | None, answer: str) -> None:
    assert claim(of_map(n_selective_q05=n), "selective").answer == answer


@pytest.mark.parametrize(("r", "answer"), [(0.96, "yes"), (0.1, "no"), (0.5, "cannot tell")])
def test_reliable(r: float, answer: str) -> None:
    half = {"correlation": r, "dice": {"1": 0.8}, "dice_chance": {"1": 0.01}}
    told = claim(of_map(split_half=half), "reliable")
    assert told.answer == answer
    assert "share 80" in told.because
    assert claim(made(), "reliable").answer == "cannot tell"


def test_length_is_asked_of_texts_alone() -> None:
    assert not any(each.name == "not by length" for each in established(made()))
    side = {"range": [9, 14], "whole_mean": 12.0, "n_cut": 0}
    for other, answer in ((12.1, "yes"), (18.0, "cannot tell")):
        tokens = {"target": {"mean": 12.0, **side}, "control": {"mean": other, **side}}
        assert claim(made(localizer={"tokens": tokens}), "not by length").answer == answer
    pairs = {"by": "tokens", "n_pairs": 27, "n_left_out": [1, 1], "length": 12.0}
    paired = made(localizer={"tokens": tokens, "matched": pairs})
    assert claim(paired, "not by length").answer == "yes"


@pytest.mark.parametrize(("top", "answer"), [(1.0, "yes"), (2.5, "no")])
def test_made_by_training(top: float, answer: str) -> None:
    def peaks(top: float) -> dict[str, Any]:
        mine = {"largest": 3.0, "top": top}
        return {"n_selective_q05": 9, "n_d_prime": 1, "n_index": 1, "score": mine,
                "d_prime": None, "index": None}  # fmt: skip

    base = {"trained": peaks(2.0), "untrained": [peaks(0.5), peaks(top)]}
    told = claim(made(baseline=base), "made by training")
    assert told.answer == answer
    assert told.because.startswith(
        f"mean t of the most selective 1 %: 2.0 (untrained 0.5 to {top:.1f}). Beside 2 untrained"
    )
    assert claim(made(), "made by training").answer == "cannot tell"
    assert claim(made(model={"untrained": True}), "made by training").answer == "no"


@pytest.mark.parametrize(("effect", "answer"), [(0.5, "yes"), (0.05, "cannot tell"), (-0.5, "no")])
def test_what_is_lost(effect: float, answer: str) -> None:
    known = estimate(effect)
    face = {**group(), "loss": known}
    assert claim(judged(groups={"face": face}), "necessary").answer == answer
    assert claim(judged(plain=known), "a selective deficit").answer == answer
    assert claim(judged(adjusted=known), "beyond difficulty").answer == answer


def test_what_difficulty_explains_is_not_beyond_it() -> None:
    results = judged(outcome="explained by difficulty", adjusted=estimate(0.05))
    assert claim(results, "beyond difficulty").answer == "no"


def test_one_group_cannot_be_held_against_another() -> None:
    alone = made(judgement=judgement([verdict_at(1.0)], other=None))
    assert claim(alone, "a selective deficit").answer == "cannot tell"
    assert claim(alone, "beyond difficulty").answer == "cannot tell"


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"p": 0.01}, "yes"),
        ({"p": 0.3}, "cannot tell"),  # it costs more, and more draws could show it
        ({"p": 0.3, "settled": True}, "no"),
        ({"p": 0.3, "excess": estimate(-0.05)}, "no"),
        ({"p": 0.01, "excess": estimate(0.05)}, "cannot tell"),
        ({"p": 0.01, "excess": estimate(0.05), "settled": True}, "no"),
        ({"p": 0.5, "draws": 4, "least": 0.2}, "cannot tell"),
        ({"p": 0.5, "draws": 10, "least": 0.09, "settled": True}, "no"),
    ],
)
def test_specific(changes: dict[str, Any], answer: str) -> None:
    entries = [comparison("layer-matched", p=0.9), comparison(MATCHED, **changes)]
    assert claim(judged(comparisons=entries), "specific").answer == answer
    assert claim(judged(comparisons=entries[:1]), "specific").answer == "cannot tell"


def test_massive_units_in_the_mask_leave_it_open() -> None:
    def massive(n: int) -> Results:
        return made(massive={
            "threshold": 100.0, "measure": "peak", "excluded": False, "n": 22, "n_sites": 20,
            "in_top": {"1": n}, "channels": {}, "units": [], "masks": {},
        })  # fmt: skip

    assert claim(massive(0), "not by massive units").answer == "yes"
    told = claim(massive(9), "not by massive units")
    assert (told.answer, told.because[:19]) == ("cannot tell", "9 of 12 units of th")
    assert claim(made(), "not by massive units").answer == "cannot tell"


@pytest.mark.parametrize(("right", "answer"), [((39, 38), "yes"), ((21, 20), "cannot tell")])
def test_decodable_where_a_probe_was_trained(right: tuple[int, int], answer: str) -> None:
    probes = {"n": [40, 40], "right": {"early": [20, 19], "late": [*right]}}
    told = claim(of_map(decodable=probes), "decodable")
    assert told.answer == answer
    assert "at late" in told.because
    assert claim(made(), "decodable").answer == "cannot tell"


def test_every_claim_has_a_line_and_a_reason() -> None:
    told = established(made())
    assert [each.name for each in told] == [n for n, *_ in CLAIMS if n != "not by length"]
    assert all(each.because and "`" not in each.because for each in told)
