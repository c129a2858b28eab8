"""Pages on which every error has words: what is wrong, and what to do.

Gradio sends the words of a ``gr.Error`` to the visitor and hides all others, as it should: they are
written for the log. Here a line stands in for those.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
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
LONGEST = 500  # letters of a message


class Blocks(gr.Blocks):
    """As :class:`gr.Blocks`, for requests that may hold anything."""

    async def preprocess_data(self, *args: Any, **kwargs: Any) -> Any:
        """What a request sends as the handlers take it, before any of them sees it."""
        with worded(UNFIT, logged=False):
            return await super().preprocess_data(*args, **kwargs)

    async def process_api(self, *args: Any, **kwargs: Any) -> Any:
        """One request from its values to the answer."""
        try:
            with worded(FAULT, logged=True):
                return await super().process_api(*args, **kwargs)
        except gr.Error as error:
            self._show(error, kwargs.get("event_id"))
            raise

    def _show(self, error: gr.Error, event_id: str | None) -> None:
        """Show an error with its title.

        Gradio's page calls every one "Error" (seen in 6.31), so it gets a message of its own, and
        the error itself, which others than the page may want in plain words, goes unseen. An event
        that is not queued has nowhere to send a message.
        """
        waiting = {each._id for job in self._queue.active_jobs for each in job or ()}
        if error.visible and event_id in waiting:
            self._queue.log_message(
                event_id, titled(error.title, error.message), error.title,
                "error", duration=error.duration,  # type: ignore[arg-type]
            )  # fmt: skip
            error.visible = False


def titled(title: str, line: str) -> str:
    """The HTML of a message of the page, which shows no title by itself."""
    return f"<strong>{escape(title)}</strong><br>{line}"


@contextmanager
def worded(line: str, logged: bool) -> Iterator[None]:
    """Tell the visitor a line where an error has none for them."""
    try:
        yield
    except gr.Error as error:  # Gradio's own repeat whatever was sent
        if len(error.message) > LONGEST:
            error.message = f"{error.message[:LONGEST]}…"
        raise
    except Exception as error:
        raise gr.Error(line, title="That did not work", print_exception=logged) from error
