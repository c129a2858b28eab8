"""Masks at their limits: of units by hand, of whole sites, of the last unit that there is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.base.errors import MaskError, SettingError
from common.measure.control_rules import control, parse_controls, plan_masks
from common.measure.masks import Mask, check_names, save_masks, top_percent, units_mask
from common.measure.matching import has_partner, random_matching
from common.measure.scores import SelectivityMap
from tests.common.conftest import MapMaker, rescored


def rising(make_map: MapMaker, n: int = 10) -> SelectivityMap:
    """A map of one site whose scores rise with the index, all units equally loud."""
    found = make_map((n,))
    return rescored(found, np.arange(float(n)), magnitude=np.ones(n))


@pytest.mark.parametrize("units", [[0], [9], [0, 9], [3, 3, 4]])
def test_units_by_hand_are_as_many_percent_as_they_are(
    make_map: MapMaker, units: list[int]
) -> None:
    mask = units_mask(rising(make_map), units)
    assert mask.units.tolist() == sorted({*units}, reverse=True)  # best first
    assert (mask.rule, mask.percent, mask.seed) == ("chosen", 10.0 * len({*units}), None)


@pytest.mark.parametrize("units", [[], [-1], [10], [-1, 3], [3, 10]])
def test_units_that_the_map_lacks_are_refused(make_map: MapMaker, units: list[int]) -> None:
    with pytest.raises(MaskError, match="the map has the units 0 to 9; choose among them"):
        units_mask(rising(make_map), units)


def test_two_masks_of_one_name_are_refused_and_not_kept(make_map: MapMaker, tmp_path: Path) -> None:
    mask = top_percent(rising(make_map), 10)
    check_names([mask, replace(mask, rule="mine"), replace(mask, percent=20.0)])
    with pytest.raises(MaskError, match="two masks are called top-10"):
        check_names([mask, mask])
    with pytest.raises(MaskError, match="two masks are called top-10"):
        save_masks(tmp_path / "masks", [mask, mask])
    assert not (tmp_path / "masks").exists()


def test_the_bottom_may_be_half_of_all(make_map: MapMaker) -> None:
    found = rising(make_map)
    assert sorted(control(found, "bottom", 50).units.tolist()) == [0, 1, 2, 3, 4]
    with pytest.raises(MaskError, match="6 of 10 units would overlap"):
        control(found, "bottom", 60)


def test_a_range_that_holds_just_as_many_units_is_all_of_them(make_map: MapMaker) -> None:
    found = rising(make_map, 200)
    mask = control(found, "range:20-60", 40, 0)
    assert sorted(mask.units.tolist()) == [*range(40, 120)]
    many = rising(make_map, 2000)
    assert sorted(control(many, "range:50-60", 10, 0).units.tolist()) == [*range(1000, 1200)]
    with pytest.raises(MaskError, match="holds 79 units, 80 are wanted"):
        control(found, "range:20.5-60", 40, 0)


def test_a_draw_without_a_seed_is_that_of_seed_0(make_map: MapMaker) -> None:
    found = rising(make_map, 200)
    drawn = [control(found, "random", 5, seed).units.tolist() for seed in (None, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_rule_is_drawn_10000_times_at_most() -> None:
    assert parse_controls("random:10000")[0].draws == 10_000
    with pytest.raises(SettingError, match="a rule draws 10,000 masks at most"):
        parse_controls("random:10001")


def test_rules_after_one_that_has_nothing_to_stand_against_are_drawn(make_map: MapMaker) -> None:
    found = rescored(rising(make_map), np.arange(10.0), magnitude=10.0 ** np.arange(10))
    masks = plan_masks(found, [10.0], parse_controls("magnitude-matched:2,random:2,bottom"), 7)
    assert [mask.name for mask in masks] == [
        "top-10", "unmatched-part-10", "random-10-s07", "random-10-s08", "bottom-10",
    ]  # fmt: skip


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize(("away", "inside"), [(0.25, True), (0.26, False)])
def test_a_partner_is_a_quarter_louder_or_quieter_at_most(
    make_map: MapMaker, sign: int, away: float, inside: bool
) -> None:
    rng = np.random.default_rng(0)
    found = random_matching(np.array([1.0]), np.array([1.0 + sign * away]), rng)
    assert (found is not None) is inside
    loudness = np.exp(np.array([2.0 + sign * (away - 1e-9), 2.0]))
    pair = rescored(rising(make_map, 2), np.arange(2.0), magnitude=loudness)
    assert has_partner(pair, np.array([1])).tolist() == [inside]


def test_ties_are_broken_by_index_among_many(make_map: MapMaker) -> None:
    t = np.random.default_rng(0).integers(0, 4, 500).astype(float)
    found = rescored(make_map((500,)), t)
    assert found.ranking.tolist() == sorted(range(500), key=lambda unit: (-t[unit], unit))


def test_a_file_of_masks_does_not_depend_on_their_order(make_map: MapMaker, tmp_path: Path) -> None:
    masks: list[Mask] = [top_percent(rising(make_map), percent) for percent in (10, 20)]
    for name, order in (("one", masks), ("two", masks[::-1])):
        save_masks(tmp_path / name, order)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
