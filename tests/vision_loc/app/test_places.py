"""The map of all units, a page for each of them, and where a picture drives them: no browser."""

from __future__ import annotations

from dataclasses import replace
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote_plus

import gradio as gr
import numpy as np
import pytest

from browser import chart
from browser.pictures import SHARP
from browser.units import name_of, typed
from common.measure.masks import units_mask
from common.report import figures
from common.report.figures.unit_map import frame_of, places
from common.study.single_unit import describe_unit
from common.study.unit_names import unit_name
from vision_loc import phantom
from vision_loc.app import tab_try, tab_where, visit
from vision_loc.app.tab_units import PAGES
from vision_loc.experiment import Settings, localize_only


def quiet(*_: object, **__: object) -> None:
    """A progress bar that nobody sees."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("places")


@pytest.fixture(scope="module")
def planted(home: Path) -> visit.Found:
    settings = Settings(
        "phantom/planted", localizer="phantom-planted:pattern", evaluation="phantom-planted",
        top=(6.25,), device="cpu", untrained_seeds=0, stimuli=8,
    )  # fmt: skip
    localize_only(settings, home / "planted")
    return visit.found_in(home / "planted")


@pytest.fixture(scope="module")
def faces(home: Path) -> visit.Found:
    localize_only(replace(visit.DEMO, device="cpu", untrained_seeds=0, stimuli=24), home / "faces")
    return visit.found_in(home / "faces")


@pytest.fixture(scope="module")
def picture(home: Path) -> str:
    phantom.draw(0, 1, "eval").save(home / "face.png")
    return str(home / "face.png")


def click(found: visit.Found, unit: int) -> SimpleNamespace:
    """A click on a unit of the map."""
    width, height = figures.size_of(found.map)
    frame = frame_of(found.map)
    (x,), (y,) = places(found.map, np.array([unit]))
    across = (frame.left + frame.width * x) * width * SHARP
    down = (frame.top + frame.height * y / len(found.map.sites)) * height * SHARP
    return SimpleNamespace(index=[round(across), round(down)])


def test_a_click_on_the_map_opens_any_unit_and_its_link_opens_it_again(
    planted: visit.Found,
) -> None:
    found = planted
    shown = chart.drawn(found)
    assert shown.visible
    assert f"the {len(found.top)} of the top mask are marked" in shown.alt_text
    assert chart.clicked(found, SimpleNamespace(index=[3, 3])) == gr.skip()  # type: ignore[arg-type]
    best = int(found.map.ranking[0])
    name = chart.clicked(found, click(found, best))  # type: ignore[arg-type]
    assert name == unit_name(found.map, best) == typed("#1", found)
    outside = int(found.map.ranking[-1])
    for unit, inside in ((best, True), (outside, False)):
        name = unit_name(found.map, unit)
        page = PAGES.open_named(name, found, None, None, quiet)  # type: ignore[arg-type]
        units, facts, figure, *_, opened = page[3:]
        row = describe_unit(found.map, unit)
        assert (opened.unit, opened.site) == (unit, row.site)
        assert f"It is {'' if inside else 'not '}in the mask of the top" in facts
        assert f"run=planted&amp;at={quote_plus(name)}" in facts
        assert figure.visible
        assert units.value == (str(row.rank) if inside else None)
        assert name_of(found, opened) == name
        # Another unit of the layer needs no stimulus again, and the same one nothing at all.
        again = PAGES.open_named(name, found, opened, None, quiet)  # type: ignore[arg-type]
        assert all(each == gr.skip() for each in again)
        start = int(found.map.offsets[found.map.sites.index(row.site)])
        beside = start if unit != start else start + 1
        other = PAGES.open_named(unit_name(found.map, beside), found, opened, None, quiet)  # type: ignore[arg-type]
        assert other[-1].answers is opened.answers
    # The name of another map's unit is forgotten, and nothing is opened before there is a map.
    assert PAGES.open_named("0:output/1@00000000", found, None, None, quiet)[0] == ""  # type: ignore[arg-type]
    assert PAGES.open_named(name, None, None, None, quiet)[0] == gr.skip()  # type: ignore[arg-type]
    with pytest.raises(gr.Error, match="choose one of the list"):
        PAGES.open_named(f"x/1@{name[-8:]}", found, None, None, quiet)  # type: ignore[arg-type]


# --- where in the picture ---


def test_where_the_units_answer_and_what_hiding_each_part_does(
    faces: visit.Found, picture: str
) -> None:
    *_, held = tab_try.show(picture, 1.0, faces, None)
    said, layer, unit, answers, changes, known = tab_where.where(held, 1.0, faces)
    assert "Margin of “face-01”, the intact model’s answer" in unescape(said)
    assert "without the top units" in said
    assert layer.choices[0][1] == tab_where.EVERY
    assert answers.visible
    assert changes.visible
    assert unit.visible
    assert "top units at" in answers.alt_text
    one = tab_where.show_layer(layer.choices[1][1], known)
    assert layer.choices[1][1] in one.alt_text
    with pytest.raises(gr.Error, match="no layer of the mask"):
        tab_where.show_layer("../x", known)
    with pytest.raises(gr.Error, match="choose one above first"):
        tab_where.where(None, 1.0, faces)
    assert not any(getattr(each, "visible", False) for each in tab_where.forget())


def test_one_unit_is_mapped_whether_a_mask_has_it_or_not(faces: visit.Found, picture: str) -> None:
    *_, held = tab_try.show(picture, 1.0, faces, None)
    for rank in (1, faces.map.n_units // 2):
        row = describe_unit(faces.map, int(faces.map.ranking[rank - 1]))
        shown = tab_where.show_unit(f"#{rank}", held, faces)
        assert shown.visible
        assert row.title in shown.alt_text
    # Its map is what the unit answers at each place, over how loud it is.
    with visit.MODELS.held(faces.settings) as model:
        mask = units_mask(faces.map, [row.unit])
        known = tab_where.places_of(model, held.look, {"it": mask}, faces)
    mean = known.of(str(row.site))["it"].mean() * faces.map.magnitude[row.unit]
    assert mean == pytest.approx(held.look.responses[row.unit], rel=1e-4)
    with pytest.raises(gr.Error, match="no unit of that number"):
        tab_where.show_unit("#0", held, faces)
    with pytest.raises(gr.Error, match="choose one above first"):
        tab_where.show_unit("#1", None, faces)
