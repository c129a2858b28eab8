"""What a run costs, asked before it is started, and the part of the items that makes it short."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from browser import fragments
from browser.events import QUIET, told
from browser.offer import Offer
from common.base.progress import spoken_seconds
from common.study.estimate import Estimate
from common.study.foretold import foretold
from common.study.front import FrontEnd

UNTOLD = "How long this takes is not known before."
ITEMS = "items"  # the setting that makes a run short


@dataclass(frozen=True)
class Cost:
    """The places for it.

    Attributes
    ----------
    ask, take : gr.Button
        Asks how long a run would take; takes the part of the items that is offered then.
    said : gr.HTML
        The answer.
    fewer : gr.State
        The part that is offered: how many items of each class, and seconds.
    """

    ask: gr.Button
    said: gr.HTML
    take: gr.Button
    fewer: gr.State


def place(page: str) -> Cost:
    """Lay them out; `page` comes before the ids of their elements."""
    ask = gr.Button("How long will it take?", elem_id=f"{page}-ask", scale=1, min_width=180)
    with gr.Column(min_width=240, scale=2):
        said = gr.HTML(elem_id=f"{page}-cost")
        take = gr.Button("Take fewer", visible=False, size="sm", elem_id=f"{page}-take")
    return Cost(ask, said, take, gr.State(None))


def foretell(
    cost: Cost, offer: Offer[Any], front: FrontEnd[Any, Any], fields: Mapping[str, Any]
) -> None:
    """Let it be asked, and what is offered be taken; another setting makes it untrue.

    Parameters
    ----------
    cost : Cost
        From :func:`place`.
    offer, front
        What can be chosen, and who says how long it takes.
    fields : mapping of str to component
        Of the form, by the names that :meth:`Offer.chosen` takes.
    """

    def ask(*values: Any) -> list[Any]:
        named = dict(zip(fields, values, strict=True))
        doses, seed = named.pop("doses"), named.pop("seed")
        return answer(foretold(front, offer.chosen(doses, seed, **named)))

    places = [cost.said, cost.take, cost.fewer]
    cost.ask.click(
        told(ask), [*fields.values()], places, concurrency_limit=1, concurrency_id="run",
        show_progress_on=cost.said, api_visibility="private",
    )  # fmt: skip
    cost.take.click(taken, cost.fewer, [fields[ITEMS], cost.said, cost.take], queue=False, **QUIET)
    for field in fields.values():
        field.input(lambda: answer(None, ""), None, places, queue=False, **QUIET)


def answer(found: Estimate | None, untold: str = UNTOLD) -> list[Any]:
    """What is said of an estimate, and the part of the items that is offered."""
    if found is None or found.fewer is None:
        said = untold if found is None else f"{_capital(found.said())} on this machine."
        return [fragments.note(said) if said else "", gr.Button(visible=False), None]
    items, seconds = found.fewer
    whole = Estimate(found.least, found.most, bound=found.bound).said()
    words = f"Take {items} items of each class or paradigm: {spoken_seconds(seconds)} at most"
    said = f"{_capital(whole)} on this machine."
    return [fragments.note(said), gr.Button(words, visible=True), found.fewer]


def taken(fewer: tuple[int, float] | None) -> list[Any]:
    """The part that was offered, in the form."""
    if fewer is None:
        return [gr.skip()] * 3
    items, seconds = fewer
    said = f"With {items} items of each class or paradigm: {spoken_seconds(seconds)} at most."
    return [str(items), fragments.note(said), gr.Button(visible=False)]


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
