"""The matrix of a dissociation: what every localizer's mask takes from every group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from common.effects.claim import YES
from common.effects.crossing_words import loss_words
from common.effects.dissociation import Dissociation
from common.report.figures.canvas import INK, figure_with_axes, say, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

FEW = 4  # groups up to which a cell has room for its interval
LONGEST_NAME, LONGEST_ROW = 18, 28


def matrix(found: Dissociation) -> Figure:
    """A row a localizer, a column a group; a frame where a mask singles a group out.

    The colour is what the cell says over the largest bound of an interval of its column: columns
    may be on different scales, and one in which nothing is lost stays pale.
    """
    rows, columns = len(found.localizers), len(found.groups)
    figure, axes = figure_with_axes(1.4 + 0.62 * rows)
    lost = [cell.loss if cell.drop is None else cell.drop for cell in found.cells]
    losses = np.array([each.effect for each in lost]).reshape(rows, columns)
    bounds = np.array([each.ci for each in lost]).reshape(rows, columns, 2)
    largest = np.abs(bounds).max(axis=(0, 2))
    axes.imshow(
        losses / np.where(largest > 0, largest, 1), cmap="PuOr_r", vmin=-2.2, vmax=2.2,
        aspect="auto",
    )  # fmt: skip
    for place, cell in enumerate(found.cells):
        row, column = divmod(place, columns)
        told = loss_words(cell)[: 2 if columns <= FEW else 1]
        axes.text(column, row, "\n".join(told), ha="center", va="center",
                  fontsize=8, color=INK)  # fmt: skip
        if cell.singled_out == YES:
            axes.add_patch(_frame(column, row))
    names = [short(group.name, LONGEST_NAME) for group in found.groups]
    axes.set_xticks(range(columns), names)
    if columns > FEW:
        axes.tick_params(axis="x", rotation=40)
    axes.set_yticks(range(rows), [short(name, LONGEST_ROW) for name in found.names])
    axes.set_xlabel("group")
    axes.set_ylabel("localizer")
    axes.tick_params(length=0)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_title(say(f"lost without the top {found.percent:g} % of each localizer"), fontsize=10)
    return figure


def _frame(column: int, row: int) -> Rectangle:
    from matplotlib.patches import Rectangle  # slow to load; see figures.canvas

    return Rectangle((column - 0.47, row - 0.46), 0.94, 0.92, fill=False, ec=INK, lw=2.5)
