"""What units answer to: one unit to every stimulus, chosen units to every kind of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from common.report.figures.canvas import (
    GREY,
    INK,
    OTHER,
    TARGET,
    around,
    blank_figure,
    figure_with_axes,
    rule_style,
    say,
    short,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def unit_responses(
    responses: np.ndarray, conditions: Sequence[str], target: np.ndarray, title: str
) -> Figure:
    """One unit's responses to every stimulus: both sides as histograms, every condition as a row.

    Parameters
    ----------
    responses : array of shape (n_stimuli,)
        In the units of the map's means.
    conditions : sequence of str of length n_stimuli
        The condition of each stimulus.
    target : array of bool of shape (n_stimuli,)
        Which stimuli are the target's.
    title : str
        Which unit this is.

    Examples
    --------
    >>> mask = mask_by_hand(found, {"3": [5]})
    >>> with respond_each(model, mask, found) as answers:
    ...     _ = model(faces), model(objects)
    >>> responses = np.concatenate(answers)[:, 0]
    >>> sides = np.repeat([True, False], [len(faces), len(objects)])
    >>> figure = figures.unit_responses(responses, groups, sides, "unit 5 of 3")
    >>> len(figure.axes)
    2
    """
    names = np.asarray(conditions)
    rows = _condition_rows(responses, names, target)
    figure = blank_figure(3.3 + 0.26 * len(rows))
    above, below = figure.subplots(
        2, sharex=True, height_ratios=(2.2, 0.7 + 0.26 * len(rows)), squeeze=True
    )
    edges = np.histogram_bin_edges(responses, 30)
    for side, (word, colour, line) in zip(
        (True, False), (("target", TARGET, "-"), ("control", OTHER, "--")), strict=True
    ):
        own = responses[target == side]
        style = {"histtype": "stepfilled", "facecolor": f"{colour}44", "edgecolor": colour}
        above.hist(
            own, edges, weights=np.full(len(own), 100 / len(own)), ls=line, lw=1.5,
            label=f"{word} (n = {len(own):,})", **style,
        )  # fmt: skip
    above.set_ylabel("stimuli of the side (%)")
    above.legend(frameon=False, fontsize="small")
    above.set_title(say(title), fontsize="medium")
    _strips(below, responses, names, target, rows)
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _condition_rows(
    responses: np.ndarray, names: np.ndarray, target: np.ndarray
) -> list[tuple[str, bool]]:
    """Conditions and their sides: the target's first, and the strongest of each side first."""
    rows = {(str(name), bool(side)) for name, side in zip(names, target, strict=True)}

    def order(row: tuple[str, bool]) -> tuple[bool, float, str]:
        name, side = row
        return not side, -float(responses[(names == name) & (target == side)].mean()), name

    return sorted(rows, key=order)


def _strips(
    axes: Axes,
    responses: np.ndarray,
    names: np.ndarray,
    target: np.ndarray,
    rows: Sequence[tuple[str, bool]],
) -> None:
    """A dot a stimulus and a bar at the mean, one row a condition."""
    rng = np.random.default_rng(0)
    for row, (name, side) in enumerate(rows):
        own = responses[(names == name) & (target == side)]
        colour, mark = (TARGET, "o") if side else (OTHER, "s")
        height = row + rng.uniform(-0.25, 0.25, len(own))
        axes.plot(own, height, mark, color=colour, ms=2, alpha=0.35, mew=0)
        axes.plot([own.mean()] * 2, [row - 0.38, row + 0.38], color=INK, lw=1.6)
    axes.set_yticks(range(len(rows)), [short(name, 18) for name, _ in rows], fontsize="small")
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_ylabel("condition")
    axes.set_xlabel(say("response (bar: mean of the condition)"))


def kind_name(source: str, condition: str) -> str:
    """A condition of a text set as a reader tells it from others: ``emotion: anger``, ``math``."""
    return source if source == condition else f"{source}: {condition}"


def response_profile(table: pd.DataFrame) -> Figure:
    """Mean response of the top and of the control units to each condition of every text set.

    Parameters
    ----------
    table : DataFrame
        A run's ``profile.csv``: columns set, condition, own, n, mask, rule, response, low, high.
    """
    top = table[table["rule"] == "top"].reset_index(drop=True)
    figure, axes = figure_with_axes(1.9 + 0.36 * len(top))
    # A gap wherever another set begins; the same one may come again further down.
    begins = (top["set"] != top["set"].shift()).to_numpy()
    rows = np.arange(len(top)) + 0.6 * (begins.cumsum() - 1)
    own = top["own"].to_numpy(dtype=bool)
    handles: list[Any] = []
    for chosen, hatch, label in (
        (~own, None, "top (bar: 95 % interval)"),
        (own, "////", "top, on the localizer’s own texts"),
    ):
        part = top[chosen]
        if part.empty:
            continue
        handles.append(
            axes.barh(
                rows[chosen] - 0.16, part["response"], height=0.44, label=label, hatch=hatch,
                color="white" if hatch else TARGET, edgecolor=TARGET, linewidth=0.8,
                xerr=around(*(part[name].to_numpy() for name in ("response", "low", "high"))),
                error_kw={"ecolor": INK, "capsize": 2, "lw": 1},
            )
        )  # fmt: skip
    handles += _control_responses(axes, table, top, rows)
    axes.axvline(0, color=INK, lw=0.8)
    axes.axvline(1, color=INK, lw=0.8, ls=":")
    names = [short(kind_name(*pair), 28) for pair in zip(top["set"], top["condition"], strict=True)]
    axes.set_yticks(rows, names, fontsize=8)
    axes.set_ylim(rows[-1] + 0.7, -0.7)
    axes.set_ylabel("texts")
    axes.set_xlabel(say("mean response (1, dotted: the units’ average over the localizer)"))
    axes.set_title("Response profile of the chosen units", fontsize="medium")
    figure.legend(handles=handles, loc="outside lower center", frameon=False, fontsize="small")
    return figure


def _control_responses(
    axes: Axes, table: pd.DataFrame, top: pd.DataFrame, rows: np.ndarray
) -> list[Any]:
    """Mean and range over the control masks, in the rows of the top mask's bars."""
    drawn = table[table["rule"] != "top"]
    if drawn.empty:
        return []
    kinds = drawn.groupby(["set", "condition"])["response"]
    spread = kinds.agg(["mean", "min", "max"]).reindex(
        pd.MultiIndex.from_frame(top[["set", "condition"]])
    )
    middle, low, high = (spread[name].to_numpy() for name in ("mean", "min", "max"))
    rule, draws = drawn["rule"].iloc[0], drawn["mask"].nunique()
    label = f"{rule} (mean and range of {draws})" if draws > 1 else str(rule)
    bars = axes.errorbar(
        middle, rows + 0.22, xerr=around(middle, low, high), color=GREY, lw=0, elinewidth=1.4,
        marker=rule_style(str(rule)).mark, ms=5, mec=INK, mew=0.3, capsize=2, label=label,
    )  # fmt: skip
    return [bars]
