"""Figures on a page: sharp, downloadable, and said in words for who cannot see them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import gradio as gr
from PIL import Image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHARP = 170  # dots per inch: enough for a screen of high density, and to print


def place(label: str, name: str = "") -> gr.Image:
    """A place for a figure, with buttons to download and to enlarge it.

    Parameters
    ----------
    label : str
        What the figure is called.
    name : str, optional
        The element's id.
    """
    return gr.Image(
        label=label, show_label=False, format="png", visible=False, interactive=False,
        min_width=320, buttons=["download", "fullscreen"], elem_id=name or None,
        elem_classes=["fl-figure"],
    )  # fmt: skip


def drawn(figure: Figure | None, said: str) -> Any:
    """What fills a place: a figure as PNG and what it shows in words; nothing hides the place."""
    if figure is None:
        return gr.Image(None, visible=False)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=SHARP)
    return gr.Image(Image.open(file), visible=True, alt_text=said)
