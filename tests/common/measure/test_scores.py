"""Selectivity maps against scipy, and what is kept of them in files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from scipy import stats

from common.base.errors import DataError, RunError
from common.base.files import save_arrays
from common.measure.control_rules import control
from common.measure.halves import assign_groups
from common.measure.masks import top_percent
from common.measure.moments import Moments, Statistic, merged
from common.measure.scores import COLUMNS, SelectivityMap, welch
from common.measure.shares import in_top, n_chosen, split_half
from common.measure.sites import Site, Unit
from tests.common.conftest import MapMaker, rescored

CONTRACT = ("t", "p", "q", "d_prime", "mean_target", "mean_control")
ARRAYS = COLUMNS


def two_conditions(
    n_one: int, n_two: int, shift: float = 0.5, units: int = 50
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n_one)
    spread = rng.uniform(0.1, 5, units)
    target = rng.normal(shift, spread, (n_one, units))
    return target, rng.normal(0.0, spread[::-1], (n_two, units))


def contrast(target: np.ndarray, control: np.ndarray) -> SelectivityMap:
    site = Site("layer", shape=(target.shape[1],))
    return welch({site: Moments.of(target)}, {site: Moments.of(control)}, statistic="signed")


@pytest.mark.parametrize(("n_one", "n_two"), [(2, 2), (2, 30), (40, 3), (144, 1152)])
@pytest.mark.parametrize("shift", [0.0, 0.5, -3.0])
def test_t_p_and_q_are_scipys(n_one: int, n_two: int, shift: float) -> None:
    target, control = two_conditions(n_one, n_two, shift)
    got = contrast(target, control)
    wanted = stats.ttest_ind(target, control, equal_var=False)
    np.testing.assert_allclose(got.t, wanted.statistic, rtol=1e-10)
    np.testing.assert_allclose(got.p, wanted.pvalue, rtol=1e-10)
    np.testing.assert_allclose(got.q, stats.false_discovery_control(wanted.pvalue), rtol=1e-10)


def test_extreme_p_is_scipys() -> None:
    target, control = two_conditions(30, 40, shift=400.0)
    got, wanted = contrast(target, control), stats.ttest_ind(target, control, equal_var=False)
    assert 0 < got.p.min() < 1e-60
    np.testing.assert_allclose(got.p, wanted.pvalue, rtol=1e-10)


def test_a_tiny_scale_changes_neither_t_nor_p() -> None:
    target, control = two_conditions(20, 30)
    plain, tiny = contrast(target, control), contrast(target * 1e-120, control * 1e-120)
    np.testing.assert_allclose(tiny.t, plain.t, rtol=1e-10)
    np.testing.assert_allclose(tiny.p, plain.p, rtol=1e-10)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_t_does_not_depend_on_batches_or_order(size: int) -> None:
    target, control = two_conditions(70, 90)
    site = Site("layer", shape=(50,))
    rng = np.random.default_rng(0)

    def batches(values: np.ndarray) -> dict[Site, Moments]:
        mixed = rng.permutation(values)
        return {site: merged(Moments.of(mixed[i : i + size]) for i in range(0, len(mixed), size))}

    wanted = stats.ttest_ind(target, control, equal_var=False).statistic
    np.testing.assert_allclose(welch(batches(target), batches(control)).t, wanted, rtol=1e-10)


def test_d_prime_is_the_difference_over_the_root_of_the_mean_variance() -> None:
    target, control = two_conditions(12, 33)
    spread = np.sqrt((target.var(0, ddof=1) + control.var(0, ddof=1)) / 2)
    wanted = (target.mean(0) - control.mean(0)) / spread
    np.testing.assert_allclose(contrast(target, control).d_prime, wanted, rtol=1e-10)


def test_a_unit_without_variance_gets_t_0_and_p_1() -> None:
    target, control = two_conditions(9, 11, units=4)
    target[:, 1], control[:, 1] = 0.1, 0.1  # equal and constant
    target[:, 2], control[:, 2] = 0.0, 0.0
    got = contrast(target, control)
    assert got.t[1:3].tolist() == [0, 0]
    assert got.p[1:3].tolist() == [1, 1]
    assert got.q[1:3].tolist() == [1, 1]
    assert got.d_prime[1:3].tolist() == [0, 0]
    assert got.score.column("index")[1:3].tolist() == [0, 0]
    assert "apart" not in got.score.columns
    assert all(np.isfinite(getattr(got, name)).all() for name in ARRAYS)


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_perfect_separation_ranks_first_and_is_told(kind: type) -> None:
    target, control = two_conditions(9, 11, shift=300.0, units=5)
    target[:, 1], control[:, 1] = 5.0, -5.0
    target[:, 2], control[:, 2] = 1.0, 1.0 + 1e-3  # the control is higher
    target[:, 3], control[:, 3] = 1.0 + 1e-3, 1.0  # close, but beyond rounding
    got = contrast(target.astype(kind), control.astype(kind))
    assert got.ranking[:2].tolist() == [1, 3]
    assert got.ranking[-1] == 2
    assert np.flatnonzero(got.score.column("apart")).tolist() == [1, 2, 3]
    assert np.isfinite(got.t).all()
    assert (got.p[1:4] < 1e-30).all()
    wanted = stats.ttest_ind(target[:, [0, 4]], control[:, [0, 4]], equal_var=False).statistic
    rtol = 1e-10 if kind is np.float64 else 1e-4
    np.testing.assert_allclose(got.t[[0, 4]], wanted, rtol=rtol)


@pytest.mark.parametrize("level", [3.0, -3.0, 1e-20, 7e8])
@pytest.mark.parametrize("statistic", ["magnitude", "signed"])
def test_a_unit_that_only_rounds_has_no_t(level: float, statistic: Statistic) -> None:
    rng = np.random.default_rng(0)
    shown = []
    for n, ulps in ((144, (0, 1)), (500, (-1, 0))):  # a difference of rounding between sides
        steps = np.spacing(np.float32(level)) * rng.choice(ulps, (n, 1))
        shown.append((np.float32(level) + steps.astype(np.float32)).astype(np.float32))
    assert abs(stats.ttest_ind(*(each.astype(float) for each in shown)).statistic[0]) > 10
    site = Site("layer", shape=(1,))
    one, two = ({site: Moments.of(each, statistic)} for each in shown)
    got = welch(one, two, statistic=statistic)
    assert (got.t[0], got.p[0], got.d_prime[0]) == (0, 1, 0)
    assert "apart" not in got.score.columns


def test_double_precision_keeps_what_single_precision_could_not_tell() -> None:
    target, control = two_conditions(30, 40, shift=0.5)
    got = contrast(1e6 + 1e-3 * target, 1e6 + 1e-3 * control)
    wanted = stats.ttest_ind(1e6 + 1e-3 * target, 1e6 + 1e-3 * control, equal_var=False)
    # As near as the numbers themselves, which lost nine of their digits to the offset.
    np.testing.assert_allclose(got.t, wanted.statistic, rtol=1e-4)
    assert np.abs(got.t).max() > 1


def test_the_selectivity_index_is_that_of_the_means() -> None:
    target, control = (np.abs(part) for part in two_conditions(12, 33))
    one, two = target.mean(0), control.mean(0)
    got = contrast(target, control).score.column("index")
    np.testing.assert_allclose(got, (one - two) / (one + two), rtol=1e-10)
    assert np.abs(contrast(-target, control).score.column("index")).max() <= 1


@pytest.mark.parametrize(("n_one", "n_two", "side"), [(1, 9, "target"), (9, 1, "control")])
def test_a_condition_of_one_stimulus_is_refused(n_one: int, n_two: int, side: str) -> None:
    with pytest.raises(DataError, match=f"the {side} condition has 1 stimulus"):
        contrast(*two_conditions(n_one, n_two))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_and_the_unit_named(value: float) -> None:
    target, control = two_conditions(5, 6)
    control[2, 7] = value
    with pytest.raises(DataError, match="of the control condition are NaN or infinite; unit 7"):
        contrast(target, control)


def test_the_papers_number_of_units_is_cut() -> None:
    assert (n_chosen(1152, 1), n_chosen(1152, 1, truncated=True)) == (12, 11)
    assert n_chosen(50, 1, truncated=True) == 1


def test_a_truncated_map_has_masks_and_halves_of_that_size(make_map: MapMaker) -> None:
    found = make_map((600, 552))
    paper = replace(found, about={**found.about, "k": "truncated"})
    assert len(top_percent(paper, 1)) == 11
    assert top_percent(paper, 1).units.tolist() == top_percent(found, 1).units.tolist()[:11]
    assert len(control(paper, "layer-matched", 1, 0)) == 11
    one, two = make_map((600, 552), seed=1).t, make_map((600, 552), seed=2).t
    assert split_half(one, two, [1], truncated=True).dice_chance == {1: 11 / 1152}


def test_a_unit_that_varies_in_one_condition_only_is_tested_as_scipy_does() -> None:
    target, control = two_conditions(9, 11, units=1)
    control[:] = 0.0
    wanted = stats.ttest_ind(target, control, equal_var=False)
    got = contrast(target, control)
    assert got.t[0] == pytest.approx(wanted.statistic[0], rel=1e-10)
    assert got.p[0] == pytest.approx(wanted.pvalue[0], rel=1e-10)


def test_magnitude_is_the_mean_over_all_stimuli_and_output_that_of_the_control() -> None:
    target, control = two_conditions(5, 20)
    got = contrast(target, control)
    every = np.abs(np.concatenate([target, control])).mean(0)
    np.testing.assert_allclose(got.magnitude, every, rtol=1e-12)
    np.testing.assert_allclose(got.output_control, control.mean(0), rtol=1e-12)


def test_ranking_breaks_ties_by_index(make_map: MapMaker) -> None:
    found = rescored(make_map((4, 4)), t=np.array([1.0, 3, 1, 3, -2, 3, 1, 0]))
    assert found.ranking.tolist() == [1, 3, 5, 0, 2, 6, 7, 4]


@pytest.mark.parametrize(
    ("percent", "k"), [(0.001, 1), (0.4, 1), (1, 1), (1.6, 2), (50, 50), (100, 100)]
)
def test_a_percentage_is_rounded_and_never_none(percent: float, k: int) -> None:
    assert n_chosen(100, percent) == k


# --- sites ---


@pytest.mark.parametrize(
    ("unit", "wanted"), [("channel", [(3,), (4,)]), ("neuron", [(3, 2, 5), (6, 4)])]
)
def test_columns_come_back_in_the_shape_of_their_site(unit: Unit, wanted: list) -> None:
    sites = [Site("conv", shape=(3, 2, 5)), Site("block", axis=2, shape=(6, 4))]
    rng = np.random.default_rng(0)
    shown = [{s: Moments.of(rng.normal(size=(4, s.n_units(unit)))) for s in sites} for _ in "ab"]
    found = welch(*shown, unit=unit)
    assert [found.at(site).shape for site in sites] == wanted
    assert found.n_units == sum(int(np.prod(shape)) for shape in wanted)
    np.testing.assert_array_equal(
        np.concatenate([found.at(site, "p").ravel() for site in sites]), found.p
    )
    assert np.bincount(found.site_of_unit).tolist() == [s.n_units(unit) for s in sites]


# --- files ---


def test_a_map_comes_back_from_its_file(make_map: MapMaker, tmp_path: Path) -> None:
    found = make_map()
    found.save(tmp_path / "map")
    again = SelectivityMap.load(tmp_path / "map")
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))
    assert again.sites == found.sites
    assert again.about == found.about
    assert (again.unit, again.pooling, again.statistic) == ("channel", "mean", "magnitude")
    assert (again.n_target, again.n_control) == (12, 15)
    assert again.fingerprint == found.fingerprint


@pytest.mark.parametrize("unit", ["channel", "neuron"])
def test_the_names_in_the_file_are_the_contract(unit: Unit, tmp_path: Path) -> None:
    site = Site("layer4.1", shape=(3, 2, 2))
    values = np.random.default_rng(0).normal(size=(4, site.n_units(unit)))
    found = welch({site: Moments.of(values)}, {site: Moments.of(values[::-1] * 2)}, unit=unit)
    found.save(tmp_path / "map")
    arrays = load_file(tmp_path / "map")
    for name in CONTRACT:
        array = arrays[f"layer4.1:output/{name}"]
        assert array.dtype == np.float64
        assert array.shape == site.unit_shape(unit)
        np.testing.assert_array_equal(array.ravel(), getattr(found, name))


def test_the_fingerprint_follows_what_masks_depend_on(make_map: MapMaker) -> None:
    found = make_map()
    louder = found.magnitude.copy()
    louder[7] += 1e-9
    changed = [
        rescored(found, t=-found.t),
        replace(found, magnitude=louder),
        replace(found, unit="neuron"),
        replace(found, statistic="signed"),
        replace(found, sites=(Site("other", shape=found.sites[0].shape), found.sites[1])),
    ]
    assert len({found.fingerprint, *(other.fingerprint for other in changed)}) == 6
    assert make_map().fingerprint == found.fingerprint


def broken_files(folder: Path, good: Path) -> dict[str, Path]:
    """Files that are no map, each wrong in its own way."""
    arrays, junk = load_file(good), folder / "junk"
    junk.write_bytes(b"not safetensors at all")
    (folder / "empty").write_bytes(b"")
    (folder / "cut").write_bytes(good.read_bytes()[:-100])
    save_file(arrays, folder / "bare")
    save_arrays(folder / "nojson", arrays, {"selectivity": "{"})
    save_arrays(folder / "incomplete", arrays, {"selectivity": json.dumps({"sites": []})})
    site = {"module": "layer0", "shape": [60, 2, 3]}
    save_arrays(folder / "short", arrays, {"selectivity": json.dumps({"sites": [site]})})
    extra = {"sites": [{**site, "colour": "red"}]}
    save_arrays(folder / "stranger", arrays, {"selectivity": json.dumps(extra)})
    arrays.pop("layer0:output/q")
    save_arrays(folder / "part", arrays, {"selectivity": json.dumps({"sites": [site]})})
    return {path.name: path for path in [*folder.iterdir(), folder / "missing"] if path != good}


def test_a_broken_file_is_an_error_of_one_line(make_map: MapMaker, tmp_path: Path) -> None:
    good = tmp_path / "good"
    make_map().save(good)
    files = broken_files(tmp_path, good)
    assert len(files) == 10
    for path in files.values():
        with pytest.raises(RunError) as caught:
            SelectivityMap.load(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


# --- halves ---


def test_identical_halves_agree_wholly(make_map: MapMaker) -> None:
    got = split_half(make_map().t, make_map().t, [1, 10, 100])
    assert got.correlation == pytest.approx(1)
    assert got.dice == {1: 1, 10: 1, 100: 1}


def test_unrelated_halves_agree_by_chance(make_map: MapMaker) -> None:
    one, two = make_map((2000, 2000), seed=1), make_map((2000, 2000), seed=2)
    got = split_half(one.t, two.t, [1, 10, 100])
    assert abs(got.correlation) < 0.06
    assert got.dice_chance == {1: 0.01, 10: 0.1, 100: 1}
    assert got.dice[10] == pytest.approx(0.1, abs=0.05)
    assert got.dice[1] < 0.1


def test_dice_is_the_share_of_common_units() -> None:
    one = np.array([9.0, 8, 7, 6, 0, 0, 0, 0, 0, 0])
    two = np.array([9.0, 8, 0, 0, 7, 6, 0, 0, 0, 0])
    assert split_half(one, two, [40]).dice[40] == 0.5


def test_a_map_without_spread_correlates_with_nothing(make_map: MapMaker) -> None:
    found = make_map()
    assert split_half(np.zeros(found.n_units), found.t, [1]).correlation == 0


@pytest.mark.parametrize("k", [1, 2, 5, 9, 10])
def test_the_top_k_are_those_of_the_ranking_under_ties(make_map: MapMaker, k: int) -> None:
    t = np.random.default_rng(k).integers(-2, 3, 10).astype(float)
    found = rescored(make_map((5, 5)), t=t)
    assert set(np.flatnonzero(in_top(t, k))) == set(found.ranking[:k].tolist())


def test_halves_are_balanced_within_each_condition() -> None:
    conditions = ["adult"] * 10 + ["child"] * 7 + ["car"] * 9
    is_target = np.arange(26) < 17
    groups = assign_groups(conditions, is_target, seed=0)
    for name in set(conditions):
        sizes = np.bincount(groups[np.array(conditions) == name], minlength=4)
        one, two = sizes[:2] if name != "car" else sizes[2:]
        assert abs(int(one) - int(two)) <= 1
    assert set(groups[is_target]) == {0, 1}
    assert set(groups[~is_target]) == {2, 3}


def test_halves_are_balanced_over_conditions_of_one_stimulus_each() -> None:
    groups = assign_groups([*"abcdefgh"], np.arange(8) < 4, seed=0)
    assert np.bincount(groups).tolist() == [2, 2, 2, 2]


def test_halves_follow_the_seed() -> None:
    one, again, other = (assign_groups(["a"] * 40, np.arange(40) < 20, s) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
