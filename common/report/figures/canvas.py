"""What all figures share: size, colours, marks, axes and how long names are told.

Nothing here touches pyplot, so figures can be made in any thread and leave nothing behind. Colours
are those of Okabe and Ito (2008), which the colour-blind can tell apart, and groups differ in their
marks as well; a score is shown on a diverging scale that is symmetric about 0. Figures are narrow
for their letters, so that they can be read on a phone.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Literal

import numpy as np

from common.effects.nouns import in_words_of
from common.measure.control_rules import ControlRule, rule_named

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TARGET, OTHER, GREY, INK = "#D55E00", "#0072B2", "#8A8A8A", "#222222"
PLAIN = ControlRule("", draw=lambda draw: draw.top)  # the style of a rule that is not known here
WIDTH = 5.4  # inches
LAYOUT: Literal["constrained"] | None = "constrained"  # nothing overlaps, in twice the time
LONGEST_LABEL = 26
LETTERS_A_LINE = 46


def blank_figure(height: float) -> Figure:
    """A figure without axes, `height` inches high."""
    # Slow to load, and the app's page is up before any figure.
    from common.report.figures.drawn import DrawnFigure

    return DrawnFigure(figsize=(WIDTH, height), layout=LAYOUT, dpi=150)


def figure_with_axes(height: float = 3.9) -> tuple[Figure, Axes]:
    """A figure with one pair of axes, open to the top and the right."""
    figure = blank_figure(height)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def say(text: str, width: int = LETTERS_A_LINE) -> str:
    """A title or an axis label that stays inside the figure and is taken as it is, not as TeX."""
    return "\n".join(textwrap.wrap(text, width)).replace("$", r"\$")


def short(name: str, longest: int = LONGEST_LABEL) -> str:
    """A long name without its middle, taken as it is and not as TeX."""
    if len(name) > longest:
        end = longest // 3
        name = f"{name[: longest - end - 1]}…{name[-end:]}"
    return name.replace("$", r"\$")


def rule_style(rule: str) -> ControlRule:
    """The control rule whose mark and line a mask's rule has."""
    return rule_named(rule) or PLAIN


def dose_axis(axes: Axes, doses: list[float], unit: str = "unit") -> None:
    """Doses of units, or of weights, along the bottom, on a log scale, each one named."""
    axes.set_xscale("log")
    axes.set_xticks(doses, [f"{dose:g}" for dose in doses])
    axes.minorticks_off()
    axes.set_xlabel(in_words_of(unit, "units ablated (% of all, log scale)"))


def not_flat(axes: Axes) -> None:
    """At least a percentage point to either side, or rounding would look like an effect."""
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, -1.0), max(high, 1.0))


def around(middle: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Lengths of error bars, shape (2, n).

    Where all values are alike, rounding may put an end on the wrong side of the middle.
    """
    return np.maximum([middle - low, high - middle], 0)
