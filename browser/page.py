"""What a front end's page tells the app of itself, so that the Runs page can hand a run to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from browser.address import Remembered
from browser.events import QUIET
from common.base.heavy import warm_up

MOUNTED = "() => new Promise((go) => setTimeout(go, 300))"


@dataclass(frozen=True)
class Page:
    """A front end's page.

    Attributes
    ----------
    id : str
        Of its tab.
    form : list of components
        The settings that a visitor chooses.
    found : gr.State
        The visitor's own: what they ran or opened last.
    front : str
        The front end's program; runs say by it whose they are.
    fill : callable
        A run's settings as updates of the form, or a :class:`~common.base.errors.FunclocError`
        that says what is no longer on offer.
    open : callable
        A run folder as the value of `found`.
    remembered : Remembered, optional
        What the address remembers of the page.
    asked : gr.Textbox, optional
        Takes the name of a run that the page is to show.
    first : callable, optional
        The value of `found` of who has run and opened nothing yet.
    """

    id: str
    form: list[Any]
    found: gr.State
    front: str
    fill: Callable[[Mapping[str, Any]], list[Any]]
    open: Callable[[Path], Any]
    remembered: Remembered | None = None
    asked: gr.Textbox | None = None
    first: Callable[[], Any] | None = None


def begin(demo: gr.Blocks, pages: Sequence[Page]) -> None:
    """Let who opens the app have the findings that ship: of all pages at once.

    A moment after the page is up, and in the queue: of what comes before that, or past the queue,
    Gradio does not tell all who listen, and the map of the units stayed away (seen in 6.31).
    """

    def first(*found: Any) -> Any:
        each = [
            gr.skip() if here is not None or page.first is None else page.first()
            for page, here in zip(pages, found, strict=True)
        ]
        warm_up()  # what a press needs, once there is something to read
        return each[0] if len(each) == 1 else each

    states: list[Any] = [page.found for page in pages]
    demo.load(None, None, None, js=MOUNTED).then(first, states, states, **QUIET)
