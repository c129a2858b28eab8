"""The map of all units, and pictures with maps over them."""

from __future__ import annotations

import numpy as np
import pytest

from common.measure.masks import top_percent
from common.report import figures
from common.report.figures.unit_map import _row
from tests.common.report.test_figures import inside, many

pytestmark = pytest.mark.lays_out_figures


@pytest.mark.parametrize("n_sites", [1, 13, 300])
def test_the_map_of_a_model_is_clicked_where_its_units_are_drawn(n_sites: int) -> None:
    found = many(n_sites, "model.encoder.stages.{i}.blocks.conv_mid.activation_post_process")
    mask = top_percent(found, 20)
    figure = figures.unit_map(found, mask, mask)
    inside(figure)
    width, height = figure.bbox.size
    axes = figure.axes[0]
    for unit in (*mask.units[:20], 0, found.n_units - 1):
        number = found.site_of_unit[unit]
        own = unit - found.offsets[number]
        place = axes.transData.transform((100 * (own + 0.5) / 6, number + 0.5))
        x, y = place[0] / width, 1 - place[1] / height
        assert figures.unit_at(found, x, y) == unit
        shown = np.asarray(axes.images[0].get_array())
        assert shown[number, own * shown.shape[1] // 6] == found.score.value[unit]
        # A click beside it means the unit of the highest score that is near.
        near = found.score.value[found.offsets[number] :][:6]
        strongest = found.offsets[number] + int(np.argmax(near))
        assert figures.unit_at(found, x, y, reach=1.0) == strongest
    for x, y in ((0.01, 0.5), (0.99, 0.5), (0.5, 0.0), (0.5, 0.999)):
        assert figures.unit_at(found, x, y) is None


def test_a_site_of_more_units_than_columns_shows_the_strongest_of_each() -> None:
    values = np.random.default_rng(0).normal(size=2500)
    row = _row(values, 1024)
    for column in range(1024):
        own = values[[unit for unit in range(2500) if unit * 1024 // 2500 == column]]
        assert row[column] == own[np.abs(own).argmax()]
    np.testing.assert_array_equal(_row(values[:3], 7), values[[0, 0, 0, 1, 1, 2, 2]])


def test_places_of_a_picture_lie_over_it_on_one_scale() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (3, 24, 32), dtype=np.uint8)
    maps = {
        "top units": np.eye(4),
        "matched units with a name that is far too long": np.ones((2, 2)),
    }
    strength = figures.answers_over(pixels, maps, "x")
    change = figures.changes_over(pixels, {name: -each for name, each in maps.items()}, "y")
    for figure, bounds in ((strength, (0, 1)), (change, (-1, 1))):
        inside(figure, has_axes=False)  # pictures
        over = [axes.images[-1] for axes in figure.axes if len(axes.images) == 2]
        assert len(over) == 2
        assert {each.get_clim() for each in over} == {bounds}
    inside(figures.answers_over(pixels, {"none": np.zeros((2, 2))}, "x"), has_axes=False)
