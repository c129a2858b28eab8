"""Partners in loudness: who has one, and a draw that is as likely as any other."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from benchmarks.exchange import rejection
from common.base.errors import MaskError
from common.measure.balance import balance, balances
from common.measure.control_rules import control, matched_control, parse_controls, plan_masks
from common.measure.masks import Mask, load_masks, save_masks, top_percent, units_mask
from common.measure.matching import (
    CALIPER,
    has_partner,
    matched_part,
    matched_units,
    random_matching,
    unmatched_part,
)
from common.measure.scores import SelectivityMap
from tests.common.conftest import MapMaker, rescored


def with_loudness(make_map: MapMaker, *log_loudness: list[float]) -> SelectivityMap:
    """A map whose sites have these log loudnesses; the first units of each site score highest."""
    found = make_map(tuple(map(len, log_loudness)))
    falling = np.concatenate([-np.arange(len(part), dtype=float) for part in log_loudness])
    return rescored(found, falling, magnitude=np.exp(np.concatenate(log_loudness)))


def shares(n: int) -> list[float]:
    return [100 * (k + 0.01) / n for k in range(1, n)]


# --- partners ---


def test_a_unit_whose_partners_are_all_masked_is_unmatched(make_map: MapMaker) -> None:
    found = with_loudness(make_map, [3.0, 3.1, 0.0, 0.2, 0.4, -5.0])
    top = units_mask(found, [0, 1, 2])
    matched, unmatched = matched_part(found, top), unmatched_part(found, top)
    assert matched is not None
    assert unmatched is not None
    assert matched.units.tolist() == [2]
    assert sorted(unmatched.units.tolist()) == [0, 1]
    assert (matched.rule, unmatched.rule) == ("matched-part", "unmatched-part")
    assert {matched.percent, unmatched.percent} == {top.percent}


def test_partners_of_another_site_do_not_count(make_map: MapMaker) -> None:
    found = with_loudness(make_map, [1.0, 9.0], [1.0, 5.0])
    assert matched_part(found, units_mask(found, [0])) is None
    assert unmatched_part(found, units_mask(found, [0])) is not None


def test_both_ends_of_the_caliper_are_inside() -> None:
    for away, inside in ((CALIPER, True), (CALIPER + 1e-9, False)):
        own, pool = np.array([0.0]), np.array([0.0, away])
        drawn = {
            int(random_matching(own, pool, np.random.default_rng(seed))[0])  # type: ignore[index]
            for seed in range(40)
        }
        assert (drawn == {0, 1}) is inside


def test_silent_units_are_alike(make_map: MapMaker) -> None:
    found = with_loudness(make_map, [1.0, 1.0, 5.0, 5.0])
    found = replace(found, magnitude=np.array([0.0, 0.0, 1.0, 1.0]))
    assert has_partner(found, np.array([0, 2, 3])).tolist() == [True, False, False]


def test_every_draw_is_a_matching_within_the_caliper(make_map: MapMaker) -> None:
    rng = np.random.default_rng(0)
    found = with_loudness(make_map, *(rng.normal(0, 0.6, n).tolist() for n in (90, 60)))
    for percent in (1, 5, 20, 60, 99):
        top = top_percent(found, percent)
        held = matched_part(found, top)
        assert held is not None
        for seed in range(5):
            drawn = control(found, "magnitude-matched", percent, seed)
            assert len(drawn) == len(set(drawn.units.tolist())) == len(held)
            assert drawn.counts() == held.counts()
            for site in found.sites:  # the monotone pairing is inside if any pairing is
                level = np.log(found.at(site, "magnitude"))
                one, two = np.sort(level[drawn.at(site)]), np.sort(level[held.at(site)])
                assert (np.abs(one - two) <= CALIPER + 1e-12).all()


# --- chance ---


def all_matchings(own: list[float], pool: list[float]) -> list[tuple[int, ...]]:
    return [
        places
        for places in permutations(range(len(pool)), len(own))
        if all(abs(own[i] - pool[place]) <= CALIPER + 1e-12 for i, place in enumerate(places))
    ]


@pytest.mark.parametrize(
    "own",
    [
        [0.0, 0.1, 0.2],  # all inside each other's calipers
        [0.0, 0.2, 0.4],  # a chain
        [0.0, 0.24, 0.48, 0.72],  # a chain with little room
        [0.05, 0.6],  # apart
    ],
)
def test_every_matching_is_as_likely_as_any_other(own: list[float]) -> None:
    pool = sorted({*own, 0.12, 0.3, 0.62})
    every = all_matchings(own, pool)
    assert len(every) > 2
    rng = np.random.default_rng(1)
    n = 60 * len(every)
    drawn = Counter(
        tuple(random_matching(np.array(own), np.array(pool), rng).tolist())  # type: ignore[union-attr]
        for _ in range(n)
    )
    assert set(drawn) == set(every)
    assert stats.chisquare([drawn[each] for each in every]).pvalue > 0.001


def test_a_draw_forgets_the_mask_that_it_began_at(make_map: MapMaker) -> None:
    found = with_loudness(make_map, np.linspace(0, CALIPER, 40).tolist())  # all are partners
    top = top_percent(found, 10)
    drawn = np.concatenate(
        [control(found, "magnitude-matched", 10, seed).units for seed in range(500)]
    )
    counts = np.bincount(drawn, minlength=40)
    assert stats.chisquare(counts).pvalue > 0.001
    own = counts[top.units].sum() / counts.sum()
    assert own == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("rule", ["random", "layer-matched"])
def test_other_rules_draw_from_all_units_too(make_map: MapMaker, rule: str) -> None:
    found = make_map()
    drawn = np.concatenate([control(found, rule, 20, seed).units for seed in range(300)])
    assert set(drawn) == set(range(100))


@pytest.mark.parametrize(
    ("rule", "share", "louder"),
    [
        ("random", 30.0, 1.0),
        ("layer-matched", 50.0, 0.0),
        ("magnitude-matched", 1.0, 0.0),
        ("magnitude-matched", 30.0, 1.0),
        ("magnitude-matched", 50.0, 0.0),
    ],
)
def test_a_mask_that_is_nothing_special_is_called_special_as_rarely_as_said(
    rule: str, share: float, louder: float
) -> None:
    got = rejection(rule, share, runs=160, n_units=100, louder_harms=louder, seed=3)
    assert got.runs > 125
    # The long form (``python -m benchmarks.exchange``) holds .055; here chance has its part.
    assert stats.binomtest(round(got.rate * got.runs), got.runs, 0.05, "greater").pvalue > 0.001


# --- any share ---


@pytest.mark.parametrize("rule", ["random", "layer-matched"])
def test_a_draw_never_fails_up_to_the_whole_site(make_map: MapMaker, rule: str) -> None:
    found = make_map((4, 3))
    for percent in [*shares(7), 100]:
        top = top_percent(found, percent)
        assert len(control(found, rule, percent, 0)) == len(top)


def test_a_plan_never_fails_and_has_the_parts_where_there_are_any(make_map: MapMaker) -> None:
    found = with_loudness(make_map, [3.0, 0.0, 0.1, 0.2, 0.3, 0.1, 0.2, 0.3, 0.0, 0.1])
    plans = parse_controls("layer-matched:2,magnitude-matched:2")
    masks = plan_masks(found, [10, 20, 100], plans, seed=4)
    assert [mask.name for mask in masks] == [
        *("top-10", "unmatched-part-10"),
        *("layer-matched-10-s04", "layer-matched-10-s05"),
        *("top-20", "matched-part-20", "unmatched-part-20"),
        *("layer-matched-20-s04", "layer-matched-20-s05"),
        *("magnitude-matched-20-s04", "magnitude-matched-20-s05"),
        *("top-100", "unmatched-part-100", "layer-matched-100-s04", "layer-matched-100-s05"),
    ]
    assert {len(mask) for mask in masks if mask.rule == "magnitude-matched"} == {1}


def test_a_plan_of_matched_units_has_no_parts(make_map: MapMaker) -> None:
    found = with_loudness(make_map, [0.0] * 20)
    masks = plan_masks(found, [10], parse_controls("magnitude-matched:3"), seed=0)
    assert [mask.rule for mask in masks] == ["top", *["magnitude-matched"] * 3]


def test_nothing_to_match_is_an_error_of_one_line(make_map: MapMaker) -> None:
    found = with_loudness(make_map, [3.0, 0.0, 0.1, 0.2])
    with pytest.raises(MaskError, match="no masked unit has an equally loud partner"):
        control(found, "magnitude-matched", 25, 0)
    with pytest.raises(MaskError, match=r"layer0:output: 1 of its 4 units .* partner among"):
        matched_control(found, units_mask(found, [0]), 0)


def test_partners_apart_are_others(make_map: MapMaker) -> None:
    found = with_loudness(make_map, [0.0, 0.1, 0.2, 0.0, 0.1, 0.2])
    for seed in range(10):
        drawn = matched_units(
            found, np.array([0, 1]), np.random.default_rng(seed), apart=True
        ).tolist()
        assert len({*drawn, 0, 1}) == 4


def test_parts_come_back_from_their_file(make_map: MapMaker, tmp_path) -> None:
    found = with_loudness(make_map, [3.0, 0.0, 0.1, 0.2])
    masks = plan_masks(found, [50], parse_controls("magnitude-matched:1"), seed=0)
    save_masks(tmp_path / "masks", masks)
    again = load_masks(tmp_path / "masks", found)
    assert {name: sorted(mask.units.tolist()) for name, mask in again.items()} == {
        mask.name: sorted(mask.units.tolist()) for mask in masks
    }


# --- whether they are matched ---


def mask_with(found: SelectivityMap, rule: str, units: list[int], seed: int | None) -> Mask:
    return replace(units_mask(found, units), rule=rule, percent=50.0, seed=seed)


def test_the_balance_is_that_of_the_obvious_reference(make_map: MapMaker) -> None:
    levels = [[0.0, 1.0, 2.0, 3.0], [0.0, 0.1, 0.2, 0.3, 0.4]]
    found = with_loudness(make_map, *levels)
    top = mask_with(found, "top", [2, 3, 4, 5], None)
    draws = [
        mask_with(found, "layer-matched", units, seed)
        for seed, units in enumerate(([0, 2, 4, 8], [1, 3, 7, 8]))
    ]
    got = balance(found, top, draws)
    assert got.overlap == pytest.approx((2 + 1) / 8)
    assert (got.rule, got.stands_against, got.draws) == ("layer-matched", "top", 2)
    first, second = got.sites
    assert (first.n_units, first.n_masked, first.n_unmatched, first.share) == (4, 2, 2, 0.5)
    assert first.gap == pytest.approx((2.5 - (1.0 + 2.0) / 2) / np.std(levels[0], ddof=1))
    assert second.gap == pytest.approx((0.05 - (0.2 + 0.35) / 2) / np.std(levels[1], ddof=1))
    assert got.worst_gap == second.gap
    loud, overlap, share = got.warnings
    assert "quieter by more than 0.1 sd at 2 sites, by 1.42 sd at layer1:output" in loud
    assert "38 % of a draw's units are the mask's own" in overlap
    assert "more than 15 % of the units are masked at 2 sites, 50 % at layer0:output" in share


def test_matched_draws_have_nothing_to_warn_of(make_map: MapMaker) -> None:
    rng = np.random.default_rng(0)
    found = with_loudness(make_map, rng.normal(0, 0.5, 600).tolist())
    found = rescored(found, rng.permutation(600).astype(float))
    masks = plan_masks(found, [5], parse_controls("magnitude-matched:40"), seed=0)
    (got,) = balances(found, masks)
    assert got.warnings == ()
    assert abs(got.worst_gap) < 0.1


def test_loud_units_draw_a_warning_from_layer_matched_controls(make_map: MapMaker) -> None:
    rng = np.random.default_rng(0)
    level = np.sort(rng.normal(0, 1, 300))[::-1]
    found = with_loudness(make_map, level.tolist())
    masks = plan_masks(found, [5], parse_controls("layer-matched:20,random:2,bottom"), seed=0)
    layer, drawn = balances(found, masks)
    assert "louder" in layer.warnings[0]
    assert layer.worst_gap > 1
    assert drawn.warnings == ()  # a rule that is not matched claims nothing


def test_controls_are_held_against_what_they_stand_for(make_map: MapMaker) -> None:
    found = with_loudness(make_map, [3.0, 0.0, 0.1, 0.2, 0.1, 0.0])
    plans = parse_controls("layer-matched:2,magnitude-matched:2")
    got = balances(found, plan_masks(found, [50], plans, seed=0))
    assert {each.rule: each.stands_against for each in got} == {
        "layer-matched": "top",
        "magnitude-matched": "matched-part",
    }
