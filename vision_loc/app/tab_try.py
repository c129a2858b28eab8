"""The Try it page: one picture, seen by the model intact, without its top units, and a control."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from browser import fragments, unit_fragments
from browser.events import QUIET, told
from common.base.errors import DataError, SettingError
from common.measure.masks import top_percent
from vision_loc.app import tab_where, tab_which
from vision_loc.app.look import Look, look, top_five
from vision_loc.app.visit import MODELS, Found, phantom_found, read_upload

SMALLEST, LARGEST = 0.1, 20.0  # percent of all units
MOST_DRIVEN = 8


@dataclass(frozen=True, eq=False)
class Held:
    """The picture that a visitor looks at: its file, the map it is looked at with, what is known.

    Attributes
    ----------
    upload, map : str
        The file, and the fingerprint of the map.
    look : Look
        The intact pass and the outcomes so far.
    """

    upload: str
    map: str
    look: Look


def build(found: gr.State, trying: gr.Tab) -> gr.Slider:
    """Lay out the page.

    Parameters
    ----------
    found : gr.State
        The visitor's own map.
    trying : gr.Tab
        The tab that it is in.

    Returns
    -------
    gr.Slider
        The percent, for the address.
    """
    held = gr.State(None, time_to_live=3600)
    gr.HTML(
        "<div class='fl-intro'><p>One picture, three times: the model intact, without its most "
        "selective units, and without as many equally loud units of the same layers.</p></div>"
    )
    which = tab_which.place()
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            picture = gr.Image(
                type="filepath", sources=["upload", "webcam", "clipboard"], height=280,
                label="Picture",
                placeholder="Drop one in, use the camera, or click an example. "
                "PNG, JPEG, WebP, GIF or BMP, at most 10 MB.", elem_id="picture",
            )  # fmt: skip
            # A file that cannot be read shall get our one line, not the component's exception.
            picture.preprocess = upload_path  # type: ignore[method-assign]
            gallery = gr.Gallery(
                label="Examples", show_label=False, columns=5,
                height="auto", allow_preview=False, object_fit="contain", interactive=False,
                buttons=[], elem_id="examples",
            )  # fmt: skip
        with gr.Column(scale=2, min_width=300):
            percent = gr.Slider(
                SMALLEST, LARGEST, value=1, step=0.1, label="Units ablated (% of all)",
                elem_id="percent",
                info="Top units, and as many matched ones; drag it, or use the arrow keys.",
            )  # fmt: skip
            with gr.Row():
                three = [
                    gr.Label(label=label, num_top_classes=5, min_width=190, elem_id=name)
                    for name, label in (
                        ("intact", "Intact"),
                        ("without-top", "Without the top units"),
                        ("without-control", "Without a matched control"),
                    )
                ]
            note = gr.HTML(fragments.note("Choose a picture."), elem_id="note")
            driven = gr.HTML(elem_id="driven")
    tab_where.build(held, percent, found, [picture.change, percent.change])
    tab_which.follow(which, trying, found, picture, gallery)
    looked = gr.on(
        [picture.change, percent.change, found.change], show, [picture, percent, found, held],
        [*three, note, driven, found, held], concurrency_limit=1, concurrency_id="look",
        trigger_mode="always_last", api_name="look", show_progress="minimal",
        show_progress_on=note,
    )  # fmt: skip
    # Said here, too, and not only by what follows from no picture: that may wait for a look.
    left = [picture, *three, note, driven, held]
    looked.failure(unless_bad, picture, left, queue=False, **QUIET)
    return percent


def unless_bad(upload: str | None) -> Any:
    """Take back a file that is no picture, and what was told: left there it would look accepted."""
    try:
        _ = upload and read_upload(upload)
    except DataError:
        return None, *nothing_seen()
    return gr.skip()


def nothing_seen() -> tuple[Any, ...]:
    """Three top-5, note, driven units and what is known of the picture, without a picture."""
    return None, None, None, fragments.note("Choose a picture."), "", None


def upload_path(payload: Any) -> str | None:
    """Where an uploaded picture lies, unopened: what it is worth is for :func:`read_upload`."""
    return None if payload is None else payload.path


@told
def show(
    upload: str | None,
    percent: float,
    found: Found | None,
    held: Held | None,
) -> tuple[Any, ...]:
    """What the model sees in a picture: intact, without the top units, without a matched control.

    Parameters
    ----------
    upload : str or None
        The uploaded file.
    percent : float
        Share of all units to ablate.
    found : Found or None
        The session's own; left out, the phantom's as it ships.
    held : Held or None
        What the session knows of the picture already.

    Returns
    -------
    tuple
        The three top-5, a note, the units that the picture drives, and the session's `found` and
        `held`.
    """
    if not isinstance(percent, (int, float)) or not SMALLEST <= percent <= LARGEST:
        raise SettingError(f"percent: give a number from {SMALLEST} to {LARGEST:g}")
    if upload is None:
        *told, known = nothing_seen()
        return *told, found, known
    found = found or phantom_found()
    held = taken(upload, found, held)
    top = top_percent(found.map, percent)
    rival, problem = found.matched(percent)
    masks = [top] if rival is None else [top, rival]
    seen = [held.look.known(mask, found.by) for mask in masks]
    if any(shares is None for shares in seen):
        with MODELS.held(found.settings):  # the one of the look, and nobody else's meanwhile
            seen = [held.look.without(mask, found.by, found.map) for mask in masks]
    named = [
        top_five(each, found.classes) for each in (held.look.intact, *seen) if each is not None
    ]
    words = (
        f"The {len(top)} top {'unit answers' if len(top) == 1 else 'units answer'} to this picture "
        f"{held.look.strength(top, found.map):.1f} times as strongly as to the localizer's "
        f"pictures on average. {problem}"
    )
    rows = held.look.most_driven(top, found.map, MOST_DRIVEN)
    three = [*named, {}][:3]
    return *three, _note(found, words), unit_fragments.driven_units(rows, len(top)), found, held


def taken(upload: str, found: Found, held: Held | None) -> Held:
    """What is known of a picture; it is shown to the intact model where nothing is known yet."""
    if held is not None and (held.upload, held.map) == (upload, found.map.fingerprint):
        return held
    picture = read_upload(upload)
    with MODELS.held(found.settings, found.map) as model:
        return Held(upload, found.map.fingerprint, look(model, picture, found.map))


def _note(found: Found, words: str) -> str:
    return fragments.note(f"Units for {found.title}, replaced by {found.replaced}. {words}")
