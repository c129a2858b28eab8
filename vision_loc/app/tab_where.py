"""Where, on the Try it page: where units answer, and what each part of a picture does.

Asked for by a button: it takes a pass for the masked units, and for the parts a pass for every
square under every mask. After that any one unit can be asked for by its name, which takes a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np

from browser import fragments, pictures
from browser.events import QUIET, told
from common.base.errors import DataError, SettingError
from common.base.heavy import torch
from common.measure.masks import Mask, top_percent, units_mask
from common.measure.sites import WEIGHT
from common.measure.where import Where, answers_by_place
from common.report import figures
from common.study.single_unit import describe_unit
from common.study.unit_names import unit_named
from vision_loc.app.look import Look
from vision_loc.app.visit import MODELS, Found
from vision_loc.models import VisionModel
from vision_loc.occlude import SQUARES, Occlusion, occlusion

EVERY = "all layers together"
NAMES = ("top units", "matched units")
MOST = 3  # squares that are named


@dataclass(frozen=True, eq=False)  # held in a session, which asks for a hash
class Places:
    """Where the units of the masks answer to a picture.

    Attributes
    ----------
    pixels : array of uint8 of shape (3, H, W)
        The picture, as the model sees it.
    by_mask : dict of str to Where
        By what each mask is called on the page.
    """

    pixels: np.ndarray
    by_mask: dict[str, Where]

    @property
    def layers(self) -> list[str]:
        """What can be shown: all layers together, and those of the top mask."""
        own = [*self.by_mask.values()][:1]
        return [EVERY, *map(str, own[0].maps)] if own and own[0].maps else []

    def of(self, layer: str) -> dict[str, np.ndarray]:
        """The maps of one layer, or of all of them together, by mask."""
        size: tuple[int, int] = self.pixels.shape[1:]
        if layer == EVERY:
            return {name: where.whole(size) for name, where in self.by_mask.items()}
        found = {
            name: values
            for name, where in self.by_mask.items()
            for site, values in where.maps.items()
            if str(site) == layer
        }
        if not found:
            raise SettingError(f"{layer[:80]}: no layer of the mask; choose one of the list")
        return found


def build(
    held: gr.State, percent: gr.Slider, found: gr.State, anew: Sequence[Callable[..., Any]]
) -> None:
    """Lay out the section.

    Parameters
    ----------
    held : gr.State
        The picture that the visitor looks at, with its look.
    percent : gr.Slider
        Share of all units to ablate.
    found : gr.State
        The visitor's own map.
    anew : sequence of events
        Whatever makes what is shown here out of date.
    """
    places = gr.State(None, time_to_live=3600)
    ask = gr.Button("Where in the picture?", elem_id="where", size="sm")
    said = gr.HTML(elem_id="where-said")
    with gr.Row():
        layer = gr.Dropdown(
            [], label="Layer", visible=False, elem_id="where-layer",
            info="Of the masked units whose answers are mapped.",
        )  # fmt: skip
        one = gr.Textbox(
            label="One unit", visible=False, elem_id="where-unit", max_length=200, max_lines=1,
            info="Alone, masked or not: LAYER/NUMBER, as the map tells it, or #RANK as in #1; then "
            "Enter.",
        )  # fmt: skip
    with gr.Row():
        answers = pictures.place("Where the units answer", "where-answers")
        changes = pictures.place("What hiding each part does", "where-changes")
    shown = [said, layer, one, answers, changes, places]
    ask.click(
        where, [held, percent, found], shown, concurrency_limit=1, concurrency_id="look",
        show_progress_on=said, api_visibility="private",
    )  # fmt: skip
    layer.input(show_layer, [layer, places], answers, **QUIET)
    one.submit(
        show_unit, [one, held, found], answers, concurrency_limit=1, concurrency_id="look",
        show_progress_on=answers, api_visibility="private",
    )  # fmt: skip
    gr.on(anew, forget, None, shown, queue=False, **QUIET)


def forget() -> list[Any]:
    """Nothing is shown: the picture or the mask is another one."""
    hidden = [gr.Dropdown(visible=False), gr.Textbox("", visible=False)]
    return ["", *hidden, *[pictures.drawn(None, "")] * 2, None]


@told
def where(held: Any, percent: float, found: Found | None) -> list[Any]:
    """Where the masked units answer to the picture, and what each of its squares does."""
    found = _looked_at(held, found)
    masks = {NAMES[0]: top_percent(found.map, percent)}
    rival, problem = found.matched(percent)
    if rival is not None:
        masks[NAMES[1]] = rival
    with MODELS.held(found.settings, found.map) as model:
        placed = {} if found.map.unit == WEIGHT else masks  # a weight answers to nothing
        places = places_of(model, held.look, placed, found)
        seen = occlusion(
            model, held.look.pixels, [None, *masks.values()], by=found.by, found=found.map
        )
    layers = places.layers
    words = [say_occlusion(seen, found), _nowhere(places), problem]
    return [
        fragments.note(" ".join(filter(None, words))),
        gr.Dropdown(layers, value=EVERY if layers else None, visible=len(layers) > 2),
        gr.Textbox("", visible=found.map.unit != WEIGHT),
        show_layer(EVERY, places) if layers else pictures.drawn(None, ""),
        _changes(seen, places, found),
        places,
    ]


def _looked_at(held: Any, found: Found | None) -> Found:
    """The map that the picture was looked at with."""
    if held is None or found is None or held.map != found.map.fingerprint:
        raise DataError("there is no picture yet; choose one above first")
    return found


@told
def show_unit(name: str | None, held: Any, found: Found | None) -> Any:
    """Where in the picture one unit answers, whether a mask has it or not."""
    found = _looked_at(held, found)
    row = describe_unit(found.map, unit_named(found.map, name or ""))
    mask = units_mask(found.map, [row.unit])
    with MODELS.held(found.settings, found.map) as model:
        places = places_of(model, held.look, {row.title: mask}, found)
    if not places.layers:
        raise DataError(f"{row.site}: its outputs lie nowhere in the picture, so there is no map")
    figure = figures.answers_over(
        places.pixels, places.of(str(row.site)), "|activation| of the unit, over its loudness"
    )
    most = _spot(places.of(str(row.site))[row.title])
    return pictures.drawn(figure, f"Where in the picture {row.title} answers most: {most}.")


def places_of(model: VisionModel, look: Look, masks: dict[str, Mask], found: Found) -> Places:
    """Where the units of some masks answer, from one pass of the intact model."""
    size: tuple[int, int] = look.pixels.shape[2:]
    beside = getattr(model.module, "num_prefix_tokens", None)
    with ExitStack() as stack:
        passes = {
            name: stack.enter_context(answers_by_place(model.module, mask, found.map, size, beside))
            for name, mask in masks.items()
        }
        with torch.inference_mode():
            model.logits(torch.from_numpy(look.pixels))
    return Places(look.pixels[0], {name: made[0] for name, made in passes.items()})


@told
def show_layer(layer: str | None, places: Places | None) -> Any:
    """The maps of one layer over the picture."""
    if places is None:
        return gr.skip()
    maps = places.of(layer or EVERY)
    label = "mean |activation| of the units, over their loudness in the localizer"
    figure = figures.answers_over(places.pixels, maps, label)
    most = ", ".join(f"{name} at {_spot(values)}" for name, values in maps.items())
    return pictures.drawn(figure, f"Where in the picture units of {layer} answer most: {most}.")


def _spot(values: np.ndarray) -> str:
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    down, across = ((at + 0.5) / n for at, n in zip((row, column), values.shape, strict=True))
    return f"{100 * down:.0f} % from the top and {100 * across:.0f} % from the left"


def _nowhere(places: Places) -> str:
    left = dict.fromkeys(str(site) for each in places.by_mask.values() for site in each.nowhere)
    return f"Without a place in the picture, and so not mapped: {', '.join(left)}." if left else ""


def _changes(seen: Occlusion, places: Places, found: Found) -> Any:
    names = ["intact", *(f"without the {name}" for name in NAMES)]
    maps = dict(zip(names, seen.changes, strict=False))
    answer = _called(seen.answer, found)
    label = f"margin of “{answer}” lost by hiding a square (logits)"
    return pictures.drawn(
        figures.changes_over(places.pixels, maps, label), say_occlusion(seen, found)
    )


def _called(answer: int, found: Found) -> str:
    return found.classes.get(answer, f"class {answer}")


def say_occlusion(seen: Occlusion, found: Found) -> str:
    """What hiding the squares does, in words."""
    told = []
    for name, margin, changes in zip(
        ("intact", "without the top units", "without matched units"),
        seen.margins, seen.changes, strict=False,
    ):  # fmt: skip
        worst = np.argsort(-changes, axis=None, kind="stable")[:MOST]
        squares = ", ".join(
            f"row {place // SQUARES + 1} column {place % SQUARES + 1} ({changes.flat[place]:+.2f})"
            for place in worst.tolist()
        )
        told.append(f"{name} {margin:.2f}, lost most by hiding {squares}")
    return (
        f"Margin of “{_called(seen.answer, found)}”, the intact model’s answer, in logits: "
        f"{'; '.join(told)}; of {SQUARES} × {SQUARES} grey squares."
    )
