"""A figure as the report holds it: its picture inside the page, its words beside it."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from common.report.parts import Shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 190  # points an inch of a figure in a page


def shown(figure: Figure, caption: str, alt: str) -> Shown:
    """A figure with its caption, and what is told to who cannot see it."""
    return Shown(caption, alt, _png(figure))


def _png(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return base64.b64encode(buffer.getvalue()).decode()
