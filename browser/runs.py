"""The Runs page: all run folders of both front ends, opened, compared, repeated, deleted.

A run is chosen by its name in the list that the server made; no name is ever made into a path.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any

import gradio as gr

from browser import fragments, naming, pictures
from browser.address import LONGEST, Remembered
from browser.events import HIDDEN, QUIET, told
from browser.outcome import FILES, downloads, files_of
from browser.page import Page
from common.base.errors import FunclocError, SettingError
from common.effects.results import Results
from common.report import figures
from common.report.draws import adjusted_effects
from common.report.sections import say_adjusted, say_doses
from common.study.comparison import compare, outcomes
from common.study.listing import (
    ORDERS,
    Entry,
    delete_run,
    file_of,
    finished_run,
    list_runs,
    run_named,
    wanted,
)
from common.study.results import load_results
from common.study.side_by_side import side_by_side
from common.study.verbs import report_again

FOREST = (
    "The adjusted effect of each run that is compared, with its 95 % interval; a full mark is "
    "evidence. Where only the models differ, the mean over them stands beneath."
)
LOOK_EVERY = 5  # seconds between looks for runs that others, or the command line, have added


def build(demo: gr.Blocks, tabs: gr.Tabs, pages: Sequence[Page], may_delete: bool) -> Remembered:
    """Put the page into the tabs that are open.

    Parameters
    ----------
    demo : gr.Blocks
        The app that is being built.
    tabs : gr.Tabs
        Its tabs, to lead to a front end's page.
    pages : sequence of Page
        The front ends' pages, to which runs are handed.
    may_delete : bool
        Whether a visitor may delete runs; where strangers come in they may not.

    Returns
    -------
    Remembered
        The runs that are open, for the address.
    """
    with gr.Tab("Runs", id="runs") as tab:
        seen = gr.State("")
        with gr.Row():
            words = gr.Textbox(
                label="Show runs with", placeholder="a model, localizer, outcome or any word",
                elem_id="filter", min_width=240, scale=3, max_length=LONGEST,
                info="Runs that hold all of these words are listed; all can be chosen below.",
            )  # fmt: skip
            order = gr.Dropdown(
                [(said, name) for name, said in ORDERS.items()], value="newest", label="Sorted",
                elem_id="order", min_width=180, scale=2, info="How the list is ordered.",
            )  # fmt: skip
        table = gr.HTML(elem_id="runs")
        with gr.Row():
            chosen = gr.Dropdown(
                [], value=None, label="Run", elem_id="run", min_width=300,
                info="Choosing one opens its report here, and all of it on the page that made it.",
            )  # fmt: skip
            rival = gr.Dropdown(
                [], value=None, label="Compare with", elem_id="rival", min_width=300,
                info="A second finished run, to see both side by side.",
            )  # fmt: skip
            others = gr.Dropdown(
                [], value=[], label="And these", multiselect=True, elem_id="others", min_width=300,
                info="Any number of finished runs, for one table and one forest plot of them all.",
            )  # fmt: skip
        with gr.Row():
            again = gr.Button("Repeat with these settings", size="sm", interactive=False, scale=4)
            delete = gr.Button(
                "Delete …",
                size="sm",
                variant="stop",
                interactive=False,
                visible=may_delete,
                min_width=110,
            )
        with gr.Group(visible=False, elem_id="question") as question:
            asking = gr.HTML(padding=True)
            with gr.Row():
                yes = gr.Button("Yes, delete it", size="sm", variant="stop")
                no = gr.Button("Keep it", size="sm")
        row, files = downloads()
        called = naming.place(may_delete)
        compared = gr.HTML(elem_id="compared")
        with gr.Row():
            curves = [
                pictures.place("Dose curve of the first run"),
                pictures.place("Dose curve of the second"),
            ]
        together = gr.HTML(elem_id="together")
        plot = pictures.place("Adjusted effects of all that are compared", "forest")
        frame = gr.HTML(elem_id="report")
    listed = [seen, table, chosen, rival, others]
    kept = [seen, chosen, rival, others, words, order]
    states = [page.found for page in pages]
    forms = [[page.asked, *page.form] for page in pages]
    opened = [frame, row, *files, again, delete, question, *states, *itertools.chain(*forms)]
    beside = [compared, *curves]
    looking = gr.Timer(LOOK_EVERY)
    demo.load(refresh, None, listed, **HIDDEN, queue=False, api_name="runs")
    for trigger in (tab.select, looking.tick):
        trigger(look_again, kept, listed, queue=False, **QUIET)
    for trigger in (words.change, order.change):
        trigger(told(look_again), kept, listed, queue=False, **QUIET)
    chosen.change(
        told(partial(open_run, pages=pages)), chosen, opened, api_name="open",
        show_progress_on=frame,
    )  # fmt: skip
    if may_delete:
        naming.follow(called, chosen, frame, _report, look_again, kept, listed)
    gr.on(
        [chosen.change, rival.change], told(compare_runs), [chosen, rival], beside,
        api_name="compare", show_progress_on=compared,
    )  # fmt: skip
    gr.on(
        [chosen.change, rival.change, others.change], told(compare_all), [chosen, rival, others],
        [together, plot], api_name="compare_all", show_progress_on=together,
    )  # fmt: skip
    again.click(
        told(partial(repeat, pages=pages)), chosen,
        [tabs, *(each for page in pages for each in page.form)], api_name="repeat",
        show_progress_on=frame,
    )  # fmt: skip
    if may_delete:
        delete.click(ask, chosen, [question, asking], queue=False, **QUIET)
        no.click(lambda: gr.Group(visible=False), None, question, queue=False, **QUIET)
        yes.click(
            told(delete_chosen),
            chosen,
            [*listed, question],
            api_name="delete",
            show_progress_on=table,
        )
    here = {"run": lambda: _names(list_runs()), "rival": lambda: _finished(list_runs())}
    return Remembered({"runs": tab}, {"run": chosen, "rival": rival}, here)


# --- the list ---


def refresh() -> list[Any]:
    """The list, and the names to choose from."""
    return look_again("", None, None)


def look_again(
    seen: str,
    chosen: str | None,
    rival: str | None,
    others: Sequence[str] | None = None,
    words: str = "",
    order: str = "newest",
) -> list[Any]:
    """The list, if it is another than the one that was seen; what was chosen stays so.

    Parameters
    ----------
    seen : str
        What was seen.
    chosen, rival, others : names of runs
        What was chosen to open, and to compare it with.
    words, order : str
        Which runs are listed, and in which order; all can be chosen.

    Returns
    -------
    list
        What has now been seen, the list, and the names to choose from for either run and for more.
    """
    words, order = words or "", order or "newest"  # as long as the page has not been opened
    entries = list_runs()
    known = [(entry.name, entry.finished, entry.called) for entry in entries]
    state = f"seen {words!r} {order} {known}"
    if state == seen:
        return [gr.skip()] * 5
    finished = _finished(entries)
    choices = _choice(_names(entries), chosen), _choice(finished, rival)
    listed = fragments.runs(wanted(entries, words, order), order, len(entries))
    return [state, listed, *choices, _choices(finished, others)]


def _names(entries: Sequence[Entry]) -> list[tuple[str, str]]:
    """Labels and names of all runs."""
    return [
        (_label(entry) if entry.finished else f"{_label(entry)} ({entry.verdict})", entry.name)
        for entry in entries
    ]


def _label(entry: Entry) -> str:
    return f"{entry.called.name} ({entry.name})" if entry.called.name else entry.name


def _finished(entries: Sequence[Entry]) -> list[tuple[str, str]]:
    """Those that can be compared; one of several maps has another kind of result."""
    return _names([entry for entry in entries if entry.finished and not entry.several])


def _choice(names: list[tuple[str, str]], value: str | None) -> Any:
    if value is None:
        return gr.Dropdown(choices=names)  # left alone: a link may be about to choose one
    there = any(name == value for _, name in names)
    return gr.Dropdown(choices=names, value=value if there else None)


def _choices(names: list[tuple[str, str]], values: Sequence[str] | None) -> Any:
    there = {name for _, name in names}
    chosen = [each for each in values or () if each in there]
    return gr.Dropdown(choices=names, value=chosen, multiselect=True)


# --- one run ---


def open_run(name: str | None, pages: Sequence[Page]) -> list[Any]:
    """A run's report and files, the buttons that concern it, and the front ends' states.

    Raises
    ------
    RunError
        If the list has no such run.
    """
    closed = gr.Group(visible=False)
    if not name:
        off, no_files = gr.Button(interactive=False), [gr.skip()] * len(FILES)
        kept = [gr.skip()] * sum(2 + len(page.form) for page in pages)
        return ["", gr.Row(visible=False), *no_files, off, off, closed, *kept]
    entry = run_named(name)
    states = [_state(page, entry) for page in pages]
    forms = [update for page in pages for update in _asked(page, entry)]
    on = gr.Button(interactive=True)
    row = gr.Row(visible=entry.finished)
    return [_report(entry), row, *files_of(entry.folder), on, on, closed, *states, *forms]


def _report(entry: Entry) -> str:
    report = file_of(entry.folder, "report.html")  # of a map alone, too
    if report is None and not entry.finished:
        return fragments.note(f"{entry.verdict.capitalize()}: repeat it, and it goes on.")
    report = report or report_again(entry.folder)
    return fragments.report_frame(entry.name, report.read_text(encoding="utf-8"))


def _state(page: Page, entry: Entry) -> Any:
    if page.front != entry.front or entry.several:
        return gr.skip()
    try:
        return page.open(entry.folder)
    except FunclocError:
        return gr.skip()  # it has no map yet, or its data are gone; the report shows all the same


def _asked(page: Page, entry: Entry) -> list[Any]:
    """The run's name, for its own page to show it, and its settings, if the form can say them."""
    if page.front != entry.front or entry.several:
        return [gr.skip()] * (1 + len(page.form))
    try:
        return [entry.name, *page.fill(entry.settings)]
    except FunclocError:
        return [entry.name, *[gr.skip()] * len(page.form)]


def repeat(name: str | None, pages: Sequence[Page]) -> list[Any]:
    """Lead to the front end's page, its form filled with the run's settings.

    Raises
    ------
    RunError
        If the list has no such run.
    SettingError
        If the form cannot say its settings; the message has the command that can.
    """
    entry = run_named(name)
    if entry.several:
        raise SettingError(
            f"{entry.name}: is a {entry.several}; repeat it by the command at the end of its report"
        )
    page = next((each for each in pages if each.front == entry.front), None)
    if page is None:
        raise SettingError(f"{entry.name}: no page here is of {entry.front or 'its program'}")
    filled = page.fill(entry.settings)
    updates = [
        update
        for each in pages
        for update in (filled if each is page else [gr.skip()] * len(each.form))
    ]
    return [gr.Tabs(selected=page.id), *updates]


# --- two runs ---


def compare_runs(name: str | None, rival: str | None) -> list[Any]:
    """Findings, effects and settings of two finished runs side by side, and their dose curves.

    Raises
    ------
    RunError
        If the list lacks one of them, or it is not finished.
    """
    if not name or not rival:
        return ["", gr.Image(visible=False), gr.Image(visible=False)]
    entries = [finished_run(name), finished_run(rival)]
    one, two = (load_results(entry.folder) for entry in entries)
    page = fragments.side_by_side(
        [
            (entry.name, fragments.finding(found))
            for entry, found in zip(entries, (one, two), strict=True)
        ]
    )
    names = [entry.name for entry in entries]
    page += fragments.comparison(outcomes(one, two), names, "What was found")
    page += fragments.comparison(compare(*entries), names, "With which settings")
    return [page, *map(_curve, entries, (one, two))]


def _curve(entry: Entry, results: Results) -> Any:
    if len(results.doses) > 1:
        return pictures.drawn(figures.dose_curve(results), say_doses(results))
    effects = adjusted_effects(entry.folder, results)
    return pictures.drawn(figures.adjusted(results, effects), say_adjusted(results))


# --- any number of runs ---


def compare_all(name: str | None, rival: str | None, others: Sequence[str] | None) -> list[Any]:
    """All chosen runs as one table, what makes them hard to compare, and their forest plot.

    Raises
    ------
    RunError
        If the list lacks one of them, or it is not finished.
    """
    named = [*dict.fromkeys(each for each in (name, rival, *(others or ())) if each)]
    if not others or len(named) < 2:
        return ["", gr.Image(visible=False)]
    sides = side_by_side([finished_run(each).folder for each in named])
    drawn = figures.forest(sides.named, sides.pooled, sides.apart)
    return [fragments.together(sides), pictures.drawn(drawn, FOREST)]


# --- deleting ---


def ask(name: str | None) -> list[Any]:
    """The question before a run is deleted."""
    words = f"Delete the run {name} and all files in its folder? This cannot be undone."
    return [gr.Group(visible=bool(name)), fragments.note(words)]


def delete_chosen(name: str | None) -> list[Any]:
    """Delete a run of the list, and show the list without it."""
    delete_run(name)
    return [*look_again("", name, name), gr.Group(visible=False)]
