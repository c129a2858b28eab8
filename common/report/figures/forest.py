"""Several runs beneath each other: the adjusted effect of each, and the mean over models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from common.effects.judgement import EVIDENCE, Judgement
from common.effects.pooled import Pooled
from common.report.figures.canvas import INK, TARGET, around, figure_with_axes, say, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def forest(
    runs: Sequence[tuple[str, Judgement]], mean: Pooled | None = None, apart: str = "run"
) -> Figure:
    """A forest plot.

    Parameters
    ----------
    runs : sequence of (str, Judgement)
        A name and what was found, from the top down. Evidence has a full mark.
    mean : Pooled, optional
        Over models, as a diamond beneath.
    apart : str
        What the names are of.

    Examples
    --------
    >>> judged = judge(items, target="face", other="object")
    >>> len(figures.forest([("mine", judged)]).axes)
    1
    """
    figure, axes = figure_with_axes(1.3 + 0.36 * (len(runs) + (mean is not None)))
    for row, (_, judged) in enumerate(runs):
        known = judged.adjusted
        middle, low, high = (np.array([value]) for value in (known.effect, *known.ci))
        axes.errorbar(
            middle, [row], xerr=around(middle, low, high), fmt="o", color=TARGET, capsize=3,
            mfc=TARGET if judged.outcome == EVIDENCE else "white",
        )  # fmt: skip
    names = [short(name) for name, _ in runs]
    if mean is not None:
        row, (least, most) = len(runs), mean.ci
        across, down = [least, mean.effect, most, mean.effect], [row, row - 0.3, row, row + 0.3]
        axes.fill(across, down, color=INK)
        names.append(f"mean of {mean.n} models")
    axes.axvline(0, color=INK, lw=0.8, ls=":")
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_ylabel(apart)
    axes.set_xlabel(say("adjusted effect (units of the margin) with its 95 % interval"))
    return figure
