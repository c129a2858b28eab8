"""Errors that were not written for a visitor are told in words that are."""

from __future__ import annotations

import gradio as gr
import pytest

from browser.blocks import FAULT, UNFIT, worded


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
