"""The adjusted effect of the top masks: beside the control draws, and by dose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from common.effects.judgement import Comparison, Estimate, Verdict
from common.effects.results import Results
from common.measure.control_rules import closest
from common.measure.massive import MASSIVE_PARTS
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

LEAST_REACH = 0.05  # of the axis to either side of 0, or rounding would look like an effect
PARTS = ("matched-part", "unmatched-part", *MASSIVE_PARTS)


def adjusted(results: Results, effects: Mapping[str, float], dose: float | None = None) -> Figure:
    """The adjusted effect of the top mask, with its interval, beside that of every control draw.

    Parameters
    ----------
    results : Results
        Of a run.
    effects : mapping of str to float
        The adjusted effect of every mask; see :func:`common.report.draws.adjusted_effects`.
    dose : float, optional
        By default the one that the verdict is about.

    Examples
    --------
    >>> told = load_results(run_folder)
    >>> figure = figures.adjusted(told, adjusted_effects(run_folder, told))
    >>> figure.axes[0].get_title()
    'Top 1 % alone: no control masks'
    """
    dose = results.headline_percent if dose is None else dose
    drawn = {
        rule: [effects[entry.mask] for entry in results.at(dose, rule)]
        for rule in results.rules(dose)
    }
    known = _estimates(results, dose)
    figure, axes = figure_with_axes(1.6 + 0.45 * len(drawn))
    every = [value for values in drawn.values() for value in values]
    low, high = reach([*every, *(end for entry in known.values() for end in entry.ci)])
    rng = np.random.default_rng(0)
    for row, (rule, values) in enumerate(drawn.items()):
        if rule in known:
            full = rule == "top"
            _bar(axes, known[rule], row, (low, high), mfc=TARGET if full else "white")
        elif rule in PARTS:
            axes.plot(values, [row], "o", color=TARGET, mfc="white")
        else:
            draws(axes, values, row, rule_style(rule).mark, rng)
    axes.axvline(0, color=INK, lw=0.8, ls=":")
    axes.set_xlim(low, high)
    axes.set_yticks(range(len(drawn)), [*drawn])
    axes.set_ylim(len(drawn) - 0.4, -0.6)
    axes.set_ylabel("mask")
    axes.set_xlabel(say(f"{_what(results)} (units of the margin)"))
    against = "against control masks" if len(drawn) > 1 else "alone: no control masks"
    axes.set_title(f"Top {dose:g} % {against}", fontsize="medium")
    return figure


def _what(results: Results) -> str:
    target, *other = results.groups
    if not other:
        return f"margin that {target} lost"
    return f"adjusted effect: margin that {target} lost more than {other[0]} at equal intact margin"


def _estimates(results: Results, dose: float) -> dict[str, Estimate]:
    """Effects that have an interval: of the top mask, and of its matched part."""
    judged = {"top": results.judgement.doses, "matched-part": results.judgement.matched_parts}
    return {
        rule: verdict.adjusted
        for rule, verdicts in judged.items()
        for verdict in verdicts
        if verdict.percent == dose
    }


def reach(values: Sequence[float]) -> tuple[float, float]:
    """Ends of an axis that shows all that is finite, and 0."""
    finite = [value for value in values if np.isfinite(value)]
    low, high = min([*finite, -LEAST_REACH]), max([*finite, LEAST_REACH])
    pad = 0.05 * (high - low)
    return low - pad, high + pad


def within(ci: tuple[float, float], ends: tuple[float, float]) -> tuple[float, float]:
    """An interval of which a bound that does not exist lies outside of the axis."""
    far = ends[1] - ends[0]
    return max(ci[0], ends[0] - far), min(ci[1], ends[1] + far)


def _bar(axes: Axes, of: Estimate, row: int, ends: tuple[float, float], mfc: str) -> None:
    low, high = within(of.ci, ends)
    xerr = around(np.array([of.effect]), np.array([low]), np.array([high]))
    axes.errorbar([of.effect], [row], xerr=xerr, color=TARGET, mfc=mfc, marker="o", capsize=4)


def draws(
    axes: Axes, values: Sequence[float], row: float, mark: str, rng: np.random.Generator
) -> None:
    """The effects of a rule's draws in a row, with their mean."""
    jitter = rng.uniform(-0.18, 0.18, len(values)) if len(values) > 1 else 0.0
    size = 5 if len(values) < 50 else 3
    axes.plot(values, row + jitter, mark, color=GREY, ms=size, alpha=0.8, mec=INK, mew=0.3)
    if len(values) > 1:
        axes.plot([np.mean(values)] * 2, [row - 0.3, row + 0.3], color=INK, lw=1.5)


def adjusted_by_dose(results: Results) -> Figure:
    """The adjusted effect by dose, and what the draws of each matched rule have.

    Parameters
    ----------
    results : Results
        Of a run.

    Examples
    --------
    >>> len(figures.adjusted_by_dose(load_results(run_folder)).axes)
    1
    """
    figure, axes = figure_with_axes(4.4)
    tops = sorted(results.judgement.doses, key=lambda verdict: verdict.percent)
    parts = sorted(results.judgement.matched_parts, key=lambda verdict: verdict.percent)
    drawn = _compared(tops)
    ends = reach(
        [
            *(end for verdict in (*tops, *parts) for end in verdict.adjusted.ci),
            *(
                value
                for entries in drawn.values()
                for e in entries.values()
                for value in _levels(e)
            ),
        ]
    )
    handles: list[Any] = [_curve(axes, tops, ends, "top (bars: 95 % interval)", 0.985, TARGET)]
    if parts:
        handles.append(_curve(axes, parts, ends, "its matched part", 1.015, "white"))
    for rule, entries in drawn.items():
        handles += _band(axes, rule, entries)
    axes.axhline(0, color=INK, lw=0.8, ls=":")
    dose_axis(axes, [verdict.percent for verdict in tops], results.selectivity.unit)
    axes.set_ylim(*ends)
    what = "margin lost" if results.evaluation.other is None else "adjusted effect"
    axes.set_ylabel(f"{what} (units of the margin)")
    axes.set_title(say(f"{_what(results)[:1].upper()}{_what(results)[1:]}", 52), fontsize="medium")
    figure.legend(handles=handles, loc="outside lower center", frameon=False, fontsize="small")
    return figure


def _compared(tops: Sequence[Verdict]) -> dict[str, dict[float, Comparison]]:
    """By matched rule and dose, what its draws have; of the others the nearest where none is."""
    drawn: dict[str, dict[float, Comparison]] = {}
    for verdict in tops:
        for entry in verdict.comparisons:
            drawn.setdefault(entry.rule, {})[verdict.percent] = entry
    matched = {
        rule: entries for rule, entries in drawn.items() if any(e.matched for e in entries.values())
    }
    nearest = closest(drawn, lambda rule: rule.curve)
    return matched or ({} if nearest is None else {nearest: drawn[nearest]})


def _levels(entry: Comparison) -> tuple[float, float]:
    return entry.mean, entry.most


def _curve(
    axes: Axes,
    verdicts: Sequence[Verdict],
    ends: tuple[float, float],
    label: str,
    shift: float,
    face: str,
) -> Any:
    doses = np.array([verdict.percent for verdict in verdicts]) * shift
    middle = np.array([verdict.adjusted.effect for verdict in verdicts])
    low, high = np.array([within(verdict.adjusted.ci, ends) for verdict in verdicts]).T
    return axes.errorbar(
        doses, middle, around(middle, low, high), color=TARGET, mfc=face, marker="o", ms=5,
        capsize=3, lw=1.8, label=label,
    )  # fmt: skip


def _band(axes: Axes, rule: str, entries: Mapping[float, Comparison]) -> list[Any]:
    """From the mean over a rule's draws to what 95 % of them stay below."""
    style, doses = rule_style(rule), sorted(entries)
    mean, most = np.array([_levels(entries[dose]) for dose in doses]).T
    axes.fill_between(doses, mean, most, facecolor=f"{GREY}26", edgecolor=f"{GREY}66", lw=0.5)
    return axes.plot(
        doses, mean, style.mark, color=GREY, mfc="white", ms=4, lw=1, ls=style.line,
        label=f"{rule} (mean; band: up to the 95 % quantile)",
    )  # fmt: skip
