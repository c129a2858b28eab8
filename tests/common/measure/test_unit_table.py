"""The units of a map as a table."""

from __future__ import annotations

import numpy as np
import pytest

from common.base.errors import SettingError
from common.measure.control_rules import control
from common.measure.masks import top_percent
from common.measure.moments import Moments
from common.measure.scores import SelectivityMap, welch
from common.measure.sites import Site, Unit
from common.measure.unit_table import unit_table


def made(unit: Unit) -> SelectivityMap:
    """Two sites, of one channel axis behind a position and one before two."""
    sites = [Site("a", "output", "block", 2, (3, 4)), Site("b", "output", "block", 1, (5, 2, 2))]
    rng = np.random.default_rng(0)
    sides = [
        {site: Moments.of(rng.normal(1, 1, (9, site.n_units(unit)))) for site in sites}
        for _ in range(2)
    ]
    return welch(*sides, unit=unit, pooling="none" if unit == "neuron" else "mean")


@pytest.mark.parametrize("unit", ["channel", "neuron"])
def test_each_row_is_what_the_map_says_of_a_unit(unit: Unit) -> None:
    found = made(unit)
    top, low = top_percent(found, 30), control(found, "bottom", 30)
    table = unit_table(found, [top, low])
    assert len(table) == found.n_units
    assert [*table["rank"]] == [*range(1, found.n_units + 1)]
    assert (np.diff(table["t"]) <= 0).all()
    by_name = {str(site): site for site in found.sites}
    for row in table.to_dict("records"):
        site = by_name[row["site"]]
        place: list[int] = [*map(int, str(row.get("position", "")).split())]
        place.insert(site.axis - 1 if unit == "neuron" else 0, row["unit"])
        for column in ("t", "q", "d_prime", "index", "mean_target"):
            assert found.at(site, column)[tuple(place)] == row[column]
        assert found.at(site, "magnitude")[tuple(place)] == row["loudness"]
        inside = [mask.name for mask in (top, low)
                  if mask.at(site).reshape(site.unit_shape(unit))[tuple(place)]]  # fmt: skip
        assert row["masks"].split() == inside


def test_the_first_ones_alone_and_no_column_for_no_masks() -> None:
    found = made("channel")
    assert [*unit_table(found, top=3)["rank"]] == [1, 2, 3]
    assert "masks" not in unit_table(found)
    assert "position" not in unit_table(found)
    with pytest.raises(SettingError, match="one unit or more"):
        unit_table(found, top=0)
