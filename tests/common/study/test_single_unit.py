"""One unit by itself: its name, its rank, its row, its mask and its control."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from browser import unit_fragments
from common.base.errors import MaskError, RunError, SiteError
from common.effects.masked import mask_effects
from common.effects.paired import rate
from common.measure.control_rules import matched_control
from common.measure.masks import top_percent, units_mask
from common.report import figures
from common.study.single_unit import Alone, _name, check_same, describe_unit, site_named, units_at
from tests.common.conftest import MapMaker
from tests.common.report.test_figures import inside

pytestmark = pytest.mark.lays_out_figures


def test_a_unit_is_told_with_its_own_numbers(make_map: MapMaker) -> None:
    found = make_map()
    for unit in (0, 59, 60, 99):
        row = describe_unit(found, unit)
        assert found.ranking[row.rank - 1] == unit
        assert (row.score, row.told["q"]) == (found.t[unit], found.q[unit])
        assert row.site is found.sites[unit // 60]
        assert row.name == f"channel {unit % 60}"


def test_a_neuron_is_told_with_its_channel_and_place(make_map: MapMaker) -> None:
    site = make_map().sites[0]  # of shape (60, 2, 3)
    assert _name(site, "neuron", 6 * 17 + 5) == "channel 17 at 1, 2"
    last = replace(site, axis=2, shape=(4, 5))
    assert _name(last, "neuron", 5 * 2 + 3) == "channel 3 at 2"


def test_a_head_is_called_a_head(make_map: MapMaker) -> None:
    site = replace(make_map().sites[0], kind="head", axis=2, shape=(5, 12), width=4)
    assert str(site) == "layer0:heads"
    assert _name(site, "channel", 2) == "head 2"
    assert _name(site, "neuron", 3 * 4 + 1) == "head 1 at 4"


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", None, 3, "<b>"])
def test_a_site_is_found_by_its_own_name_alone(make_map: MapMaker, name: object) -> None:
    found = make_map()
    assert site_named(found, str(found.sites[0])) is found.sites[0]
    with pytest.raises(SiteError, match="no layer of this map"):
        site_named(found, name)


def test_the_units_of_a_site_come_by_falling_t(make_map: MapMaker) -> None:
    found = make_map()
    mask = top_percent(found, 20)
    rows = [row for site in found.sites for row in units_at(found, mask, site)]
    assert {row.unit for row in rows} == set(mask.units.tolist())
    for site in found.sites:
        own = [row.score for row in units_at(found, mask, site)]
        assert own == sorted(own, reverse=True)


@pytest.mark.parametrize("units", [[], [-1], [100], [3, 400]])
def test_units_that_are_not_there_are_refused(make_map: MapMaker, units: list[int]) -> None:
    with pytest.raises(MaskError, match="0 to 99"):
        units_mask(make_map(), units)


def test_a_control_lies_in_the_same_sites_and_leaves_the_mask_alone(make_map: MapMaker) -> None:
    found = make_map()
    mask = units_mask(found, [7, 61, 7])
    assert len(mask) == 2
    draws = [matched_control(found, mask, seed) for seed in range(8)]
    assert all(draw.counts() == mask.counts() for draw in draws)
    assert all(not set(draw.units) & {7, 61} for draw in draws)
    assert len({tuple(draw.units) for draw in draws}) > 1


def test_answers_of_another_model_are_noticed(make_map: MapMaker) -> None:
    found = make_map()
    mask = units_mask(found, [3, 70])
    target = np.arange(found.n_target + found.n_control) < found.n_target
    answers = np.where(
        target[:, None], found.mean_target[mask.units], found.mean_control[mask.units]
    )
    check_same(found, mask, answers, target)
    with pytest.raises(RunError, match="no longer those"):
        check_same(found, mask, answers + 1, target)
    with pytest.raises(RunError, match="no longer those"):
        check_same(found, mask, answers[1:], target[1:])


def test_the_effect_is_shown_with_intervals_and_controls() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(["face", "<b>"], 40)
    intact, ablated = rng.random(80) < 0.9, rng.random(80) < 0.6
    effects = mask_effects(intact, ablated, groups, "face", "<b>")
    rates = {name: rate(intact[groups == name]) for name in ("face", "<b>")}
    shown = unit_fragments.unit_effect(Alone("face", "<b>", rates, effects, [effects, effects]))
    assert "<b>" not in shown
    assert "mean of 2" in shown
    assert shown.count("[") >= 7
    bare = unit_fragments.unit_effect(Alone("face", "<b>", rates, effects, []))
    assert "equally loud one, mean" not in bare


@pytest.mark.parametrize("conditions", [("face", "house"), tuple("abcdefghij"), ("$x_1$" * 9, "y")])
def test_the_figure_shows_both_sides_and_fits(conditions: tuple[str, ...]) -> None:
    rng = np.random.default_rng(1)
    names = [conditions[i % len(conditions)] for i in range(60)]
    target = np.array([name == conditions[0] for name in names])
    figure = figures.unit_responses(rng.random(60), names, target, "layer4.1:output, channel 3")
    inside(figure)
    above, below = figure.axes
    told = [text.get_text() for text in above.get_legend().get_texts()]
    assert told == [f"target (n = {target.sum()})", f"control (n = {(~target).sum()})"]
    assert len(below.get_yticks()) == len(conditions)


def test_a_silent_unit_has_a_figure_too() -> None:
    target = np.array([True, True, False, False])
    inside(figures.unit_responses(np.zeros(4), ["a", "a", "b", "b"], target, "dead"))
