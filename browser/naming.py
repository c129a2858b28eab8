"""A run's name and notes, as the Runs page takes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from browser.events import QUIET, told
from common.base.called import LONGEST_NAME, LONGEST_NOTE, call
from common.study.listing import Entry, run_named
from common.study.verbs import report_again


@dataclass(frozen=True)
class Naming:
    """The places for them, hidden until a run is open."""

    row: gr.Row
    name: gr.Textbox
    note: gr.Textbox
    keep: gr.Button


def place(visible: bool) -> Naming:
    """Lay them out.

    Parameters
    ----------
    visible : bool
        Whether a visitor may name runs at all; where strangers come in they may not.
    """
    with gr.Row(visible=False, elem_id="called") as row:
        name = gr.Textbox(
            label="Name of the run", max_length=LONGEST_NAME, min_width=240, scale=2,
            visible=visible, info="In the list, above its result and in its report.",
        )  # fmt: skip
        note = gr.Textbox(
            label="Notes", max_lines=8, max_length=LONGEST_NOTE, min_width=300, scale=4,
            visible=visible, info="What to remember of it; kept in its folder.",
        )  # fmt: skip
        keep = gr.Button("Keep", size="sm", min_width=90, elem_id="keep", visible=visible)
    return Naming(row, name, note, keep)


def follow(
    made: Naming,
    chosen: gr.Dropdown,
    frame: gr.HTML,
    shown: Callable[[Entry], str],
    look_again: Callable[..., list[Any]],
    kept: list[Any],
    listed: list[Any],
) -> None:
    """Let them be those of the run that is chosen, and be kept.

    Parameters
    ----------
    made : Naming
        From :func:`place`.
    chosen : gr.Dropdown
        The run's name.
    frame : gr.HTML
        Its report.
    shown : callable
        A run's report, for that place.
    look_again, kept, listed
        What lists the runs again, its inputs and outputs.
    """
    chosen.change(told(naming_of), chosen, [made.row, made.name, made.note], queue=False, **QUIET)

    def keep(name: str | None, title: str, noted: str) -> list[Any]:
        entry = keep_called(name, title, noted)
        told_now = [entry.called.name, entry.called.note]
        return [*told_now, shown(entry) if entry.finished else gr.skip()]

    made.keep.click(
        told(keep), [chosen, made.name, made.note], [made.name, made.note, frame], api_name="call",
        show_progress_on=frame,
    ).success(look_again, kept, listed, queue=False, **QUIET)  # fmt: skip


def naming_of(name: str | None) -> list[Any]:
    """Where a run is given a name, and what it is called now."""
    if not name:
        return [gr.Row(visible=False), "", ""]
    known = run_named(name).called
    return [gr.Row(visible=True), known.name, known.note]


def keep_called(name: str | None, title: str, noted: str) -> Entry:
    """Keep what a run is called, and make its report anew where there is one.

    Raises
    ------
    RunError
        If the list has no such run.
    """
    entry = run_named(name)
    call(entry.folder, title, noted)
    if entry.finished:
        report_again(entry.folder)
    return run_named(name)
