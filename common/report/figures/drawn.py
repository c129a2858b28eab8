"""A figure that a notebook shows, though nobody there has asked for pyplot."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


class DrawnFigure(Figure):
    """A matplotlib figure like any other; notebooks draw those of pyplot alone by themselves."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()
