"""Figures on a page: sharp, downloadable, and said in words for who cannot see them."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.utils import get_upload_folder
from PIL import Image

from common.base.files import digest_of_bytes, save_bytes

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
        None if first is None else kept(first),
        label=label, show_label=False, format="png", visible=first is not None,
        interactive=False, min_width=320, buttons=["download", "fullscreen"],
        elem_id=name or None, elem_classes=["fl-figure"], alt_text=said or None,
    )  # fmt: skip


def drawn(figure: Figure | None, said: str) -> Any:
    """What fills a place: a figure as PNG and what it shows in words; nothing hides the place."""
    if figure is None:
        return gr.Image(None, visible=False)
    return gr.Image(_kept(_png(figure)), visible=True, alt_text=said)


def as_picture(figure: Figure) -> Image.Image:
    """A figure as it is shown."""
    return Image.open(io.BytesIO(_png(figure)))


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=SHARP)
    return content.getvalue()


def kept(picture: Image.Image) -> str:
    """The file of a picture in Gradio's cache, whole from the moment that it is there.

    Gradio names files by what they show, and writes one anew whenever the same is shown again:
    somebody else's browser that is just loading it gets a part. So it is given the file.
    """
    content = io.BytesIO()
    picture.save(content, format="png")
    return _kept(content.getvalue())


def _kept(data: bytes) -> str:
    path = Path(get_upload_folder()) / digest_of_bytes(data) / "image.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.utime(path)  # a cache is emptied by age
    except FileNotFoundError:
        save_bytes(path, data)
    return str(path)
