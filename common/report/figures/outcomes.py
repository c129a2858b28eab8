"""What was lost under the masks: by dose, against the controls, by part of the evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from common.effects.breakdown import LostPart
from common.effects.results import Results
from common.measure.control_rules import closest
from common.report.figures.canvas import (
    GREY,
    INK,
    OTHER,
    TARGET,
    around,
    dose_axis,
    figure_with_axes,
    not_flat,
    rule_style,
    say,
    short,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

MOST_PARTS = 15  # of a level; the table has all


def dose_curve(results: Results) -> Figure:
    """Accuracy or agreement by dose, under the top mask and under the matched controls.

    Parameters
    ----------
    results : Results
        Of a run.

    Examples
    --------
    >>> len(figures.dose_curve(load_results(run_folder)).axes)
    1
    """
    figure, axes = figure_with_axes(4.4)
    doses = sorted(results.doses)
    # Set a little apart, or one group would hide the other where both stay the same.
    handles: list[Any] = []
    band: list[Line2D] = []
    for group, colour, mark, dots, shift in zip(
        results.groups, (TARGET, OTHER), "os", (":", (0, (1, 4))), (0.985, 1.015), strict=False
    ):
        intact = results.intact[group]
        axes.axhline(100 * intact.accuracy, color=colour, lw=1, ls=dots)
        top = [results.top(dose).groups[group] for dose in doses]
        middle = np.array([100 * effect.accuracy for effect in top])
        low, high = (np.array([100 * effect.ci[i] for effect in top]) for i in (0, 1))
        bars = axes.errorbar(
            np.array(doses) * shift, middle, (middle - low, high - middle), color=colour,
            marker=mark, ms=5, capsize=3, lw=1.8, label=f"{short(group, 18)}: top",
        )  # fmt: skip
        band = _control_band(axes, results, doses, group, colour, mark)
        handles += [bars, *band]
    handles += _chance(axes, dict.fromkeys(map(results.chance, results.groups)))
    dose_axis(axes, doses, results.selectivity.unit)
    measure = results.evaluation.measure
    axes.set_ylabel(f"{measure} (%)")
    axes.set_ylim(0, 104)
    figure.legend(  # outside of the axes, where it hides no data
        handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize="small"
    )
    area = "; area: all draws of the control" if band else ""
    title = f"{measure.capitalize()} by dose\n(bars: 95 % Wilson; dotted: intact{area})"
    axes.set_title(title, fontsize="medium")
    return figure


def _chance(axes: Axes, levels: Iterable[float | None]) -> list[Line2D]:
    """A line at each level that guessing reaches, with one entry in the legend."""
    lines = [
        axes.axhline(100 * level, color=GREY, lw=1, ls=(0, (6, 3)), label="chance", zorder=0)
        for level in levels
        if level is not None
    ]
    return lines[:1]


def _control_band(
    axes: Axes, results: Results, doses: list[float], group: str, colour: str, mark: str
) -> list[Line2D]:
    """Mean and range over the draws of the best matched rule, told apart as the group is."""
    rule = closest((entry.rule for entry in results.ablations), lambda each: each.curve)
    if rule is None:
        return []
    tried = [dose for dose in doses if results.at(dose, rule)]
    draws = [[100 * e.groups[group].accuracy for e in results.at(dose, rule)] for dose in tried]
    label = f"{short(group, 18)}: {rule}"
    low, high = [min(each) for each in draws], [max(each) for each in draws]
    axes.fill_between(
        tried, low, high, facecolor=f"{colour}26", edgecolor=f"{colour}66", lw=0,
        hatch="///" if mark == "o" else "...",
    )  # fmt: skip
    means = [float(np.mean(each)) for each in draws]
    return axes.plot(
        tried, means, mark, color=colour, mfc="white", ms=4, lw=1, ls="--", label=label
    )


def lost_parts(entries: Sequence[LostPart]) -> Figure:
    """The parts of a level that lost most under the top mask, with their intervals.

    Parameters
    ----------
    entries : sequence of LostPart
        All parts of one level at one dose.
    """
    worst = sorted(entries, key=lambda entry: -entry.drop)[:MOST_PARTS]
    figure, axes = figure_with_axes(1.7 + 0.27 * len(worst))
    rows = np.arange(len(worst))
    drops = np.array([100 * entry.drop for entry in worst])
    low, high = (np.array([100 * entry.drop_ci[end] for entry in worst]) for end in (0, 1))
    bars = axes.errorbar(
        drops, rows - 0.12, xerr=around(drops, low, high), color=TARGET, marker="o", ms=4,
        capsize=2, lw=0, elinewidth=1.4, label="top (bar: 95 % interval)",
    )  # fmt: skip
    rule = _nearest_rule(worst)
    handles: list[Any] = [bars]
    if rule is not None:
        drawn = [entry.controls[rule] for entry in worst]
        mean = np.array([100 * each.drop_mean for each in drawn])
        most = np.array([100 * each.drop_max for each in drawn])
        handles += axes.plot(
            mean, rows + 0.18, rule_style(rule).mark, color=GREY, mec=INK, mew=0.3, ms=4,
            label=f"{rule} (mean; line: to the largest draw)",
        )  # fmt: skip
        axes.hlines(rows + 0.18, mean, most, color=GREY, lw=1)
    axes.axvline(0, color=INK, lw=0.8, ls=":")
    not_flat(axes)
    axes.set_yticks(rows, [short(entry.part, 30) for entry in worst], fontsize=8)
    axes.set_ylim(len(worst) - 0.4, -0.6)
    axes.set_ylabel(worst[0].level)
    axes.set_xlabel("drop: intact minus ablated accuracy\n(percentage points)")
    figure.legend(handles=handles, loc="outside lower center", frameon=False, fontsize="small")
    level, dose = worst[0].level, worst[0].percent
    some = "" if len(worst) == len(entries) else f" ({len(worst)} of {len(entries)})"
    title = f"Drop by {level}{some} under the top {dose:g} %"
    axes.set_title(say(title, 32), fontsize="medium")
    return figure


def _nearest_rule(entries: Sequence[LostPart]) -> str | None:
    """The control that is matched best among those that were drawn."""
    return closest(entries[0].controls, lambda rule: rule.curve)
