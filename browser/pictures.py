"""Figures on a page: sharp, downloadable, and said in words for who cannot see them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import gradio as gr
from PIL import Image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHARP = 170  # dots per inch: enough for a screen of high density, and to print


def place(label: str, name: str = "", first: Image.Image | None = None, said: str = "") -> gr.Image:
    """A place for a figure, with buttons to download and to enlarge it.

    What it shows is ink on white, and is turned round in the dark (:mod:`browser.style`, which
    leaves places with photographs as they are).

    Parameters
    ----------
    label : str
        What the figure is called.
    name : str, optional
        The element's id.
    first : PIL.Image.Image, optional
        What is there from the beginning; left out, nothing is, and the place is hidden.
    said : str
        That in words.
    """
    return gr.Image(
        first, label=label, show_label=False, format="png", visible=first is not None,
        interactive=False, min_width=320, buttons=["download", "fullscreen"],
        elem_id=name or None, elem_classes=["fl-figure"], alt_text=said or None,
    )  # fmt: skip


def drawn(figure: Figure | None, said: str) -> Any:
    """What fills a place: a figure as PNG and what it shows in words; nothing hides the place."""
    if figure is None:
        return gr.Image(None, visible=False)
    return gr.Image(as_picture(figure), visible=True, alt_text=said)


def as_picture(figure: Figure) -> Image.Image:
    """A figure as it is shown."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=SHARP)
    return Image.open(file)
