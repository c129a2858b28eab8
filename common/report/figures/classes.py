"""Class by class: how much is lost without units that answer to it so strongly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from common.effects.by_class import ByClass
from common.report.figures.canvas import INK, OTHER, TARGET, figure_with_axes, say

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def loss_by_response(found: ByClass, target: str) -> Figure:
    """A mark a class: the response of one half of its items against the loss of the other."""
    figure, axes = figure_with_axes()
    for group in dict.fromkeys(each.group for each in found.classes):
        own = [each for each in found.classes if each.group == group]
        colour, mark = (TARGET, "o") if group == target else (OTHER, "s")
        axes.scatter(
            np.array([each.response for each in own]), np.array([each.loss for each in own]),
            s=26, color=colour, marker=mark, alpha=0.8, label=say(f"{group} ({len(own)})"),
        )  # fmt: skip
    axes.axhline(0, color=INK, lw=0.8, ls=":")
    axes.set_xlabel(say("mean response of the chosen units (1: their average in the localizer)"))
    axes.set_ylabel(say("lost by the class's other items (units of the margin)", 30))
    axes.legend(frameon=False)
    return figure
