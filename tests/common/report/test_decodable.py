"""The report's table of probes: what is decodable at each site, beside what ablation costs."""

from __future__ import annotations

from common.report.decodable import decodable
from tests.common.conftest import MapMaker
from tests.common.made import made

TOLD = {"n": (40, 60), "right": {"layer0:output": (40, 60), "layer1:output": (20, 45)}}


def test_each_site_has_its_accuracy_and_its_units_in_the_mask(make_map: MapMaker) -> None:
    found = make_map()
    (table,) = decodable(made(selectivity={"decodable": TOLD}), found)
    assert [row[0].value for row in table.rows] == ["layer0:output", "layer1:output"]
    assert [row[1].value for row in table.rows] == ["60", "40"]
    assert [row[2].value for row in table.rows] == ["100.0 %", "62.5 %"]
    low, high = table.rows[1][2].beside.strip("[]").split(", ")
    assert 50 < float(low) < 62.5 < float(high) < 75
    assert sum(int(row[3].value) for row in table.rows) == 1
    assert "40 target and 60 control" in table.note
    assert "Needed: the top 1 %" in table.note


def test_other_scores_have_no_such_table(make_map: MapMaker) -> None:
    assert decodable(made(), make_map()) == []
