"""Running an experiment from a page: its buttons, the run itself, and what is shown of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import gradio as gr

from browser import fragments
from browser.cost import Cost, foretell, place
from browser.events import (
    QUIET,
    VISITORS,
    SoFar,
    session_of,
    so_far,
    start_run,
    stop_button,
    told,
)
from browser.form import form
from browser.found import FoundMap
from browser.heading import heading, keep_comparing
from browser.history import BEGUN, ENDED, going_on
from browser.offer import Offer
from browser.outcome import Outcome, nothing_shown, shown
from browser.visitors import Stopped
from common.study import verbs as study
from common.study.front import FrontEnd
from common.study.listing import run_named
from common.study.settings import Settings

F = TypeVar("F", bound=FoundMap[Any])


@dataclass(frozen=True)
class Starters:
    """What a visitor starts a run with.

    Attributes
    ----------
    first, go, stop : gr.Button
        The first visitor's; that of the form; the one that stops either.
    fields : dict of str to component
        Of the form.
    cost : Cost
        Says before how long a run takes.
    so_far : SoFar
        Says while it lasts what is known.
    """

    first: gr.Button
    go: gr.Button
    stop: gr.Button
    fields: dict[str, Any]
    cost: Cost
    so_far: SoFar


def starters(offer: Offer[Any], page: str) -> Starters:
    """Lay out the buttons and the form.

    Parameters
    ----------
    offer : Offer
        The front end's.
    page : str
        The page that they are on: before the ids of its elements.
    """
    names = [f"{page}-first", f"{page}-go"]
    gr.HTML("".join(map(going_on, names)))
    with gr.Row():
        first = gr.Button(
            "Show me on the phantom", variant="primary", size="lg", scale=3, elem_id=names[0]
        )
        stop = stop_button()
    words = "Choose model, localizer and doses yourself"
    with gr.Accordion(words, open=False, elem_id=f"{page}-form"):
        fields = form(offer)
        with gr.Row():
            go = gr.Button("Run", variant="secondary", elem_id=names[1], scale=3)
            cost = place(page)
    return Starters(first, go, stop, fields, cost, so_far(f"{page}-so-far"))


@dataclass(frozen=True)
class Shown:
    """Which run a page shows.

    Attributes
    ----------
    head : gr.HTML
        Says so above it.
    asked : gr.Textbox
        Name of the run that it is to show, for the address and the Runs page; out of sight.
    now : gr.State
        Name of the run that it shows.
    """

    head: gr.HTML
    asked: gr.Textbox
    now: gr.State

    @property
    def all(self) -> list[Any]:
        """All of them."""
        return [self.head, self.asked, self.now]


def shown_run(page: str, first: str) -> Shown:
    """Lay out the line above a result.

    Parameters
    ----------
    page : str
        Before the ids of its elements.
    first : str
        What it says in the beginning.
    """
    head = gr.HTML(first, elem_id=f"{page}-head")
    asked = gr.Textbox(
        "", label="Run", info="The run that is shown.", visible="hidden", elem_id=f"{page}-run",
        elem_classes=["fl-unseen"],
    )  # fmt: skip
    return Shown(head, asked, gr.State(""))


@dataclass(frozen=True)
class Running(Generic[F]):
    """A front end's way from settings to what its page shows.

    Attributes
    ----------
    front : FrontEnd
        Runs.
    steps : mapping of str to str
        What its steps are called.
    looking : str
        What it does before the first step.
    found_in : callable
        What a run folder holds, for the page.
    more : callable
        What the page shows besides the :class:`~browser.outcome.Outcome`.
    none : list
        What fills these places where there is no result.
    filled : callable
        A run's settings as values of the form.
    """

    front: FrontEnd[Any, Any]
    steps: Mapping[str, str]
    looking: str
    found_in: Callable[[Path], F]
    more: Callable[[F], list[Any]]
    none: list[Any]
    filled: Callable[[Mapping[str, Any]], list[Any]]

    def find(self, settings: Settings, session: str, bar: Callable[..., Any]) -> F:
        """Run the experiment, or what is left of it, and hand over what it found.

        Raises
        ------
        Stopped
            If the visitor asked for it; the run folder can be resumed.
        """
        with VISITORS.running(session):
            bar(0, desc=self.looking)
            show = VISITORS.follow(session, bar, self.steps)
            _, folder, _ = study.run(self.front, settings, None, show)
        return self.found_in(folder)

    @told
    def show(self, settings: Settings, request: gr.Request | None, bar: Any) -> list[Any]:
        """What was found, for the session, and all that the page shows of it."""
        try:
            found = self.find(settings, session_of(request), bar)
        except Stopped as stopped:
            note = fragments.note(f"{str(stopped).capitalize()}.")
            # The finding alone, the first of the places, changes.
            below = Outcome.n_places() - 1 + len(self.none) + 3
            return [gr.skip(), note, *[gr.skip()] * below]
        return self._all_of(found)

    def _all_of(self, found: F) -> list[Any]:
        name = found.folder.name
        whose = [heading(found.folder, self.filled), name, name]
        return [found, *shown(found.folder), *self.more(found), *whose]

    @told
    def reopen(self, name: str | None, now: str | None) -> list[Any]:
        """The same of a run that was made before, unless the page shows it already.

        Parameters
        ----------
        name, now : str or None
            The run that is asked for, and the one that is shown.

        Raises
        ------
        RunError
            If the list has no such run, or it has no map yet.
        """
        if not name or name == now:
            return [gr.skip()] * (1 + Outcome.n_places() + len(self.none) + 3)
        entry = run_named(name)
        found = self.found_in(entry.folder)
        if entry.finished:
            return self._all_of(found)
        said = f"{entry.verdict.capitalize()}: press Run with these settings, and it goes on."
        whose = [heading(entry.folder, self.filled), name, name]
        return [found, *nothing_shown(said), *self.none, *whose]


def start_with(
    made: Starters,
    offer: Offer[Any],
    front: FrontEnd[Any, Any],
    demo: Callable[..., Any],
    chosen: Callable[..., Any],
    outputs: Sequence[Any],
    *,
    finding: gr.HTML,
    shown: Shown,
    reopen: Callable[..., Any],
    filled: Callable[[], list[Any]],
    suffix: str = "",
) -> None:
    """Let both buttons start, and a run that is asked for be shown.

    Parameters
    ----------
    made : Starters
        The buttons.
    offer, front
        What can be chosen, and who says how long it takes.
    demo, chosen : callable
        Handlers of the first visitor's button and of the form.
    outputs : sequence of components
        Of either, in the order of :meth:`Running.show`, without those of `shown`.
    finding : gr.HTML
        Where the progress is shown.
    shown : Shown
        Which run is shown.
    reopen : callable
        See :meth:`Running.reopen`.
    filled : callable
        Updates of the form to what the first button runs, so that the form says it.
    suffix : str, optional
        After the names of the endpoints.
    """
    for button, handler, inputs, name in (
        (made.first, demo, [], "demo"),
        (made.go, chosen, [*made.fields.values()], "run"),
    ):
        start_run(
            button, handler, inputs, [*outputs, *shown.all], starters=[made.first, made.go],
            stop=made.stop, api_name=f"{name}{suffix}", show_progress_on=finding,
            begun=BEGUN % button.elem_id, ended=ENDED, so_far=made.so_far,
        )  # fmt: skip
    foretell(made.cost, offer, front, made.fields)
    made.first.click(filled, None, [*made.fields.values()], queue=False, **QUIET)
    shown.asked.change(
        reopen, [shown.asked, shown.now], [*outputs, *shown.all], show_progress_on=finding,
        api_visibility="private",
    )  # fmt: skip
    keep_comparing(shown.head, made.fields)
