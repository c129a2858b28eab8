"""Units by layer on the Faces page: a layer, its selected units, and a page for each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
from PIL import Image

from browser import pictures
from browser.alone import alone_button, shown_alone, start_alone
from browser.events import BAR, QUIET, VISITORS, session_of, told
from common import figures, unit_fragments
from common.errors import MaskError
from common.masks import units_mask
from common.one_unit import site_named, unit_ranked, units_at
from common.unit_fragments import MOST_UNITS
from common.units import Site
from vision_loc.experiment import FRONT
from vision_loc.unit import Answers, answers
from vision_loc.visit import MODELS, STEPS, Found

SHOWN = 6  # pictures on either side


@dataclass(frozen=True, eq=False)
class Opened:
    """The layer, and the unit of it, that a visitor looks at.

    Attributes
    ----------
    map : str
        Fingerprint of the map that they belong to.
    site : Site
        The layer.
    answers : Answers or None
        What its listed units answered, once one of them was opened.
    unit : int or None
        The unit, as an index into the map.
    """

    map: str
    site: Site
    answers: Answers | None = None
    unit: int | None = None


def build(found: gr.State, stop: gr.Button) -> None:
    """Lay out the section.

    Parameters
    ----------
    found : gr.State
        The visitor's own map; the section is filled whenever it changes.
    stop : gr.Button
        Stops what takes long here, too.
    """
    opened = gr.State(None, time_to_live=6 * 3600)
    with gr.Column(visible=False, elem_id="units-by-layer") as section:
        gr.HTML(
            "<h2>Units by layer</h2><p class='fl-note'>Choose a layer to see its units in the "
            "mask, and a unit to see what it answers to.</p>"
        )
        layers = gr.Radio(
            [], label="Layer", elem_id="face-layers",
            info="The layers that have units in the mask, in running order, and how many.",
        )  # fmt: skip
        listed = gr.HTML(elem_id="face-listed")
        units = gr.Radio(
            [], label="Unit", visible=False, elem_id="face-units",
            info="Units of the layer by falling t; choose one to see its responses.",
        )  # fmt: skip
        facts = gr.HTML(elem_id="unit-facts")
        with gr.Row():
            spread = pictures.place("Responses of the unit", "unit-responses")
            with gr.Column(min_width=320):
                most, least = (
                    gr.Gallery(
                        label=f"Pictures of the localizer that drive it {word}", columns=3,
                        height="auto", object_fit="contain", interactive=False, visible=False,
                        buttons=["download"], elem_id=f"{word}-driving", elem_classes=["fl-few"],
                    )
                    for word in ("most", "least")
                )  # fmt: skip
        ablate = alone_button()
        effect = gr.HTML(elem_id="unit-effect")
    page = [facts, spread, most, least, ablate, effect]
    found.change(list_layers, found, [section, layers, listed, units, *page, opened], **QUIET)
    layers.input(
        pick_layer, [layers, found], [listed, units, *page, opened], show_progress="hidden",
        api_name="layer",
    )  # fmt: skip
    units.input(
        pick_unit, [units, found, opened], [*page, opened], concurrency_limit=1,
        concurrency_id="run", show_progress_on=facts, api_name="unit",
    )  # fmt: skip
    start_alone(ablate, ablate_alone, [found, opened], effect, stop, api_name="alone")


EMPTY: list[Any] = [
    "",
    gr.Image(visible=False),
    gr.Gallery(visible=False),
    gr.Gallery(visible=False),
    gr.Button(visible=False),
    "",
]


def list_layers(found: Found | None) -> list[Any]:
    """The layers that have units in the mask, in running order."""
    if found is None:
        return [gr.Column(visible=False), gr.Radio([]), "", gr.Radio(visible=False), *EMPTY, None]
    layers = gr.Radio(unit_fragments.layer_choices(found.top), value=None)
    return [gr.Column(visible=True), layers, "", gr.Radio([], visible=False), *EMPTY, None]


@told
def pick_layer(name: str | None, found: Found | None) -> list[Any]:
    """The selected units of a layer; its name is compared with those of the map."""
    if found is None:
        raise MaskError("there is no map yet; run something first")
    site = site_named(found.map, name)
    every = units_at(found.map, found.top, site)
    rows = every[:MOST_UNITS]
    listed = unit_fragments.units_table(rows, len(every))
    units = gr.Radio(unit_fragments.unit_choices(rows), value=None, visible=True)
    return [listed, units, *EMPTY, Opened(found.map.fingerprint, site)]


@told
def pick_unit(
    rank: str | None,
    found: Found | None,
    opened: Opened | None,
    request: gr.Request | None = None,
    progress: gr.Progress = BAR,
) -> list[Any]:
    """The page of a unit: its numbers, responses and pictures."""
    if found is None or opened is None or opened.map != found.map.fingerprint:
        raise MaskError("no layer is open; choose one first")
    listed = units_at(found.map, found.top, opened.site)[:MOST_UNITS]
    row = unit_ranked(listed, rank)
    unit, known = row.unit, opened.answers
    if known is None:
        mask = units_mask(found.map, [each.unit for each in listed])
        session = session_of(request)
        show = VISITORS.follow(session, progress, STEPS)
        with VISITORS.expecting(session), MODELS.held(found.settings) as model:
            known = answers(model, found.settings, found.map, mask, show)
    said = f"{row.title}: t = {row.t:.1f}, d′ = {row.d_prime:.2f}"
    figure = figures.unit_responses(known.of(unit), known.conditions, known.target, said)
    most, least = known.extremes(unit, SHOWN)
    return [
        unit_fragments.unit_facts(row, found.map.n_units),
        pictures.drawn(figure, f"Histograms of the responses of {said}."),
        gr.Gallery(_captioned(known, unit, most), visible=True),
        gr.Gallery(_captioned(known, unit, least), visible=True),
        gr.Button(visible=True),
        "",
        Opened(opened.map, opened.site, known, unit),
    ]


def _captioned(known: Answers, unit: int, numbers: list[int]) -> list[tuple[Image.Image, str]]:
    responses = known.of(unit)
    return [
        (known.pictures[i].open(), f"{known.pictures[i].condition}: {responses[i]:.3g}")
        for i in numbers
    ]


@told
def ablate_alone(
    found: Found | None,
    opened: Opened | None,
    request: gr.Request | None = None,
    progress: gr.Progress = BAR,
) -> str:
    """The effect of ablating the opened unit and nothing else, beside equally loud ones."""
    if found is None or opened is None or opened.unit is None:
        raise MaskError("no unit is open; choose a layer and one of its units first")
    return shown_alone(
        FRONT, MODELS, found.settings, found.map, opened.unit, request, progress, STEPS
    )
