"""Pictures with what a model makes of their places over them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from common.measure.moments import Array
from common.report.figures.canvas import WIDTH, say
from common.report.figures.maps import DIVERGING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STRENGTH = "magma"
OVER = 0.72  # how much of the picture is covered
EDGE, GAP, TITLE, SCALE = 0.05, 0.08, 0.4, 0.75  # inches


def answers_over(pixels: np.ndarray, maps: Mapping[str, Array], label: str) -> Figure:
    """A picture as the model sees it, and beside it maps of strength over it, on one scale from 0.

    Parameters
    ----------
    pixels : array of uint8 of shape (3, H, W)
        The picture.
    maps : mapping of str to array of shape (rows, columns)
        At least one, by what stands above it; every cell is as large as it comes.
    label : str
        Of the scale.
    """
    top = max((float(values.max()) for values in maps.values()), default=0.0) or 1.0
    return _over(pixels, maps, label, STRENGTH, (0.0, top), "as the model sees it")


def changes_over(pixels: np.ndarray, maps: Mapping[str, Array], label: str) -> Figure:
    """The same of changes that may have either sign, on one scale around 0."""
    bound = max((float(np.abs(each).max()) for each in maps.values()), default=0.0) or 1.0
    return _over(pixels, maps, label, DIVERGING, (-bound, bound), "")


def _over(
    pixels: np.ndarray,
    maps: Mapping[str, Array],
    label: str,
    colours: str,
    scale: tuple[float, float],
    first: str,
) -> Figure:
    from matplotlib.figure import Figure

    n, (rows, columns) = len(maps) + bool(first), pixels.shape[1:]
    side = (WIDTH - 2 * EDGE) / n - GAP
    height = TITLE + side * rows / columns + SCALE
    figure = Figure(figsize=(WIDTH, height), dpi=150)
    places = [
        figure.add_axes(
            ((EDGE + (side + GAP) * number) / WIDTH, SCALE / height, side / WIDTH,
             (height - TITLE - SCALE) / height)
        )
        for number in range(n)
    ]  # fmt: skip
    picture = pixels.transpose(1, 2, 0)
    for axes in places:
        axes.set_axis_off()
    if first:
        places[0].imshow(picture)
        places[0].set_title(first, fontsize=8)
    for axes, (title, values) in zip(places[bool(first) :], maps.items(), strict=True):
        axes.imshow(picture.mean(axis=2), cmap="gray", vmin=0, vmax=255)
        image = axes.imshow(
            values, cmap=colours, vmin=scale[0], vmax=scale[1], alpha=OVER,
            interpolation="nearest", extent=(-0.5, columns - 0.5, rows - 0.5, -0.5),
        )  # fmt: skip
        axes.set_title(say(title, 26), fontsize=8)
    bar = figure.add_axes((0.2, (SCALE - 0.22) / height, 0.6, 0.1 / height))
    figure.colorbar(image, cax=bar, orientation="horizontal").set_label(say(label, 62), fontsize=8)
    bar.tick_params(labelsize=8)
    return figure
