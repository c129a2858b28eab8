"""Events of the pages: errors as one line, a run that shows its progress and can be stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from html import escape
from typing import Any, ParamSpec, TypeVar

import gradio as gr

from browser.growing import growing
from browser.visitors import Visitors
from common.base.errors import FunclocError
from common.base.paths import without_paths

BAR = gr.Progress()  # stands for the bar of the event that is running
VISITORS = Visitors()
# Nowhere: Gradio tells each place of an event that ever ran how every other one goes, and a place
# that holds others reads all of them anew for it (seen in 6.31). A step of a slider took 0.2 s.
HIDDEN: dict[str, Any] = {"show_progress": "hidden", "show_progress_on": []}
QUIET: dict[str, Any] = {**HIDDEN, "api_visibility": "private"}

LOOK_EVERY = 2  # seconds between looks for what is known of a run that goes on

P = ParamSpec("P")
R = TypeVar("R")


def told(handler: Callable[P, R]) -> Callable[P, R]:
    """Let what is the input's fault reach the visitor as one line."""

    @wraps(handler)
    def safe(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return handler(*args, **kwargs)
        except FunclocError as error:
            raise as_notice(error) from error

    return safe


def as_notice(error: FunclocError) -> gr.Error:
    """An error as the page shows it."""
    line = escape(without_paths(error.plain))
    return gr.Error(line, title="That did not work", print_exception=False)


def session_of(request: gr.Request | None) -> str:
    """What tells one visitor from another."""
    return str(getattr(request, "session_hash", None) or "")


def leave(request: gr.Request) -> None:
    """Stop the run of a visitor who closed the page."""
    session = session_of(request)
    VISITORS.stop(session)
    VISITORS.stop(f"{session} writes")


def ask_to_stop(request: gr.Request) -> dict[str, Any]:
    """The stop button."""
    VISITORS.stop(session_of(request))
    return gr.update(interactive=False, value="Stopping …")


def stop_button() -> gr.Button:
    """A button that stops the visitor's run; :func:`start_run` lets it work."""
    stop = gr.Button("Stop", variant="stop", size="lg", interactive=False, scale=1, min_width=110)
    stop.click(ask_to_stop, None, stop, queue=False, **QUIET)
    return stop


def may_stop() -> dict[str, Any]:
    """Let the stop button work for something that is short as a rule."""
    return gr.update(interactive=True, value="Stop")


def may_no_longer_stop(request: gr.Request) -> dict[str, Any]:
    """It has ended; the button goes on working for a run of the same visitor."""
    return gr.update(interactive=VISITORS.expects(session_of(request)), value="Stop")


def whatever_comes(
    event: Any, handler: Callable[..., Any], inputs: Any, outputs: Any, js: str | None = None
) -> None:
    """Let a quick handler follow an event, whether that came to its end or to an error.

    Gradio's ``then`` should do so, and does not follow an error (seen in 6.31).
    """
    for follows in (event.success, event.failure):
        follows(handler, inputs, outputs, queue=False, js=js, **QUIET)


@dataclass(frozen=True)
class SoFar:
    """What is known while a run lasts: where it is shown, and what looks for it."""

    place: gr.HTML
    timer: gr.Timer


def so_far(name: str) -> SoFar:
    """Lay it out; `name` is the place's id."""
    place = gr.HTML(elem_id=name)
    timer = gr.Timer(LOOK_EVERY, active=False)

    def see_so_far(request: gr.Request) -> str:
        return growing(VISITORS.known(session_of(request)))

    timer.tick(see_so_far, None, place, queue=False, **QUIET)
    return SoFar(place, timer)


def start_run(
    button: gr.Button,
    handler: Callable[..., Any],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    *,
    starters: Sequence[gr.Button],
    stop: gr.Button,
    api_name: str,
    show_progress_on: Any,
    begun: str,
    ended: str,
    so_far: SoFar,
) -> None:
    """Let a button start a run. One runs at a time, whoever's it is; the others wait in a queue.

    Parameters
    ----------
    button : gr.Button
        The one that is pressed.
    handler, inputs, outputs, api_name, show_progress_on
        Of the run's event.
    starters : sequence of gr.Button
        What cannot be pressed while it lasts.
    stop : gr.Button
        From :func:`stop_button`.
    begun, ended : str
        What the browser does before and after, in its own language.
    so_far : SoFar
        Where it is shown what is known while it lasts.
    """

    def expect(request: gr.Request) -> list[Any]:
        VISITORS.begin(session_of(request))
        off = gr.update(interactive=False)
        return [*[off for _ in starters], may_stop(), gr.Timer(active=True)]

    def settle(request: gr.Request) -> list[Any]:
        VISITORS.end(session_of(request))
        on = gr.update(interactive=True)
        stopped = gr.update(interactive=False, value="Stop")
        return [*[on for _ in starters], stopped, gr.Timer(active=False), ""]

    changed = [*starters, stop, so_far.timer]
    run = button.click(expect, None, changed, queue=False, js=begun, **QUIET).then(
        handler, list(inputs), list(outputs), concurrency_limit=1, concurrency_id="run",
        api_name=api_name, show_progress_on=show_progress_on,
    )  # fmt: skip
    whatever_comes(run, settle, None, [*changed, so_far.place], js=ended)
