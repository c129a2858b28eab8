"""Massive units: who they are, masks without them, and masks of them alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.base.errors import MaskError
from common.effects.massive import PEAK, _level, describe_massive
from common.measure.control_rules import control, plan_masks
from common.measure.loudness import EXCLUDED, times_median
from common.measure.masks import Mask, top_percent
from common.measure.massive import massive_mask, massive_units, without_massive
from common.measure.moments import Moments
from common.measure.scores import SelectivityMap, welch
from common.measure.sites import Site
from common.study.drawing import Drawing
from common.study.plan import Plan
from common.study.settings import read_controls

SITES = (Site("one", shape=(40,)), Site("two", shape=(60,)))
LOUD = [3, 17, 41]  # of the row of units; 3 and 41 are selective, too


def made(loud: tuple[int, ...] = (3, 17, 41), **about: float) -> SelectivityMap:
    """A hundred units, three of them a thousand times as loud as the others."""
    rng = np.random.default_rng(0)
    level = np.where(np.isin(np.arange(100), loud), 1000.0, 1.0)
    sides = []
    for shift in (0.2, 0.0):
        values = rng.normal(size=(30, 100)) * 0.1 + 1
        values[:, [3, 41, 5, 60, 70]] += shift
        sides.append({
            site: Moments.of(values[:, part] * level[part])
            for site, part in zip(SITES, (slice(0, 40), slice(40, 100)), strict=True)
        })  # fmt: skip
    return welch(*sides, about=dict(about))


def test_they_are_told_by_the_median_of_their_own_site() -> None:
    loudness = np.array([1.0, 2, 3, 0, 0, 10, 20, 300, 0, 0])
    wanted = [0.5, 1, 1.5, 0, 0, 0.5, 1, 15, 0, 0]
    np.testing.assert_allclose(times_median(loudness, np.array([0, 5, 8, 10])), wanted)
    found = made()
    by_hand = [
        unit
        for start, stop in ((0, 40), (40, 100))
        for unit in range(start, stop)
        if found.magnitude[unit] >= 100 * np.median(found.magnitude[start:stop])
    ]
    assert sorted(massive_units(found).tolist()) == by_hand == LOUD


def test_the_peak_counts_where_it_is_known() -> None:
    found = made()
    peak = np.ones(100)
    peak[8] = 150
    assert massive_units(replace(found, peak=peak)).tolist() == [8]


def test_parts_of_a_top_mask() -> None:
    found = made()
    top = top_percent(found, 5)
    quiet, loud = without_massive(found, top), massive_mask(found, 5)
    assert quiet is not None
    assert loud is not None
    assert sorted(quiet.units.tolist()) == [5, 60, 70]
    assert (quiet.name, loud.name) == ("without-massive-5", "massive-5")
    assert sorted(loud.units.tolist()) == LOUD
    calm = made(loud=())
    assert without_massive(calm, top_percent(calm, 5)) is None
    assert massive_mask(made(loud=()), 5) is None
    only = top_percent(made(loud=(3, 41, 5, 60, 70)), 5)
    assert without_massive(made(loud=(3, 41, 5, 60, 70)), only) is None


RULES = ["random", "layer-matched", "magnitude-matched", "bottom", "range:0-60"]


@pytest.mark.parametrize("rule", RULES)
def test_left_out_no_rule_chooses_one(rule: str) -> None:
    found = made(exclude_massive=100.0)
    top = top_percent(found, 5)
    assert len(top) == 5
    assert {5, 60, 70} < set(top.units.tolist())
    for seed in range(30):
        try:
            drawn = control(found, rule, 5, seed)
        except MaskError:
            pytest.fail(f"{rule} cannot be drawn")
        assert not set(drawn.units.tolist()) & set(LOUD)


@pytest.mark.parametrize("rule", RULES)
def test_where_none_is_massive_draws_are_what_they_were(rule: str) -> None:
    found = made(loud=())
    for seed in range(3):
        one, other = (control(each, rule, 5, seed) for each in (found, found.without(100.0)))
        assert one.units.tolist() == other.units.tolist()


def test_all_units_are_still_all_units() -> None:
    assert sorted(top_percent(made(exclude_massive=100.0), 100).units) == list(range(100))


def test_the_map_remembers_it_and_masks_are_of_another_map(tmp_path: Path) -> None:
    found = made()
    quiet = found.without(50.0)
    quiet.save(tmp_path / "map.safetensors")
    again = SelectivityMap.load(tmp_path / "map.safetensors")
    assert again.about[EXCLUDED] == 50
    assert again.ranking.tolist() == quiet.ranking.tolist() != found.ranking.tolist()
    assert again.fingerprint == quiet.fingerprint != found.fingerprint
    assert again.without(None).fingerprint == found.fingerprint
    assert quiet.without(50.0) is quiet


def masks_of(found: SelectivityMap) -> list[Mask]:
    controls = read_controls("layer-matched:2,magnitude-matched:2,random:1,bottom:1")
    return Drawing(found, Plan((5.0, 10.0), controls)).masks


def test_a_run_tries_them_beside_the_top() -> None:
    masks = masks_of(made())
    at = {(mask.rule, mask.percent) for mask in masks}
    assert {("without-massive", 5.0), ("without-massive", 10.0), ("massive", 5.0)} <= at
    assert ("massive", 10.0) not in at
    rules = {mask.rule for mask in masks_of(made(exclude_massive=100.0))}
    assert "massive" in rules
    assert "without-massive" not in rules
    known = {mask.name for mask in plan_masks(made(loud=()), [5.0, 10.0], [], 0)}
    assert {m.name for m in masks_of(made(loud=())) if m.rule in ("top", "matched-part")} <= known


def test_what_the_results_say() -> None:
    found = made()
    masks = masks_of(found)
    told = describe_massive(found, masks, 5.0)
    assert (told.n, told.n_sites, told.excluded, told.threshold) == (3, 2, False, 100)
    assert told.in_top == {"5": 2, "10": int(np.isin(top_percent(found, 10).units, LOUD).sum())}
    for each in told.units:
        site = next(site for site in SITES if str(site) == each.site)
        own = found.magnitude[:40] if site is SITES[0] else found.magnitude[40:]
        assert each.loudness == own[each.unit]
        assert each.times == pytest.approx(own[each.unit] / np.median(own))
        unit = each.unit + (0 if site is SITES[0] else 40)
        assert found.ranking[each.rank - 1] == unit
    assert told.masks["massive-5"] == pytest.approx(np.exp(np.log(found.times_median[LOUD]).mean()))
    assert set(told.masks) == {mask.name for mask in masks if mask.percent == 5}
    loud = replace(found, peak=found.magnitude * 2)
    assert describe_massive(loud, masks, 5.0).measure == PEAK
    assert describe_massive(found.without(30.0), masks, 5.0).threshold == 30


def test_massive_is_from_the_threshold_on_and_the_loudest_come_first() -> None:
    peak = np.ones(100)
    peak[[8, 20, 70]] = 100, 300, 200
    found = replace(made(), peak=peak)
    assert massive_units(found).tolist() == [20, 70, 8]
    assert np.flatnonzero(found.without(200.0).excluded).tolist() == [20, 70]
    assert massive_units(found.without(200.0)).tolist() == [20, 70]
    alike = replace(found, peak=np.where(np.arange(100) % 3 > 0, 1.0, 500.0))
    assert massive_units(alike).tolist() == [*range(0, 100, 3)]


def test_silent_and_quiet_units_have_a_median_of_their_own() -> None:
    loudness = np.array([0.0, 0.25, 0.5])
    np.testing.assert_allclose(times_median(loudness, np.array([0, 3])), [0, 2 / 3, 4 / 3])


def test_channels_are_counted_over_sites_and_the_loudest_are_listed() -> None:
    peak = np.ones(100)
    peak[np.r_[0:15, 40:50]] = 1000.0 - np.arange(25)  # channels 0 to 14, and 0 to 9 again
    found = replace(made(loud=()), peak=peak)
    told = describe_massive(found, [], 1.0)
    assert (told.n, told.n_sites, len(told.units)) == (25, 2, 20)
    assert list(told.channels.values()) == [2] * 10 + [1] * 5
    assert [*told.channels][:10] == [str(channel) for channel in range(10)]
    assert [each.loudness for each in told.units] == [*np.arange(1000.0, 980.0, -1)]
    neurons = replace(found, unit="neuron")
    assert describe_massive(neurons, [], 1.0).channels == {}


def test_of_weights_next_to_nothing_the_median_is_told() -> None:
    """Whose geometric mean would be next to nothing with a single one of them."""
    times = np.array([1e-300, 0.0, 2.0, 3.0, 4.0])
    assert _level(times, "weight") == 2.0
    assert _level(times[2:], "channel") == pytest.approx(24 ** (1 / 3))
