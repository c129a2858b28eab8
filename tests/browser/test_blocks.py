"""Errors that were not written for a visitor are told in words that are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from browser.blocks import FAULT, UNFIT, Blocks, titled, worded
from browser.events import whatever_comes


@pytest.mark.parametrize(("line", "logged"), [(UNFIT, False), (FAULT, True)])
def test_an_error_without_words_gets_some(line: str, logged: bool) -> None:
    with pytest.raises(gr.Error) as told, worded(line, logged):
        _ = 1 / 0
    assert told.value.message == line
    assert told.value.print_exception == logged
    assert isinstance(told.value.__cause__, ZeroDivisionError)


def test_an_error_with_words_keeps_them() -> None:
    with pytest.raises(gr.Error, match="give a number above zero"), worded(FAULT, logged=True):
        raise gr.Error("give a number above zero")


def test_what_works_is_left_alone() -> None:
    with worded(FAULT, logged=True):
        done = True
    assert done


def test_an_error_of_a_queued_event_is_shown_once_and_with_its_title() -> None:
    said: list[tuple[Any, ...]] = []
    waiting = SimpleNamespace(
        active_jobs=[None, [SimpleNamespace(_id="mine")]],
        log_message=lambda *args, **_: said.append(args),
    )
    blocks: Any = SimpleNamespace(_queue=waiting)
    queued = gr.Error("give <b>one</b>", title="That did not work")
    Blocks._show(blocks, queued, "mine")
    assert said == [("mine", titled(queued.title, queued.message), queued.title, "error")]
    assert titled("<i>", "line") == "<strong>&lt;i&gt;</strong><br>line"
    assert (queued.visible, queued.message) == (False, "give <b>one</b>")
    for event in (None, "of nobody"):
        other = gr.Error("give one")
        Blocks._show(blocks, other, event)
        assert other.visible
    assert len(said) == 1


def test_what_follows_an_event_follows_an_error_too() -> None:
    asked: dict[str, Any] = {}
    names = ("then", "success", "failure")
    event = SimpleNamespace()
    for name in names:
        setattr(event, name, lambda *args, of=name, **_: asked.update({of: args}))
    whatever_comes(event, print, None, None)
    assert asked == dict.fromkeys(("success", "failure"), (print, None, None))


def test_a_message_that_repeats_what_was_sent_is_short() -> None:
    with pytest.raises(gr.Error) as caught, worded("a line", logged=False):
        raise gr.Error("Value: " + "x" * 5000)
    assert caught.value.message == "Value: " + "x" * 493 + "…"
