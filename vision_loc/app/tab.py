"""The Faces and Try it pages of the browser app: find the units, look at them, do without them.

Each handler calls the functions of the command line and puts what they return on the page. Models
are shared between visitors and held by one event at a time; what belongs to a visitor (the map,
the folder of the run) lives in the session's state. Hooks are attached inside an event only.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from browser import fragments
from browser.address import Remembered
from browser.events import BAR, told
from browser.outcome import outcome
from browser.page import Page
from browser.running import Running, shown_run, start_with, starters
from common.report.sections import galleries
from common.report.tables import losers
from common.study.listing import runs_of
from common.study.results import load_results
from vision_loc.app import tab_try, tab_units
from vision_loc.app.visit import DEMO, OFFER, SHIPPED, STEPS, Found, found_in, phantom_found
from vision_loc.experiment import FRONT
from vision_loc.gallery import CHANGED


def build() -> Page:
    """Put the pages into the tabs that are open."""
    with gr.Tab("Faces", id="faces") as faces:
        found = gr.State(None, time_to_live=6 * 3600)
        fields, asked, unit = _faces_page(found)
    with gr.Tab("Try it", id="try") as trying:
        percent = tab_try.build(found, trying)
    tabs, controls = {"faces": faces, "try": trying}, {**fields, "percent": percent}
    controls |= {"run": asked, "at": unit}
    remembered = Remembered(
        tabs,
        controls,
        OFFER.here,
        OFFER.choices_beside,
        {"run": lambda: runs_of(FRONT.program)},
        free=["at"],
    )
    form = [*fields.values()]
    return Page(
        "faces", form, found, FRONT.program, OFFER.fill, found_in, remembered, asked, phantom_found
    )


def run_demo(request: gr.Request | None = None, progress: gr.Progress = BAR) -> list[Any]:
    """The first visitor's button: the whole experiment on the phantom."""
    return RUNNING.show(DEMO, request, progress)


@told
def run_chosen(
    model: str,
    localizer: str,
    evaluation: str,
    statistic: str,
    score: str,
    kind: str,
    unit: str,
    controls: str,
    exclude_massive: str,
    ablation: str,
    untrained_seeds: str,
    items: str,
    measure: str,
    doses: list[str],
    seed: float | None,
    request: gr.Request | None = None,
    progress: gr.Progress = BAR,
) -> list[Any]:
    """The experiment with the settings of the form."""
    settings = OFFER.chosen(
        doses, seed, model=model, localizer=localizer, evaluation=evaluation, statistic=statistic,
        score=score, kind=kind, unit=unit, controls=controls, exclude_massive=exclude_massive,
        ablation=ablation, untrained_seeds=untrained_seeds, items=items, measure=measure,
    )  # fmt: skip
    return RUNNING.show(settings, request, progress)


def lost_html(found: Found) -> str:
    """What is no longer recognised, as the report has it: pictures, and the classes of most."""
    changed = [each for each in galleries(found.folder) if each["heading"] == CHANGED]
    return "".join(map(fragments.gallery, changed)) + _lost_classes(found)


def _lost_classes(found: Found) -> str:
    results = load_results(found.folder)
    rows = losers(results, found.folder)
    if not rows:
        return fragments.note("No class lost a picture under the top mask.")
    heads = ("class", "group", "pictures", "intact %", "ablated %", "matched controls %")
    return "<h2>Classes that lost most</h2>" + fragments.table(
        heads,
        [
            [row[name] for name in ("name", "group", "n", "intact", "ablated", "controls")]
            for row in rows
        ],
        f"Under the top {results.headline_percent:g} %, by the number of pictures lost. Chosen "
        "after the fact, so no p is given.",
    )


def _faces_page(found: gr.State) -> tuple[dict[str, Any], gr.Textbox, gr.Textbox]:
    gr.HTML(
        "<div class='fl-intro'><p>Show a model faces and objects, find the units that prefer "
        "faces, ablate them, and see what the model can no longer recognise, beside equally loud "
        "units of the same layers. The phantom is a small model with a face area that was built "
        "in, so the right answer is known.</p></div>"
    )
    made = starters(OFFER, "faces")
    with gr.Column(elem_classes=["fl-result"]):
        whose = shown_run("faces", SHIPPED.heading)
        places = outcome(SHIPPED)
        lost = gr.HTML(elem_id="face-lost")
        unit = tab_units.PAGES.build(found, made.stop, phantom_found())
    start_with(
        made, OFFER, FRONT, run_demo, run_chosen, [found, *places.all, lost],
        finding=places.finding, shown=whose, reopen=RUNNING.reopen,
        filled=lambda: OFFER.fill_if_offered(vars(DEMO)),
    )  # fmt: skip
    return made.fields, whose.asked, unit


RUNNING = Running(
    front=FRONT,
    steps=STEPS,
    looking="Loading the model and looking at the pictures",
    found_in=found_in,
    more=lambda found: [lost_html(found)],
    none=[""],
    filled=OFFER.filled,
)
