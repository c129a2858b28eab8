"""The map of the whole model: a row a site, its units in the order of their tensor, by score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from common.measure.masks import Mask
from common.measure.scores import SelectivityMap
from common.report.figures.canvas import INK, OTHER, WIDTH, say
from common.report.figures.maps import DIVERGING, bound_of, site_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_COLUMNS = (
    1024  # of a row; of a site with more units each column shows the strongest of its own
)
LETTERS_AN_INCH = 16  # of the scale's label
LEFT, RIGHT, BOTTOM, TOP = 1.9, 1.0, 0.65, 0.75  # inches around the map


@dataclass(frozen=True)
class Frame:
    """Where the map lies in its figure, in shares of the figure; y from above.

    Attributes
    ----------
    left, top, width, height : float
        The map's.
    """

    left: float
    top: float
    width: float
    height: float


def frame_of(found: SelectivityMap) -> Frame:
    """Where the map of a model lies in its figure: the same wherever it is drawn."""
    whole = _height(found)
    return Frame(
        LEFT / WIDTH, TOP / whole, (WIDTH - LEFT - RIGHT) / WIDTH, (whole - TOP - BOTTOM) / whole
    )


def size_of(found: SelectivityMap) -> tuple[float, float]:
    """Width and height of the figure, in inches."""
    return WIDTH, _height(found)


def _height(found: SelectivityMap) -> float:
    return TOP + BOTTOM + max(1.2, min(6.6, 0.2 * len(found.sites)))


def unit_map(found: SelectivityMap, mask: Mask, control: Mask | None = None) -> Figure:
    """Every unit of every site, coloured by its score, with those of a mask and a control marked.

    Parameters
    ----------
    found : SelectivityMap
        The map.
    mask : Mask
        The top units: a black line each.
    control : Mask, optional
        One draw of a control: a blue ring each.
    """
    from matplotlib.figure import Figure

    frame, height = frame_of(found), _height(found)
    figure = Figure(figsize=(WIDTH, height), dpi=150)
    bottom = 1 - frame.top - frame.height
    axes = figure.add_axes((frame.left, bottom, frame.width, frame.height))
    rows = np.stack([_row(found.at(site).ravel(), _columns(found)) for site in found.sites])
    bound = bound_of(found.score.value, found)
    image = axes.imshow(
        rows, cmap=DIVERGING, vmin=-bound, vmax=bound, aspect="auto", interpolation="nearest",
        extent=(0, 100, len(rows), 0),
    )  # fmt: skip
    _mark(axes, found, mask, control)
    site_axis(axes, found)
    axes.tick_params(axis="y", labelsize=7)
    axes.set_xlim(0, 100)
    axes.set_ylabel(axes.get_ylabel(), fontsize=8)
    axes.set_xlabel("place among the site's units, as in its tensor (%)", fontsize=8)
    side = figure.add_axes((frame.left + frame.width + 0.02, bottom, 0.025, frame.height))
    letters = int(LETTERS_AN_INCH * frame.height * height)
    label = say(found.score.words.label, letters)
    figure.colorbar(image, cax=side).set_label(label, fontsize=7)
    side.tick_params(labelsize=7)
    return figure


def _columns(found: SelectivityMap) -> int:
    return min(MOST_COLUMNS, max(site.n_units(found.unit) for site in found.sites))


def _row(values: np.ndarray, columns: int) -> np.ndarray:
    """One site's scores as so many columns: repeated, or the strongest of each column's units."""
    n = len(values)
    if n <= columns:
        return values[np.arange(columns) * n // columns]
    column = np.arange(n) * columns // n
    order = np.lexsort((np.abs(values), column))
    last = np.append(np.flatnonzero(np.diff(column)), n - 1)
    strongest: np.ndarray = values[order][last]
    return strongest


def _mark(axes: Axes, found: SelectivityMap, mask: Mask, control: Mask | None) -> None:
    named = [(mask, f"top {mask.percent:g} %: {len(mask):,}", "|", INK, 6.5)]
    if control is not None:
        named.append((control, f"one {control.rule} draw: {len(control):,}", "o", OTHER, 2.6))
    for chosen, label, mark, colour, size in named:
        x, y = places(found, chosen.units)
        axes.plot(100 * x, y, mark, ms=size + 0.8, mew=2, mec="white", mfc="none", clip_on=False)
        axes.plot(
            100 * x, y, mark, ms=size, mew=0.8, mec=colour, mfc="none", label=label, clip_on=False
        )
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=1, fontsize=8, frameon=False,
        borderaxespad=0.2, handletextpad=0.3, labelspacing=0.3,
    )  # fmt: skip


def places(found: SelectivityMap, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where units lie on the map: shares of its width, and rows from above, both (n_units,)."""
    number = found.site_of_unit[units]
    sizes = np.diff(found.offsets)[number]
    return (units - found.offsets[number] + 0.5) / sizes, number + 0.5


def unit_at(found: SelectivityMap, x: float, y: float, reach: float = 0.0) -> int | None:
    """The unit at a place of the map's figure, or the one of the highest score within reach of it.

    Parameters
    ----------
    found : SelectivityMap
        The map.
    x, y : float
        In shares of the figure, y from above.
    reach : float
        To either side, in shares of the map's width.

    Returns
    -------
    int or None
        Its index in the map's row of units; nothing outside of the map.
    """
    frame = frame_of(found)
    across, down = (x - frame.left) / frame.width, (y - frame.top) / frame.height
    if not (0 <= across < 1 and 0 <= down < 1):
        return None
    number = int(down * len(found.sites))
    start, stop = found.offsets[number : number + 2].tolist()
    size = stop - start
    exact = int(across * size)
    low = min(exact, max(0, round((across - reach) * size)))
    high = max(exact + 1, min(size, round((across + reach) * size)))
    strongest = int(found.score.value[start + low : start + high].argmax())
    unit: int = start + low + strongest
    return unit
