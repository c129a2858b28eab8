"""Masks of one's own: a list of units is judged as the top mask is, and two masks are combined."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from common.base.errors import FunclocError, MaskError, SettingError
from common.measure.chosen import share_of, with_chosen
from common.measure.masks import mask_of, top_percent, units_mask
from common.measure.scores import SelectivityMap
from common.measure.unit_table import unit_table
from common.study import verbs
from common.study.unit_list import chosen_map, combined, dose_of, masks_of
from tests.common.measure.test_unit_table import made
from tests.common.study.test_toy_front import FRONT, SETTINGS, run

pytestmark = pytest.mark.draws_report


def written(folder: Path, text: str) -> Path:
    path = folder / "list.csv"
    path.write_text(text)
    return path


def test_the_top_units_as_a_list_come_to_the_numbers_of_the_top(tmp_path: Path) -> None:
    of_top, whole, _ = run(tmp_path / "whole")
    found = SelectivityMap.load(whole / "selectivity.safetensors")
    rows = unit_table(found, top=6).assign(mask="six").sort_values("unit")
    ten = unit_table(found).iloc[20:30].assign(mask="ten")
    path = tmp_path / "own.csv"
    path.write_text(rows.to_csv(index=False) + ten.to_csv(index=False, header=False))
    assert masks_of(path) == ["six", "ten"]
    more = {"evaluation": "toy", "units": path, "controls": SETTINGS.controls}
    with pytest.raises(SettingError, match=r"`mask` is missing: .* holds six, ten"):
        verbs.evaluate_map(FRONT, whole, tmp_path / "none", **more)
    with pytest.raises(SettingError, match="`top` 5: `units` says which"):
        verbs.evaluate_map(FRONT, whole, tmp_path / "none", **more, mask="six", top="5")
    listed, folder, _ = verbs.evaluate_map(FRONT, whole, tmp_path / "six", **more, mask="six")
    for rule in ("top", "layer-matched"):
        one, two = (each.at(each.headline_percent, rule) for each in (of_top, listed))
        assert [e.groups for e in one] == [e.groups for e in two]
    assert listed.selectivity.chosen is not None
    assert (listed.selectivity.chosen.name, listed.selectivity.chosen.n_units) == ("six", 6)
    assert "of the list six were zeroed" in listed.verdict
    assert any("the list six" in each for each in listed.warnings)
    assert ">six" in (folder / "report.html").read_text()
    again = verbs.evaluate_map(FRONT, whole, tmp_path / "six", **more, mask="six")
    assert again[2]  # its map is the same map, list and all


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("site,unit\nz,0\n", "row 2: the map has no site 'z'; it has"),
        ("site,unit\nzero:output,x\n", "row 2: 'x' is no number of a unit"),
        ("site,unit\nzero:output,0\nzero,99\n", "row 3: zero:output has no unit 99"),
        ("site,unit\nzero:output,-1\n", "row 2: zero:output has no unit -1"),
        ("site,unit\nzero:output,1\nzero,1\n", "row 3: is the same unit as row 2"),
        ("site,unit,mask\nzero:output,1,\n", "row 2 names no mask"),
        ("site,channel\nzero:output,1\n", "has no column 'unit'"),
    ],
)  # fmt: skip
def test_a_list_that_does_not_fit_is_refused_by_its_row(
    tmp_path: Path, text: str, said: str
) -> None:
    found = made("channel")
    path = written(tmp_path, text.replace("zero", found.sites[0].module))
    with pytest.raises(FunclocError, match=said.replace("zero", found.sites[0].module)):
        chosen_map(found, path, None)


def test_a_list_is_called_as_its_file_where_it_names_no_mask(tmp_path: Path) -> None:
    found = made("channel")
    path = written(tmp_path, f"site,unit,masks\n{found.sites[0]},1,top-1 top-5\n")
    told = chosen_map(found, path, None)
    assert told.about["chosen"] == {"name": "list", "units": [1]}
    assert top_percent(told, dose_of(told)).units.tolist() == [1]
    assert told.fingerprint != found.fingerprint
    told.save(tmp_path / "map")
    kept = SelectivityMap.load(tmp_path / "map")
    assert kept.ranking.tolist() == told.ranking.tolist()
    assert kept.fingerprint == told.fingerprint


def test_neurons_are_named_by_their_position_as_the_table_writes_them(tmp_path: Path) -> None:
    found = made(unit="neuron")
    rows = unit_table(found).iloc[[0, 3]]
    path = written(tmp_path, rows.to_csv(index=False))
    told = chosen_map(found, path, None)
    assert set(told.about["chosen"]["units"]) == set(found.ranking[[0, 3]].tolist())
    path = written(tmp_path, rows.drop(columns="position").to_csv(index=False))
    with pytest.raises(FunclocError, match="has no column 'position'"):
        chosen_map(found, path, None)


@pytest.mark.parametrize("cut", [False, True])
def test_the_dose_of_a_list_is_that_many_units(cut: bool) -> None:
    found = made("channel")
    if cut:
        found.about["k"] = "truncated"
    for k in range(1, found.n_units + 1):
        assert found.n_chosen(share_of(found, k)) == k


def test_massive_units_are_not_listed_where_masks_leave_them_out() -> None:
    loud = made("channel")
    loud.magnitude[1] = 1e6
    with pytest.raises(MaskError, match="1 of its 2 units are massive"):
        with_chosen(loud.without(100.0), "mine", [0, 1])


def test_masks_are_combined() -> None:
    found = made("channel")
    one, two = units_mask(found, [0, 1, 2]), units_mask(found, [2, 3])
    told = {how: set(combined(found, one, found, two, how).tolist())
            for how in ("union", "intersection", "difference")}  # fmt: skip
    assert told == {"union": {0, 1, 2, 3}, "intersection": {2}, "difference": {0, 1}}
    with pytest.raises(SettingError, match="no unit is left"):
        combined(found, two, found, two, "difference")
    with pytest.raises(SettingError, match="choose one of union"):
        combined(found, two, found, two, "sum")
    found.about["model_fingerprint"] = "another"
    other = mask_of(found, "top", 1, None, np.array([0]))
    with pytest.raises(SettingError, match="of different models"):
        combined(found, one, found, other, "union")
