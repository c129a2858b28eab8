"""How well running text is predicted under the masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from common.effects.perplexity import TextPerplexity
from common.measure.control_rules import CONTROL_RULES
from common.report.figures.canvas import (
    GREY,
    INK,
    TARGET,
    around,
    dose_axis,
    figure_with_axes,
    rule_style,
    say,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def perplexity_curve(text: TextPerplexity, unit: str = "unit") -> Figure:
    """Perplexity of one text by dose, intact, under the top mask and under the drawn controls.

    Windows of a text differ more from each other than a mask changes them, so the interval shown is
    that of the rise over intact, paired by window.

    Parameters
    ----------
    text : TextPerplexity
        One of a run.
    unit : str, default="unit"
        What a unit of its map is called.
    """
    figure, axes = figure_with_axes(4.3)
    doses = sorted(text.doses)
    intact = text.intact.perplexity
    handles: list[Any] = [axes.axhline(intact, color=INK, lw=1.2, ls=":", label="intact")]
    middle = np.array([entry.perplexity for entry in text.tops])
    low, high = (
        intact * np.exp([min(entry.rise_ci[end], 600.0) for entry in text.tops]) for end in (0, 1)
    )
    handles.append(
        axes.errorbar(
            doses, middle, around(middle, low, high), color=TARGET, marker="o", ms=5, capsize=3,
            lw=1.8, label="top (bars: 95 % interval of the rise)",
        )
    )  # fmt: skip
    curves = [rule.name for rule in CONTROL_RULES.values() if rule.curve]
    for place, rule in enumerate(curves):
        handles += _perplexities_of(axes, text, rule, 1.02 + 0.015 * place)
    dose_axis(axes, doses, unit)
    axes.set_xlim(doses[0] / 1.2, doses[-1] * 1.2)
    _perplexity_axis(axes)
    axes.set_ylabel(f"perplexity a token (windows of {text.window})")
    axes.set_title(say(f"Perplexity of {text.text} by dose"), fontsize="medium")
    figure.legend(handles=handles, loc="outside lower center", frameon=False, fontsize="small")
    return figure


def _perplexities_of(axes: Axes, text: TextPerplexity, rule: str, shift: float) -> list[Any]:
    """Mean and range of a rule's draws at every dose, set apart from the others by `shift`."""
    drawn: dict[float, list[float]] = {}
    for entry in text.ablations:
        if entry.rule == rule:
            drawn.setdefault(entry.percent, []).append(entry.perplexity)
    if not drawn:
        return []
    doses = sorted(drawn)
    middle = np.array([np.mean(drawn[dose]) for dose in doses])
    low, high = (np.array([end(drawn[dose]) for dose in doses]) for end in (min, max))
    draws = max(map(len, drawn.values()))
    label = f"{rule} (mean and range of {draws})" if draws > 1 else rule
    style = rule_style(rule)
    bars = axes.errorbar(
        np.array(doses) * shift, middle, around(middle, low, high), color=GREY, label=label,
        marker=style.mark, ms=4, mec=INK, mew=0.3, capsize=2, lw=1, ls=style.line,
    )  # fmt: skip
    return [bars]


def _perplexity_axis(axes: Axes) -> None:
    """A log scale with plain numbers."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 1000 * low else (1.0,)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
