"""Pages on which every error has words: what is wrong, and what to do.

Gradio sends the words of a ``gr.Error`` to the visitor and hides all others, as it should: they are
written for the log. Here a line stands in for those.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

UNFIT = (
    "A value is missing or of the wrong kind, or a file was not uploaded here. Set it on the page "
    "and try again."
)
FAULT = (
    "This is a fault of the program and not of what you chose; its log says which. Try other "
    "settings, or reload the page."
)


class Blocks(gr.Blocks):
    """As :class:`gr.Blocks`, for requests that may hold anything."""

    async def preprocess_data(self, *args: Any, **kwargs: Any) -> Any:
        """What a request sends as the handlers take it, before any of them sees it."""
        with worded(UNFIT, logged=False):
            return await super().preprocess_data(*args, **kwargs)

    async def process_api(self, *args: Any, **kwargs: Any) -> Any:
        """One request from its values to the answer."""
        with worded(FAULT, logged=True):
            return await super().process_api(*args, **kwargs)


@contextmanager
def worded(line: str, logged: bool) -> Iterator[None]:
    """Tell the visitor a line where an error has none for them."""
    try:
        yield
    except gr.Error:
        raise
    except Exception as error:
        raise gr.Error(line, title="That did not work", print_exception=logged) from error
