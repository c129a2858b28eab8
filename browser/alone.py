"""The effect of one unit alone, on request: the last thing on a unit's page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr

from browser import fragments, unit_fragments
from browser.events import QUIET, VISITORS, session_of, whatever_comes
from browser.visitors import Shelf, Stopped
from common.measure.scores import SelectivityMap
from common.study.front import FrontEnd, Model, S
from common.study.single_unit import effect_alone


def alone_button() -> gr.Button:
    """The button that asks for it, hidden until a unit is open."""
    return gr.Button("Ablate this unit alone", visible=False, size="sm")


def start_alone(
    button: gr.Button,
    handler: Callable[..., Any],
    inputs: Sequence[Any],
    effect: gr.HTML,
    stop: gr.Button,
    api_name: str,
) -> None:
    """Let the button start it, in the queue of the runs, and the stop button stop it.

    Parameters
    ----------
    button : gr.Button
        From :func:`alone_button`.
    handler, inputs, api_name
        Of the event.
    effect : gr.HTML
        Where the answer is shown.
    stop : gr.Button
        From :func:`browser.events.stop_button`.
    """
    run = button.click(_expect, None, [button, stop], queue=False, **QUIET).then(
        handler, list(inputs), effect, concurrency_limit=1, concurrency_id="run",
        show_progress_on=effect, api_name=api_name,
    )  # fmt: skip
    whatever_comes(run, _settle, None, [button, stop])


def _expect(request: gr.Request) -> list[Any]:
    VISITORS.begin(session_of(request))
    return [gr.update(interactive=False), gr.update(interactive=True, value="Stop")]


def _settle(request: gr.Request) -> list[Any]:
    VISITORS.end(session_of(request))
    return [gr.update(interactive=True), gr.update(interactive=False, value="Stop")]


def shown_alone(
    front: FrontEnd[S, Model],
    models: Shelf[S, Model],
    settings: S,
    found: SelectivityMap,
    unit: int,
    request: gr.Request | None,
    bar: Callable[..., Any],
    steps: Mapping[str, str],
) -> str:
    """What is lost without one unit, as the page shows it.

    Parameters
    ----------
    front, settings, found, unit
        As in :func:`common.study.single_unit.effect_alone`.
    models : Shelf
        The front end's.
    request, bar, steps
        Whose it is, and how far it has come; see :meth:`browser.visitors.Visitors.follow`.
    """
    session = session_of(request)
    show = VISITORS.follow(session, bar, steps)
    try:
        with VISITORS.expecting(session), models.held(settings, found) as model:
            alone = effect_alone(front, settings, model, found, unit, show)
    except Stopped:
        return fragments.note("Stopped; nothing of this was kept.")
    return unit_fragments.unit_effect(alone)
