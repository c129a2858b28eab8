"""Masks: their size, their rules, and whose they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from common.base.errors import FunclocError, MaskError, SettingError
from common.base.files import save_arrays
from common.measure.control_rules import ControlPlan, control, parse_controls, plan_masks
from common.measure.masks import Mask, load_masks, save_masks, top_percent
from common.measure.matching import matched_part
from common.measure.scores import SelectivityMap
from common.measure.shares import n_chosen
from tests.common.conftest import MapMaker, rescored

DRAWN = ("random", "layer-matched", "magnitude-matched", "range:0-60")
EVERY = (*DRAWN, "bottom")
PERCENTS = (0.001, 0.4, 1.0, 2.5, 7.0, 20.0)


def tied(found: SelectivityMap) -> SelectivityMap:
    return rescored(found, t=np.zeros_like(found.t))


def spread_out(found: SelectivityMap) -> SelectivityMap:
    """The same map with its top units evenly over the sites, so that every control exists."""
    return rescored(found, t=np.random.default_rng(8).permutation(found.n_units).astype(float))


def loud_top(found: SelectivityMap) -> SelectivityMap:
    """The same map where the selective units are mostly the loud ones."""
    noise = np.random.default_rng(5).normal(0, 1.5, found.n_units)
    return rescored(found, t=found.magnitude + noise)


# --- size ---


@pytest.mark.parametrize("percent", [*PERCENTS, 50.0, 99.9, 100.0])
@pytest.mark.parametrize("ties", [False, True])
def test_the_top_has_exactly_k_units(make_map: MapMaker, percent: float, ties: bool) -> None:
    found = tied(make_map()) if ties else make_map()
    mask = top_percent(found, percent)
    assert len(mask) == len(set(mask.units.tolist())) == n_chosen(100, percent)
    assert sum(mask.counts().values()) == len(mask)


@pytest.mark.parametrize("rule", EVERY)
@pytest.mark.parametrize("percent", PERCENTS)
def test_a_control_has_exactly_k_units(make_map: MapMaker, percent: float, rule: str) -> None:
    for found in (spread_out(make_map()), tied(make_map())):
        mask, top = control(found, rule, percent, 3), top_percent(found, percent)
        held = matched_part(found, top) if rule == "magnitude-matched" else top
        assert held is not None
        assert len(mask) == len(set(mask.units.tolist())) == len(held)
        if rule in ("bottom", "range:0-60"):
            assert not set(mask.units.tolist()) & set(top.units.tolist())


@pytest.mark.parametrize("percent", [0, -1, 100.001, 101, float("nan"), float("inf")])
def test_an_impossible_percentage_is_refused(make_map: MapMaker, percent: float) -> None:
    wanted = "give more than 0 and at most 100"
    with pytest.raises(MaskError, match=wanted):
        top_percent(make_map(), percent)
    with pytest.raises(MaskError, match=wanted):
        control(make_map(), "random", percent, 0)


# --- rules ---


def test_the_top_is_the_highest_t_best_first(make_map: MapMaker) -> None:
    found = make_map()
    mask = top_percent(found, 10)
    assert mask.units.tolist() == sorted(range(100), key=lambda unit: -found.t[unit])[:10]


def test_map_and_mask_say_what_they_are_on_one_line(make_map: MapMaker) -> None:
    found = make_map()
    assert repr(found) == f"<map of 100 {found.unit}s at {len(found.sites)} sites by welch>"
    mask = top_percent(found, 10)
    assert repr(mask) == f"<top-10: 10 {mask.unit}s at {len(mask.touched)} sites>"


def test_the_top_of_a_tied_map_is_its_first_units(make_map: MapMaker) -> None:
    assert top_percent(tied(make_map()), 5).units.tolist() == [0, 1, 2, 3, 4]


def test_the_bottom_is_the_lowest_t(make_map: MapMaker) -> None:
    found = make_map()
    assert set(control(found, "bottom", 10).units) == set(np.argsort(found.t)[:10])


def test_a_bottom_that_would_overlap_the_top_is_refused(make_map: MapMaker) -> None:
    found = make_map((5, 6))
    with pytest.raises(MaskError, match="6 of 11 units would overlap the top"):
        control(found, "bottom", 50.0001)


@pytest.mark.parametrize("rule", ["layer-matched", "magnitude-matched"])
def test_a_matched_control_has_as_many_units_in_every_site(make_map: MapMaker, rule: str) -> None:
    found = spread_out(make_map((30, 50, 20)))
    top = top_percent(found, 20)
    held = matched_part(found, top) if rule == "magnitude-matched" else top
    assert held is not None
    assert len(set(held.counts().values())) > 1
    for seed in range(5):
        assert control(found, rule, 20, seed).counts() == held.counts()


def test_a_random_control_ignores_sites(make_map: MapMaker) -> None:
    found = make_map()
    counts = {tuple(control(found, "random", 20, seed).counts().values()) for seed in range(20)}
    assert len(counts) > 3


def test_a_range_is_drawn_between_its_percentiles(make_map: MapMaker) -> None:
    found = make_map()
    rising = np.argsort(found.t)
    drawn = np.concatenate([control(found, "range:40-60", 5, seed).units for seed in range(100)])
    assert set(drawn) == set(rising[40:60])


def test_magnitude_matching_is_closer_in_loudness_than_layer_matching(make_map: MapMaker) -> None:
    found = loud_top(make_map((300, 200)))
    level = np.sort(found.magnitude[top_percent(found, 5).units])

    def away(rule: str) -> float:
        draws = [control(found, rule, 5, seed).units for seed in range(30)]
        return float(np.mean([np.abs(np.sort(found.magnitude[d]) - level).mean() for d in draws]))

    assert away("magnitude-matched") < away("layer-matched") / 4


@pytest.mark.parametrize("rule", DRAWN)
def test_a_seed_gives_the_same_draw_and_another_seed_another(make_map: MapMaker, rule: str) -> None:
    found = spread_out(make_map((200, 200)))
    one, again, other = (control(found, rule, 5, seed).units for seed in (4, 4, 5))
    assert one.tolist() == again.tolist()
    assert one.tolist() != other.tolist()


def test_rules_of_one_seed_draw_apart(make_map: MapMaker) -> None:
    found = make_map()  # both rules draw from nearly all units
    one, two = (control(found, rule, 10, 0).units.tolist() for rule in ("random", "range:0-100"))
    assert one != two


def test_a_range_with_too_few_units_is_refused(make_map: MapMaker) -> None:
    with pytest.raises(MaskError, match="range:40-45: holds 5 units, 10 are wanted"):
        control(make_map(), "range:40-45", 10, 0)


def test_an_unknown_rule_is_refused(make_map: MapMaker) -> None:
    with pytest.raises(SettingError, match="'loudest'"):
        control(make_map(), "loudest", 1, 0)


# --- options ---


def test_controls_are_read() -> None:
    text = " random:10, layer-matched:20,bottom:7 ,range:40-60:5,magnitude-matched,range:0-12.5"
    assert parse_controls(text) == [
        ControlPlan("random", 10),
        ControlPlan("layer-matched", 20),
        ControlPlan("bottom", 1),
        ControlPlan("range:40-60", 5),
        ControlPlan("magnitude-matched", 1),
        ControlPlan("range:0-12.5", 1),
    ]


@pytest.mark.parametrize("text", ["", " ", ","])
def test_no_controls_are_none(text: str) -> None:
    assert parse_controls(text) == []


UNKNOWN_RULES = ("loudest:3", "top:3", ":3", "random:x:3")
WRONG_DRAWS = ("random:", "random:0", "random:-1", "random:1.5", "random:²", "random:x")
WRONG_BOUNDS = ("range:60-40", "range:40-40:2", "range:-5-40", "range:0-101", "range:nan-60")
NO_BOUNDS = ("range", "range:", "range:3", "range:a-b", "range:1-2-3", "range:0-9:x")


@pytest.mark.parametrize("text", [*UNKNOWN_RULES, *WRONG_DRAWS, *WRONG_BOUNDS, *NO_BOUNDS])
def test_controls_that_make_no_sense_are_refused_and_named(text: str) -> None:
    with pytest.raises(SettingError) as caught:
        parse_controls(f"layer-matched:2,{text}")
    assert repr(text)[1:-1].split(":")[0] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_rule_that_comes_twice_is_refused() -> None:
    with pytest.raises(SettingError, match="random comes twice"):
        parse_controls("random:3,bottom,random:5")


def test_a_plan_has_each_top_before_its_controls_and_no_name_twice(make_map: MapMaker) -> None:
    plans = parse_controls("random:2,bottom,range:20-80:2")
    masks = plan_masks(spread_out(make_map()), [1, 5.0], plans, seed=7)
    assert [mask.name for mask in masks] == [
        *("top-1", "random-1-s07", "random-1-s08", "bottom-1"),
        *("range-20-80-1-s07", "range-20-80-1-s08"),
        *("top-5", "random-5-s07", "random-5-s08", "bottom-5"),
        *("range-20-80-5-s07", "range-20-80-5-s08"),
    ]


def test_another_percentage_is_another_name(make_map: MapMaker) -> None:
    found = make_map()
    percents = [1, 1.0000001, 10, 12.34567, 12.345671, 0.1, 0.10000001, 1e-7, 2e-7, 100, 1 / 3]
    names = [top_percent(found, percent).name for percent in percents]
    assert len(set(names)) == len(percents)
    assert names[0] == "top-1"
    assert not any(set(name) & set("/ :") for name in names)


# --- files ---


def some_masks(found: SelectivityMap) -> list[Mask]:
    return plan_masks(found, [1, 5], parse_controls("random:2,layer-matched:2,bottom"), seed=0)


@pytest.mark.parametrize("unit", ["channel", "neuron"])
def test_masks_come_back_from_their_file(make_map: MapMaker, tmp_path: Path, unit: str) -> None:
    found = make_map()
    if unit == "neuron":
        t, magnitude = np.repeat(found.t, 6), np.repeat(found.magnitude, 6)
        found = rescored(found, t, unit="neuron", magnitude=magnitude)
    masks = some_masks(found)
    save_masks(tmp_path / "masks", masks)
    again = load_masks(tmp_path / "masks", found, "model-a")
    assert set(again) == {mask.name for mask in masks}
    for mask in masks:
        other = again[mask.name]
        assert other.units.tolist() == mask.units.tolist()
        assert replace(other, units=mask.units) == mask


def test_the_file_holds_one_boolean_array_for_each_mask_and_site(
    make_map: MapMaker, tmp_path: Path
) -> None:
    found = make_map()
    masks = some_masks(found)
    save_masks(tmp_path / "masks", masks)
    arrays = load_file(tmp_path / "masks")
    assert set(arrays) == {f"{mask.name}/{site}" for mask in masks for site in found.sites}
    assert {array.dtype for array in arrays.values()} == {np.dtype(bool)}
    for mask in masks:
        row = np.concatenate([arrays[f"{mask.name}/layer{i}:output"] for i in range(2)])
        assert np.flatnonzero(row).tolist() == sorted(mask.units.tolist())


def test_masks_of_another_model_are_refused(make_map: MapMaker, tmp_path: Path) -> None:
    found = make_map()
    save_masks(tmp_path / "masks", some_masks(found))
    with pytest.raises(MaskError, match="was made on another model"):
        load_masks(tmp_path / "masks", found, "model-b")


def test_masks_of_another_map_are_refused(make_map: MapMaker, tmp_path: Path) -> None:
    save_masks(tmp_path / "masks", some_masks(make_map()))
    for other in (make_map(seed=9), make_map((30, 20)), make_map((60, 40, 10))):
        with pytest.raises(MaskError, match="was chosen from another map"):
            load_masks(tmp_path / "masks", other)


def test_a_file_without_masks_is_an_error_of_one_line(make_map: MapMaker, tmp_path: Path) -> None:
    found = make_map()
    good, no_masks, cut, part = (tmp_path / name for name in ("good", "none", "cut", "part"))
    save_masks(good, some_masks(found))
    save_file({"a": np.zeros(3)}, no_masks)
    cut.write_bytes(good.read_bytes()[:-9])
    arrays = load_file(good)
    arrays.pop("top-5/layer1:output")
    with safe_open(good, framework="numpy") as file:
        save_arrays(part, arrays, file.metadata())
    for path in (no_masks, cut, part, tmp_path / "missing"):
        with pytest.raises(FunclocError) as caught:
            load_masks(path, found)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
