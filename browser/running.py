"""Running an experiment from a page: its buttons, the run itself, and what is shown of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import gradio as gr

from browser import fragments
from browser.events import VISITORS, session_of, start_run, stop_button, told
from browser.form import form
from browser.found import FoundMap
from browser.offer import Offer
from browser.outcome import Outcome, shown
from browser.visitors import Stopped
from common.study import verbs as study
from common.study.front import FrontEnd
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
    """

    first: gr.Button
    go: gr.Button
    stop: gr.Button
    fields: dict[str, Any]


def starters(offer: Offer[Any]) -> Starters:
    """Lay out the buttons and the form."""
    with gr.Row():
        first = gr.Button("Show me on the phantom", variant="primary", size="lg", scale=3)
        stop = stop_button()
    with gr.Accordion("Choose model, localizer and doses yourself", open=False):
        fields = form(offer)
        go = gr.Button("Run", variant="secondary")
    return Starters(first, go, stop, fields)


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
    n_more : int
        How many places that fills.
    """

    front: FrontEnd[Any, Any]
    steps: Mapping[str, str]
    looking: str
    found_in: Callable[[Path], F]
    more: Callable[[F], list[Any]]
    n_more: int

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
            below = Outcome.n_places() - 1 + self.n_more
            return [gr.skip(), note, *[gr.skip()] * below]
        return [found, *shown(found.folder, str(found.settings.localizer)), *self.more(found)]


def start_with(
    made: Starters,
    demo: Callable[..., Any],
    chosen: Callable[..., Any],
    outputs: Sequence[Any],
    *,
    finding: gr.HTML,
    suffix: str = "",
) -> None:
    """Let both buttons start.

    Parameters
    ----------
    made : Starters
        The buttons.
    demo, chosen : callable
        Handlers of the first visitor's button and of the form.
    outputs : sequence of components
        Of either, in the order of :meth:`Running.show`.
    finding : gr.HTML
        Where the progress is shown.
    suffix : str, optional
        After the names of the endpoints.
    """
    for button, handler, inputs, name in (
        (made.first, demo, [], "demo"),
        (made.go, chosen, [*made.fields.values()], "run"),
    ):
        start_run(
            button, handler, inputs, outputs, starters=[made.first, made.go], stop=made.stop,
            api_name=f"{name}{suffix}", show_progress_on=finding,
        )  # fmt: skip
