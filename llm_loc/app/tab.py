"""The Language page of the browser app: find the units, and see what is lost without them.

Each handler calls the functions of the command line and puts what they return on the page. What
belongs to a visitor (the map, the folder of the run) lives in the session's state; models are
shared. Hooks are attached inside an event only.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from browser import fragments, pictures
from browser.address import Remembered
from browser.events import BAR, told
from browser.outcome import outcome
from browser.page import Page
from browser.running import Running, shown_run, start_with, starters
from common.effects.results import Results
from common.report import figures, tables
from common.report.parts import profile_of
from common.report.sections import say_lost, say_profile
from common.study.listing import runs_of
from common.study.results import load_results
from llm_loc.app import tab_units, tab_write
from llm_loc.app.visit import (
    DEMO,
    OFFER,
    SHIPPED,
    STEPS,
    Found,
    found_in,
    phantom_found,
    writers,
)
from llm_loc.experiment import FRONT

MOST_PARTS = 20


def build() -> Page:
    """Put the page into the tabs that are open."""
    with gr.Tab("Language", id="language") as tab:
        found = gr.State(None, time_to_live=6 * 3600)
        fields, asked, unit = _language_page(found)
        spoken = tab_write.build(found)
    tabs, controls = {"language": tab}, {**fields, **spoken}
    controls |= {"run": asked, "at": unit}
    remembered = Remembered(
        tabs, controls, {**OFFER.here, "writer": writers},
        lambda values: {**OFFER.choices_beside(values), "writer": writers()},
        {"run": lambda: runs_of(FRONT.program)}, ["at"],
    )  # fmt: skip
    form = [*fields.values()]
    return Page(
        "language", form, found, FRONT.program, OFFER.fill, found_in, remembered, asked,
        phantom_found,
    )  # fmt: skip


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
    controls: str,
    exclude_massive: str,
    ablation: str,
    untrained_seeds: str,
    items: str,
    match: str,
    doses: list[str],
    seed: float | None,
    request: gr.Request | None = None,
    progress: gr.Progress = BAR,
) -> list[Any]:
    """The experiment with the settings of the form."""
    settings = OFFER.chosen(
        doses, seed, model=model, localizer=localizer, evaluation=evaluation, statistic=statistic,
        score=score, kind=kind, controls=controls, exclude_massive=exclude_massive,
        ablation=ablation, untrained_seeds=untrained_seeds, items=items, match=match,
    )  # fmt: skip
    return RUNNING.show(settings, request, progress)


def language_parts(found: Found) -> list[Any]:
    """What only a language run has: response profile, what was lost most, all numbers."""
    results = load_results(found.folder)
    numbers = [*tables.breakdown(results), *tables.perplexity(results)]
    numbers += tables.profile(found.folder)
    return [
        gr.Column(visible=True),
        _profile(found),
        _lost_most(results),
        "".join(map(fragments.report_table, numbers)),
    ]


def _profile(found: Found) -> Any:
    answered = profile_of(found.folder)
    if answered is None:
        return pictures.drawn(None, "")
    return pictures.drawn(figures.response_profile(answered), say_profile(answered))


def _lost_most(results: Results) -> Any:
    """The parts that lost most, of the finest level that a figure can show."""
    levels = results.lost_parts()
    fit = [level for level, parts in levels.items() if 1 < len(parts) <= MOST_PARTS]
    if not fit:
        return pictures.drawn(None, "")
    parts = levels[fit[-1]]
    return pictures.drawn(figures.lost_parts(parts), say_lost(fit[-1], parts))


def _language_page(found: gr.State) -> tuple[dict[str, Any], gr.Textbox, gr.Textbox]:
    gr.HTML(
        "<div class='fl-intro'><p>Let a model read sentences and strings of non-words, find the "
        "units that prefer sentences, ablate them, and see which grammar it loses, beside equally "
        "loud units of the same layers. Then let it write without them. The phantom is a small "
        "model of an invented grammar with a language area that was built in, so the right answer "
        "is known; phantom/lm-plain has none.</p></div>"
    )
    made = starters(OFFER, "language")
    with gr.Column(elem_classes=["fl-result"]):
        whose = shown_run("language", SHIPPED.heading)
        places = outcome(SHIPPED, "language-")
        with gr.Column(visible=False) as ours:
            with gr.Row():
                profile = pictures.place("Response profile", "profile")
                worst = pictures.place("What lost most", "worst")
            with gr.Accordion("All numbers: losses by part, perplexity, responses", open=False):
                numbers = gr.HTML(elem_id="lost")
        unit = tab_units.PAGES.build(found, made.stop, phantom_found())
    outputs = [found, *places.all, ours, profile, worst, numbers]
    start_with(
        made, OFFER, FRONT, run_demo, run_chosen, outputs, finding=places.finding, shown=whose,
        reopen=RUNNING.reopen, filled=lambda: OFFER.fill_if_offered(vars(DEMO)), suffix="_language",
    )  # fmt: skip
    return made.fields, whose.asked, unit


RUNNING = Running(
    front=FRONT,
    steps=STEPS,
    looking="Loading the model and looking at the texts",
    found_in=found_in,
    more=language_parts,
    none=[gr.Column(visible=False), *[gr.skip()] * 3],
    filled=OFFER.filled,
)
