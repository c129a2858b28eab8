"""The map of the whole model on a page: every unit by its score, and a click opens one."""

from __future__ import annotations

from typing import Any

import gradio as gr

from browser import pictures
from browser.found import FoundMap
from browser.pictures import SHARP
from common.measure.sites import WEIGHT
from common.report import figures
from common.report.sections import map_control, say_map
from common.study.unit_names import unit_name

REACH = 0.012  # to either side of a click, in shares of the map's width: as well as a hand can aim


def place(name: str) -> gr.Image:
    """The place for it, which tells where it is clicked; `name` is the element's id."""
    return gr.Image(
        label="Map of the model", show_label=False, format="png", visible=False,
        interactive=False, min_width=320, buttons=["download", "fullscreen"], elem_id=name,
        elem_classes=["fl-figure", "fl-map"],
    )  # fmt: skip


def drawn(found: FoundMap[Any] | None) -> Any:
    """What fills it: the map, with the mask of the finding and one draw of a control marked."""
    if found is None or found.map.unit == WEIGHT:  # of which there are too many to be seen
        return pictures.drawn(None, "")
    rival = map_control(found.map, found.top, found.settings.seed)
    said = say_map(found.map, found.top, rival)
    return pictures.drawn(figures.unit_map(found.map, found.top, rival), said)


def clicked(found: FoundMap[Any] | None, event: gr.SelectData) -> Any:
    """The name of the unit that was meant; the one of the highest score near the click."""
    if found is None or not isinstance(event.index, (list, tuple)):
        return gr.skip()
    width, height = figures.size_of(found.map)
    x, y = (at / (SHARP * size) for at, size in zip(event.index, (width, height), strict=True))
    unit = figures.unit_at(found.map, x, y, REACH)
    return gr.skip() if unit is None else unit_name(found.map, unit)
