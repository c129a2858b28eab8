"""Units by layer: a map of all units, a layer and its units in the mask, a page for every unit.

A unit is opened by a click on the map, from the list of a layer, by its name, or by a link. Both
front ends have the section; what their stimuli look like is all that they bring.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic

import gradio as gr

from browser import chart, fragments, pictures, unit_fragments
from browser.alone import alone_button, shown_alone, start_alone
from browser.events import (
    BAR,
    HIDDEN,
    QUIET,
    VISITORS,
    may_no_longer_stop,
    may_stop,
    session_of,
    told,
    whatever_comes,
)
from browser.found import FoundMap
from browser.unit_fragments import MOST_UNITS
from browser.visitors import Shelf, Stopped
from common.base.errors import MaskError
from common.base.progress import Progress
from common.measure.masks import Mask, units_mask
from common.measure.scores import SelectivityMap
from common.measure.sites import WEIGHT, Site
from common.report import figures
from common.study.front import FrontEnd, Model, S
from common.study.single_unit import (
    Answers,
    UnitRow,
    describe_unit,
    site_named,
    unit_ranked,
    units_at,
)
from common.study.unit_names import is_of, unit_name, unit_named

SHOWN = 6  # stimuli on either side
MOST_KEPT = 4_000_000  # responses of a layer's units that are kept; of more, those of listed ones


@dataclass(frozen=True, eq=False)  # held in a session, which asks for a hash
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
    answers: Answers[Any] | None = None
    unit: int | None = None


@dataclass(frozen=True)
class UnitPages(Generic[Model, S]):
    """The section of one front end.

    Attributes
    ----------
    page, tab : str
        The page that it is on: before the ids of its elements, and as the address has it.
    suffix : str
        After the names of its endpoints.
    front : FrontEnd
        Evaluates.
    models : Shelf
        The front end's.
    steps : mapping of str to str
        What its steps are called.
    answers : callable
        Shows the localizer's stimuli once more, and keeps what a few units answer.
    place : callable
        Lays out the place for the stimuli that drive a unit ``most`` or ``least``, invisible.
    fill : callable
        An update of such a place, visible, of answers, a unit and numbers of stimuli.
    """

    page: str
    tab: str
    suffix: str
    front: FrontEnd[S, Model]
    models: Shelf[S, Model]
    steps: Mapping[str, str]
    answers: Callable[[Model, S, SelectivityMap, Mask, Progress], Answers[Any]]
    place: Callable[[str], Any]
    fill: Callable[[str, Answers[Any], int, list[int]], Any]

    def build(self, found: gr.State, stop: gr.Button, first: FoundMap[S]) -> gr.Textbox:
        """Lay out the section.

        Parameters
        ----------
        found : gr.State
            The visitor's own map; the section is filled whenever it changes.
        stop : gr.Button
            Stops what takes long here, too.
        first : FoundMap
            The map of who has run and opened nothing yet.

        Returns
        -------
        gr.Textbox
            The name of the unit that is open, for the address: another name there opens another.
        """
        opened = gr.State(None, time_to_live=6 * 3600)
        with gr.Column(elem_id=f"{self.page}-units-by-layer") as section:
            gr.HTML(
                "<h2>Units by layer</h2><p class='fl-note'>All units of the model, a row a layer, "
                "by how much more they answer to the target (orange) or to the control (purple). "
                "Click one to see what it answers to, or choose a layer and one of its units in "
                "the mask.</p>"
            )
            shown = chart.place(f"{self.page}-map")
            asked = gr.Textbox(
                "", label="Unit", visible="hidden", elem_id=f"{self.page}-unit",
                info="What was clicked on the map.", elem_classes=["fl-unseen"],
            )  # fmt: skip
            named = gr.Textbox(
                label="Any unit", elem_id=f"{self.page}-named", max_length=200, max_lines=1,
                info="LAYER/NUMBER, as the map tells it, or #RANK as in #12; then Enter.",
            )  # fmt: skip
            layers = gr.Radio(
                unit_fragments.layer_choices(first.top), label="Layer",
                elem_id=f"{self.page}-layers",
                info="The layers that have units in the mask, in running order, and how many.",
            )  # fmt: skip
            listed = gr.HTML(elem_id=f"{self.page}-listed")
            units = gr.Radio(
                [], label="Unit", visible=False, elem_id=f"{self.page}-units",
                info="Units of the layer by falling t; choose one to see its responses.",
            )  # fmt: skip
            facts = gr.HTML(elem_id=f"{self.page}-unit-facts")
            with gr.Row():
                spread = pictures.place("Responses of the unit", f"{self.page}-unit-responses")
                with gr.Column(min_width=320):
                    most, least = self.place("most"), self.place("least")
            ablate = alone_button()
            effect = gr.HTML(elem_id=f"{self.page}-unit-effect")
        unit_page = [facts, spread, most, least, ablate, effect]
        listing = found.change(
            list_layers, found, [section, layers, listed, units, *unit_page, opened], **QUIET
        )
        layers.input(
            pick_layer, [layers, found], [listed, units, *unit_page, opened],
            **HIDDEN, api_name=f"layer{self.suffix}",
        )  # fmt: skip
        # In a queue of its own: a unit of a layer that was read before waits for nobody's run.
        picked = units.input(may_stop, None, stop, queue=False, **QUIET).then(
            self.pick_unit, [units, found, opened], [*unit_page, opened], concurrency_limit=1,
            concurrency_id="unit", show_progress_on=facts, api_name=f"unit{self.suffix}",
        )  # fmt: skip
        whatever_comes(picked, may_no_longer_stop, None, stop)
        start_alone(ablate, self.ablate_alone, [found, opened], effect, stop, f"alone{self.suffix}")
        found.change(chart.drawn, found, shown, **QUIET)
        shown.select(chart.clicked, found, asked, **QUIET)
        named.submit(typed, [named, found], asked, **QUIET)
        picked.success(name_of, [found, opened], asked, **QUIET)
        # A link says the unit before its run has been opened.
        for change in (asked.change, listing.then):
            other = change(may_stop, None, stop, queue=False, **QUIET).then(
                self.open_named, [asked, found, opened],
                [asked, layers, listed, units, *unit_page, opened],
                concurrency_limit=1, concurrency_id="unit", show_progress_on=facts,
                api_visibility="private",
            )  # fmt: skip
            whatever_comes(other, may_no_longer_stop, None, stop)
        return asked

    @told
    def pick_unit(
        self,
        rank: str | None,
        found: FoundMap[S] | None,
        opened: Opened | None,
        request: gr.Request | None = None,
        progress: gr.Progress = BAR,
    ) -> list[Any]:
        """The page of a unit: its numbers, its responses, and the stimuli at both ends."""
        if found is None or opened is None or opened.map != found.map.fingerprint:
            raise MaskError("no layer is open; choose one first")
        listed = units_at(found.map, found.top, opened.site)[:MOST_UNITS]
        return self._page(unit_ranked(listed, rank), found, opened, request, progress)

    @told
    def open_named(
        self,
        name: str | None,
        found: FoundMap[S] | None,
        opened: Opened | None,
        request: gr.Request | None = None,
        progress: gr.Progress = BAR,
    ) -> list[Any]:
        """The layer and the page of a unit by its name; the name of another map's is forgotten."""
        unchanged = [gr.skip()] * (4 + len(EMPTY) + 1)
        if not name or found is None:
            return unchanged
        if not is_of(found.map, name):
            return ["", *unchanged[1:]]
        row = describe_unit(found.map, unit_named(found.map, name))
        site, same = row.site, opened is not None and opened.map == found.map.fingerprint
        if same and opened is not None and opened.unit == row.unit:
            return unchanged
        known = opened.answers if same and opened is not None and opened.site == site else None
        every = units_at(found.map, found.top, site)
        rows = every[:MOST_UNITS]
        own = Opened(found.map.fingerprint, site, known)
        return [
            gr.skip(),
            gr.Radio(value=str(site) if rows else None),
            unit_fragments.units_table(rows, len(every)) if rows else _none_of(site),
            gr.Radio(
                unit_fragments.unit_choices(rows), visible=bool(rows),
                value=str(row.rank) if row.rank in [each.rank for each in rows] else None,
            ),
            *self._page(row, found, own, request, progress),
        ]  # fmt: skip

    def _page(
        self,
        row: UnitRow,
        found: FoundMap[S],
        opened: Opened,
        request: gr.Request | None,
        progress: Any,
    ) -> list[Any]:
        """What a unit's page shows, and what is open then; units of its layer are read once."""
        unit, known = row.unit, opened.answers
        if found.map.unit == WEIGHT:  # which answers to nothing
            facts = unit_fragments.unit_facts(row, found.map.n_units) + self._place_of(row, found)
            page = Opened(opened.map, opened.site, None, unit)
            return [facts, *EMPTY[1:4], gr.Button(visible=True), "", page]
        if known is None or unit not in known.mask.units:
            mask = _read_with(found, opened.site, unit)
            session = session_of(request)
            show = VISITORS.follow(session, progress, self.steps)
            try:
                held = self.models.held(found.settings, found.map)
                with VISITORS.expecting(session), held as model:
                    known = self.answers(model, found.settings, found.map, mask, show)
            except Stopped:
                return [fragments.note("Stopped; choose a unit to go on."), *EMPTY[1:], opened]
        said = f"{row.title}: {row.words.symbol} = {row.words.said(row.score)}"
        if (d_prime := row.told.get("d′")) is not None:
            said += f", d′ = {d_prime:.2f}"
        figure = figures.unit_responses(known.of(unit), known.conditions, known.target, said)
        most, least = known.extremes(unit, SHOWN)
        return [
            unit_fragments.unit_facts(row, found.map.n_units) + self._place_of(row, found),
            pictures.drawn(figure, f"Histograms of the responses of {said}."),
            self.fill("most", known, unit, most),
            self.fill("least", known, unit, least),
            gr.Button(visible=True),
            "",
            Opened(opened.map, opened.site, known, unit),
        ]

    def _place_of(self, row: UnitRow, found: FoundMap[S]) -> str:
        """Whether a unit is in the mask, and the link to its page."""
        name = unit_name(found.map, row.unit)
        return unit_fragments.unit_place(row, found.top, self.tab, found.folder.name, name)

    @told
    def ablate_alone(
        self,
        found: FoundMap[S] | None,
        opened: Opened | None,
        request: gr.Request | None = None,
        progress: gr.Progress = BAR,
    ) -> str:
        """The effect of ablating the opened unit and nothing else, beside equally loud ones."""
        if found is None or opened is None or opened.map != found.map.fingerprint:
            raise MaskError("no layer is open; choose one first")
        if opened.unit is None:
            raise MaskError("no unit is open; choose a layer and one of its units first")
        return shown_alone(
            self.front, self.models, found.settings, found.map, opened.unit, request, progress,
            self.steps,
        )  # fmt: skip


EMPTY: list[Any] = [
    "",
    gr.Image(visible=False),
    gr.update(visible=False),
    gr.update(visible=False),
    gr.Button(visible=False),
    "",
]


def _none_of(site: Site) -> str:
    return fragments.note(f"No unit of {site} is in the mask.")


def _read_with(found: FoundMap[Any], site: Site, unit: int) -> Mask:
    """The units that are read when one of them is opened: all of its layer, or the listed ones."""
    start, stop = found.map.offsets[found.map.sites.index(site) :][:2].tolist()
    if (stop - start) * (found.map.n_target + found.map.n_control) <= MOST_KEPT:
        return units_mask(found.map, range(start, stop))
    listed = units_at(found.map, found.top, site)[:MOST_UNITS]
    return units_mask(found.map, [unit, *(each.unit for each in listed)])


@told
def typed(name: str | None, found: FoundMap[Any] | None) -> str:
    """The name of the unit that was written, as a link has it."""
    if found is None:
        raise MaskError("there is no map yet; run something first")
    return unit_name(found.map, unit_named(found.map, name or ""))


def name_of(found: FoundMap[Any] | None, opened: Opened | None) -> Any:
    """The name of the unit that is open."""
    if found is None or opened is None or opened.unit is None:
        return gr.skip()
    return unit_name(found.map, opened.unit)


def list_layers(found: FoundMap[Any] | None) -> list[Any]:
    """The layers that have units in the mask, in running order."""
    if found is None:
        return [gr.Column(visible=False), gr.Radio([]), "", gr.Radio(visible=False), *EMPTY, None]
    layers = gr.Radio(unit_fragments.layer_choices(found.top), value=None)
    return [gr.Column(visible=True), layers, "", gr.Radio([], visible=False), *EMPTY, None]


@told
def pick_layer(name: str | None, found: FoundMap[Any] | None) -> list[Any]:
    """The selected units of a layer; its name is compared with those of the map."""
    if found is None:
        raise MaskError("there is no map yet; run something first")
    site = site_named(found.map, name)
    every = units_at(found.map, found.top, site)
    if not every:
        raise MaskError(f"{site}: has no unit in the mask; choose a layer of the list")
    rows = every[:MOST_UNITS]
    listed = unit_fragments.units_table(rows, len(every))
    units = gr.Radio(unit_fragments.unit_choices(rows), value=None, visible=True)
    return [listed, units, *EMPTY, Opened(found.map.fingerprint, site)]
