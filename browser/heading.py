"""Above a result: whose it is. It says so from its run, whatever the form says meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from browser.events import QUIET
from browser.fragments import escape
from common.base.called import called
from common.base.errors import FunclocError
from common.base.files import read_json

# Whether the form says something else than the run that is shown; a moment later the page has it.
COMPARE = """(...values) => {
  const say = (value) => Array.isArray(value) ? [...value].sort().join() : String(value ?? "");
  setTimeout(() => {
    const head = document.querySelector("#%s .fl-head");
    if (!head?.dataset.form) return;
    const was = JSON.parse(head.dataset.form).map(say);
    head.toggleAttribute("data-changed", was.some((each, i) => each !== say(values[i])));
  }, 100);
}"""


def heading(
    folder: Path,
    filled: Callable[[Mapping[str, Any]], list[Any]] | None = None,
    shipped: str = "",
) -> str:
    """What a result is of: model, localizer, benchmark, date, and a link to its run.

    Parameters
    ----------
    folder : Path
        The run's.
    filled : callable, optional
        Its settings as values of the form; raises where the form cannot say them. Left out, the
        form may say what it likes.
    shipped : str, optional
        In the place of the link, of a finding that comes with the program: that it does.
    """
    about, own = read_json(folder / "run.json"), called(folder)
    settings = about["settings"]
    try:
        form = f" data-form='{escape(json.dumps(filled(settings)))}'" if filled else ""
    except FunclocError:
        form = ""
    parts = {
        "Name": own.name,
        "Model": settings["model"],
        "Localizer": about["localizer"]["name"],  # settings with own stimuli name none
        "Evaluated on": settings.get("evaluation") or "",
        "Date": str(about["started"])[:16].replace("T", " "),
    }
    told = "".join(
        f"<span>{name} <b>{escape(str(value))}</b></span> "
        for name, value in parts.items()
        if value
    )
    link = f"<em>{escape(shipped)}</em>" if shipped else f"Run {run_link(folder.name)}"
    return (
        f"<div class='fl-head'{form}>{told}<span>{link}</span>"
        f"{f'<span>{escape(own.note)}</span>' if own.note else ''}"
        "<strong class='fl-since' role='status'>Settings changed since</strong></div>"
    )


def run_link(name: str) -> str:
    """A link to a run, which the page follows without being loaded anew."""
    query = escape(urlencode({"tab": "runs", "run": name}))
    return f"<a class='fl-go' href='?{query}'>{escape(name)}</a>"


def keep_comparing(head: gr.HTML, fields: Mapping[str, Any]) -> None:
    """Dim what is shown under a heading while the form says other settings.

    Parameters
    ----------
    head : gr.HTML
        With an id, filled by :func:`heading`.
    fields : mapping of str to component
        Of the form.
    """
    changes = [each.change for each in (head, *fields.values())]
    gr.on(changes, None, [*fields.values()], None, js=COMPARE % head.elem_id, **QUIET)
