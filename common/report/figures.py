"""Figures of a run: pure functions from its numbers to a matplotlib ``Figure``.

Nothing here touches pyplot, so figures can be made in any thread and leave nothing behind. Colours
are those of Okabe and Ito (2008), which the colour-blind can tell apart, and groups differ in their
marks as well; t is shown on a diverging scale that is symmetric about 0. Figures are narrow for
their letters, so that they can be read on a phone.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from common.effects.words import chance_of
from common.measure.masks import Mask
from common.measure.scores import SelectivityMap, n_chosen
from common.measure.sites import Site

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

TARGET, OTHER, GREY, INK = "#D55E00", "#0072B2", "#8A8A8A", "#222222"
RULE_MARKS = {"random": "o", "layer-matched": "s", "magnitude-matched": "D", "bottom": "v"}
DIVERGING = "PuOr_r"
WIDTH = 5.4  # inches
MOST_LABELS = 40
LONGEST_LABEL = 26
LETTERS_A_LINE = 46
MOST_PARTS = 15  # of a level; the table has all
RULES_SHOWN = ("random", "layer-matched", "magnitude-matched")
RULE_LINES = {"random": ":", "layer-matched": "--", "magnitude-matched": "-."}


def _blank(height: float) -> Figure:
    from matplotlib.figure import Figure  # slow to load, and the app's page is up before any figure

    return Figure(figsize=(WIDTH, height), layout="constrained", dpi=150)


def _figure(height: float = 3.9) -> tuple[Figure, Axes]:
    figure = _blank(height)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _say(text: str, width: int = LETTERS_A_LINE) -> str:
    """A title or an axis label that stays inside the figure and is taken as it is, not as TeX."""
    return "\n".join(textwrap.wrap(text, width)).replace("$", r"\$")


def _short(name: str, longest: int = LONGEST_LABEL) -> str:
    """A long name without its middle, taken as it is and not as TeX."""
    if len(name) > longest:
        end = longest // 3
        name = f"{name[: longest - end - 1]}…{name[-end:]}"
    return name.replace("$", r"\$")


def _site_names(sites: Sequence[Site]) -> list[str]:
    """Names for an axis, without the path that all of them share if they are long."""
    names = [site.module if site.end == "output" else str(site) for site in sites]
    parts = [name.split(".") for name in names]
    levels = zip(*(path[:-1] for path in parts), strict=False)
    n_shared = len(list(takewhile(lambda level: len(set(level)) == 1, levels)))
    if n_shared and max(map(len, names)) > LONGEST_LABEL:
        names = ["…" + ".".join(each[n_shared:]) for each in parts]
    return [_short(name) for name in names]


def dose_curve(results: dict[str, Any]) -> Figure:
    """Accuracy of both groups by dose, under the top mask and under the matched controls.

    Parameters
    ----------
    results : dict
        What ``results.json`` holds.
    """
    figure, axes = _figure(4.4)
    doses = sorted({entry["percent"] for entry in results["ablations"]})
    groups = (results["evaluation"]["target"], results["evaluation"]["other"])
    # Set a little apart, or one group would hide the other where both stay the same.
    handles: list[Any] = []
    for group, colour, mark, dots, shift in zip(
        groups, (TARGET, OTHER), "os", (":", (0, (1, 4))), (0.985, 1.015), strict=True
    ):
        intact = results["intact"][group]
        axes.axhline(100 * intact["accuracy"], color=colour, lw=1, ls=dots)
        top = [_at(results, dose, "top")[0]["groups"][group] for dose in doses]
        middle = np.array([100 * effect["accuracy"] for effect in top])
        low, high = (np.array([100 * effect["ci"][i] for effect in top]) for i in (0, 1))
        bars = axes.errorbar(
            np.array(doses) * shift, middle, (middle - low, high - middle), color=colour,
            marker=mark, ms=5, capsize=3, lw=1.8, label=f"{_short(group, 18)}: top",
        )  # fmt: skip
        band = _control_band(axes, results, doses, group, colour, mark)
        handles += [bars, *band]
    handles += _chance(axes, dict.fromkeys(chance_of(results, group) for group in groups))
    _dose_axis(axes, doses)
    axes.set_ylabel("accuracy (%)")
    axes.set_ylim(0, 104)
    figure.legend(  # outside of the axes, where it hides no data
        handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize="small"
    )
    axes.set_title("Accuracy by dose (bars: 95 % Wilson; dotted: intact)", fontsize="medium")
    return figure


def _dose_axis(axes: Axes, doses: list[float]) -> None:
    axes.set_xscale("log")
    axes.set_xticks(doses, [f"{dose:g}" for dose in doses])
    axes.minorticks_off()
    axes.set_xlabel("units ablated (% of all, log scale)")


def _chance(axes: Axes, levels: Iterable[float | None]) -> list[Line2D]:
    """A line at each level that guessing reaches, with one entry in the legend."""
    lines = [
        axes.axhline(100 * level, color=GREY, lw=1, ls=(0, (6, 3)), label="chance", zorder=0)
        for level in levels
        if level is not None
    ]
    return lines[:1]


def _at(results: dict[str, Any], dose: float, rule: str) -> list[dict[str, Any]]:
    return [e for e in results["ablations"] if e["percent"] == dose and e["rule"] == rule]


def _control_band(
    axes: Axes, results: dict[str, Any], doses: list[float], group: str, colour: str, mark: str
) -> list[Line2D]:
    """Mean and range over the draws of the best matched rule, told apart as the group is."""
    for rule in ("magnitude-matched", "layer-matched", "random"):
        tried = [dose for dose in doses if _at(results, dose, rule)]
        if tried:
            break
    else:
        return []
    draws = [
        [100 * e["groups"][group]["accuracy"] for e in _at(results, dose, rule)] for dose in tried
    ]
    label = f"{_short(group, 18)}: {rule}"
    low, high = [min(each) for each in draws], [max(each) for each in draws]
    axes.fill_between(
        tried, low, high, facecolor=f"{colour}26", edgecolor=f"{colour}66", lw=0,
        hatch="///" if mark == "o" else "...",
    )  # fmt: skip
    means = [float(np.mean(each)) for each in draws]
    return axes.plot(
        tried, means, mark, color=colour, mfc="white", ms=4, lw=1, ls="--", label=label
    )


def interactions(results: dict[str, Any], dose: float | None = None) -> Figure:
    """The interaction under the top mask, with its interval, beside that of every control draw."""
    dose = results["headline_percent"] if dose is None else dose
    rules = [r for r in dict.fromkeys(e["rule"] for e in results["ablations"]) if r != "top"]
    rules = [rule for rule in rules if _at(results, dose, rule)]
    figure, axes = _figure(1.5 + 0.45 * (len(rules) + 1))
    top = _at(results, dose, "top")[0]
    value, (low, high) = 100 * top["interaction"], (100 * x for x in top["interaction_ci"])
    axes.errorbar(
        [value], [0], xerr=[[value - low], [high - value]], color=TARGET, marker="o", capsize=4
    )
    rng = np.random.default_rng(0)
    for row, rule in enumerate(rules, start=1):
        values = [100 * entry["interaction"] for entry in _at(results, dose, rule)]
        mark = RULE_MARKS.get(rule, "x")
        jitter = rng.uniform(-0.18, 0.18, len(values)) if len(values) > 1 else 0.0
        axes.plot(values, row + jitter, mark, color=GREY, ms=5, alpha=0.8, mec=INK, mew=0.3)
        if len(values) > 1:
            axes.plot([np.mean(values)] * 2, [row - 0.3, row + 0.3], color=INK, lw=1.5)
    axes.axvline(0, color=INK, lw=0.8, ls=":")
    _not_flat(axes)
    axes.set_yticks(range(len(rules) + 1), ["top", *rules])
    axes.set_ylim(len(rules) + 0.6, -0.6)
    target, other = results["evaluation"]["target"], results["evaluation"]["other"]
    axes.set_xlabel(
        _say(f"interaction: drop on {target} minus drop on {other} (percentage points)")
    )
    against = "against control masks of the same size" if rules else "alone: no control masks"
    axes.set_title(f"Top {dose:g} % {against}", fontsize="medium")
    return figure


def _not_flat(axes: Axes) -> None:
    """At least a percentage point to either side, or rounding would look like an effect."""
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, -1.0), max(high, 1.0))


def units_by_site(found: SelectivityMap, mask: Mask, target: str = "target") -> Figure:
    """How large a share of each site's units is in the mask, in running order."""
    figure, axes = _figure(_height_for(found.sites))
    counts = mask.counts()
    shares = [100 * counts[site] / site.n_units(found.unit) for site in found.sites]
    places = np.arange(len(found.sites)) + 0.5
    axes.barh(places, shares, color=TARGET, height=0.8 if len(places) <= 60 else 1.0)
    if len(places) <= MOST_LABELS:
        for place, share, site in zip(places, shares, found.sites, strict=True):
            if counts[site]:
                axes.annotate(
                    f"{counts[site]:,}", (share, place), (3, 0), textcoords="offset points",
                    va="center", fontsize=7,
                )  # fmt: skip
    _site_axis(axes, found)
    axes.margins(x=0.09)
    axes.set_xlim(left=0)
    axes.axvline(mask.percent, color=INK, lw=0.8, ls=":")
    axes.set_xlabel(_say(f"units in the mask (% of the site's {found.unit}s; dotted: even spread)"))
    axes.set_title(_say(f"The top {mask.percent:g} % for {target}, by site"), fontsize="medium")
    return figure


def _height_for(sites: Sequence[Site]) -> float:
    return max(2.6, min(8.0, 1.5 + 0.2 * len(sites)))


def _site_axis(axes: Axes, found: SelectivityMap) -> None:
    """Sites from the first at the top; of many, only some are named."""
    names = _site_names(found.sites)
    step = max(1, -(-len(names) // MOST_LABELS))
    size = 8 if len(names) <= 20 else 7
    axes.set_yticks(np.arange(0, len(names), step) + 0.5, names[::step], fontsize=size)
    axes.set_ylim(len(names), 0)
    axes.set_ylabel("site, in running order" + ("" if step == 1 else f" (1 in {step} named)"))


def t_distribution(found: SelectivityMap, percents: list[float]) -> Figure:
    """Histogram of t over all units, with the threshold of each dose."""
    figure, axes = _figure()
    bound = max(float(np.abs(found.t).max()), 1.0)
    edges = np.linspace(-bound, bound, 81)
    counts, _ = np.histogram(found.t, edges)
    middles = (edges[:-1] + edges[1:]) / 2
    colours = _diverging(middles / bound)
    axes.bar(middles, counts, width=np.diff(edges), color=colours, edgecolor=INK, linewidth=0.3)
    axes.set_yscale("symlog", linthresh=1)
    # Room above the bars for the names of the thresholds.
    axes.set_ylim(0, 4.0 * max(1, counts.max()))
    thresholds = [found.t[found.ranking[n_chosen(found.n_units, p) - 1]] for p in percents]
    for threshold, percent, level in zip(
        thresholds, percents, _levels(thresholds, 0.2 * bound), strict=True
    ):
        axes.axvline(threshold, color=INK, lw=0.9, ls="--")
        axes.annotate(
            f"{percent:g} %", (threshold, 0.99 - 0.06 * level), (-2, 0),
            xycoords=("data", "axes fraction"), textcoords="offset points", fontsize=7.5,
            ha="right", va="top",
            bbox={"boxstyle": "round,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.85},
        )  # fmt: skip
    axes.set_xlabel("Welch's t (target minus control)")
    axes.set_ylabel("units (count, log scale above 1)")
    axes.set_title(
        f"Selectivity of {found.n_units:,} units (dashed: threshold of a dose)", fontsize="medium"
    )
    return figure


def _levels(places: Sequence[float], apart: float) -> list[int]:
    """A line for each label, so that labels on one line are at least `apart` from each other."""
    ends: list[float] = []
    levels = [0] * len(places)
    for number in np.argsort(places, kind="stable"):
        free = [level for level, end in enumerate(ends) if places[number] - end >= apart]
        level = free[0] if free else len(ends)
        ends[level : level + 1] = [places[number]]
        levels[number] = level
    return levels


def _diverging(values: np.ndarray) -> np.ndarray:
    from matplotlib import colormaps

    return np.asarray(colormaps[DIVERGING]((values + 1) / 2))


def selectivity_by_site(found: SelectivityMap, columns: int = 120) -> Figure:
    """t of every site's units, sorted within the site, on a symmetric diverging scale."""
    figure, axes = _figure(_height_for(found.sites))
    shares = np.linspace(1, 0, columns)
    rows = np.stack([np.quantile(found.at(site).ravel(), shares) for site in found.sites])
    bound = max(float(np.abs(rows).max()), 1.0)
    image = axes.imshow(
        rows, cmap=DIVERGING, vmin=-bound, vmax=bound, aspect="auto", extent=(0, 100, len(rows), 0)
    )
    _site_axis(axes, found)
    axes.set_xlabel("the site's units by falling t (%)")
    axes.set_title("Selectivity by site", fontsize="medium")
    figure.colorbar(image, ax=axes, label="Welch's t (target minus control)")
    return figure


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
    """
    names = np.asarray(conditions)
    rows = _condition_rows(responses, names, target)
    figure = _blank(3.3 + 0.26 * len(rows))
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
    above.set_ylabel("% of the side")
    above.legend(frameon=False, fontsize="small")
    above.set_title(_say(title), fontsize="medium")
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
    axes.set_yticks(range(len(rows)), [_short(name, 18) for name, _ in rows], fontsize="small")
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel(_say("response (bar: mean of the condition)"))


def _around(middle: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Lengths of error bars, shape (2, n).

    Where all values are alike, rounding may put an end on the wrong side of the middle.
    """
    return np.maximum([middle - low, high - middle], 0)


def lost_parts(entries: Sequence[dict[str, Any]]) -> Figure:
    """The parts of a level that lost most under the top mask, with their intervals.

    Parameters
    ----------
    entries : sequence of dict
        The entries of one level and dose of ``breakdown`` in ``results.json``.
    """
    worst = sorted(entries, key=lambda entry: -entry["drop"])[:MOST_PARTS]
    figure, axes = _figure(1.7 + 0.27 * len(worst))
    rows = np.arange(len(worst))
    drops = np.array([100 * entry["drop"] for entry in worst])
    low, high = (np.array([100 * entry["drop_ci"][end] for entry in worst]) for end in (0, 1))
    bars = axes.errorbar(
        drops, rows - 0.12, xerr=_around(drops, low, high), color=TARGET, marker="o", ms=4,
        capsize=2, lw=0, elinewidth=1.4, label="top (bar: 95 % interval)",
    )  # fmt: skip
    rule = _nearest_rule(worst)
    handles: list[Any] = [bars]
    if rule is not None:
        drawn = [entry["controls"][rule] for entry in worst]
        mean, most = (
            np.array([100 * each[key] for each in drawn]) for key in ("drop_mean", "drop_max")
        )
        handles += axes.plot(
            mean, rows + 0.18, RULE_MARKS[rule], color=GREY, mec=INK, mew=0.3, ms=4,
            label=f"{rule} (mean; line: to the largest draw)",
        )  # fmt: skip
        axes.hlines(rows + 0.18, mean, most, color=GREY, lw=1)
    axes.axvline(0, color=INK, lw=0.8, ls=":")
    _not_flat(axes)
    axes.set_yticks(rows, [_short(entry["part"], 30) for entry in worst], fontsize=8)
    axes.set_ylim(len(worst) - 0.4, -0.6)
    axes.set_xlabel("drop: intact minus ablated accuracy\n(percentage points)")
    figure.legend(handles=handles, loc="outside lower center", frameon=False, fontsize="small")
    level, dose = worst[0]["level"], worst[0]["percent"]
    some = "" if len(worst) == len(entries) else f" ({len(worst)} of {len(entries)})"
    title = f"Drop by {level}{some} under the top {dose:g} %"
    axes.set_title(_say(title, 32), fontsize="medium")
    return figure


def _nearest_rule(entries: Sequence[dict[str, Any]]) -> str | None:
    """The control that is matched best among those that were drawn."""
    return next((rule for rule in RULES_SHOWN[::-1] if rule in entries[0]["controls"]), None)


def perplexity_curve(text: dict[str, Any]) -> Figure:
    """Perplexity of one text by dose, intact, under the top mask and under the drawn controls.

    Windows of a text differ more from each other than a mask changes them, so the interval shown is
    that of the rise over intact, paired by window.

    Parameters
    ----------
    text : dict
        One entry of ``perplexity`` in ``results.json``.
    """
    figure, axes = _figure(4.3)
    doses = sorted({entry["percent"] for entry in text["ablations"]})
    intact = text["intact"]["perplexity"]
    handles: list[Any] = [axes.axhline(intact, color=INK, lw=1.2, ls=":", label="intact")]
    tops = [entry for entry in text["ablations"] if entry["rule"] == "top"]
    tops.sort(key=lambda entry: entry["percent"])
    middle = np.array([entry["perplexity"] for entry in tops])
    low, high = (
        intact * np.exp([min(entry["rise_ci"][end], 600.0) for entry in tops]) for end in (0, 1)
    )
    handles.append(
        axes.errorbar(
            doses, middle, _around(middle, low, high), color=TARGET, marker="o", ms=5, capsize=3,
            lw=1.8, label="top (bars: 95 % interval of the rise)",
        )
    )  # fmt: skip
    for place, rule in enumerate(RULES_SHOWN):
        handles += _perplexities_of(axes, text, rule, 1.02 + 0.015 * place)
    _dose_axis(axes, doses)
    axes.set_xlim(doses[0] / 1.2, doses[-1] * 1.2)
    _perplexity_axis(axes)
    axes.set_ylabel(f"perplexity a token (windows of {text['window']})")
    axes.set_title(_say(f"Perplexity of {text['text']} by dose"), fontsize="medium")
    figure.legend(handles=handles, loc="outside lower center", frameon=False, fontsize="small")
    return figure


def _perplexities_of(axes: Axes, text: dict[str, Any], rule: str, shift: float) -> list[Any]:
    """Mean and range of a rule's draws at every dose, set apart from the others by `shift`."""
    drawn: dict[float, list[float]] = {}
    for entry in text["ablations"]:
        if entry["rule"] == rule:
            drawn.setdefault(entry["percent"], []).append(entry["perplexity"])
    if not drawn:
        return []
    doses = sorted(drawn)
    middle = np.array([np.mean(drawn[dose]) for dose in doses])
    low, high = (np.array([end(drawn[dose]) for dose in doses]) for end in (min, max))
    draws = max(map(len, drawn.values()))
    label = f"{rule} (mean and range of {draws})" if draws > 1 else rule
    bars = axes.errorbar(
        np.array(doses) * shift, middle, _around(middle, low, high), color=GREY, label=label,
        marker=RULE_MARKS[rule], ms=4, mec=INK, mew=0.3, capsize=2, lw=1, ls=RULE_LINES[rule],
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
    figure, axes = _figure(1.9 + 0.36 * len(top))
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
                xerr=_around(*(part[name].to_numpy() for name in ("response", "low", "high"))),
                error_kw={"ecolor": INK, "capsize": 2, "lw": 1},
            )
        )  # fmt: skip
    handles += _control_responses(axes, table, top, rows)
    axes.axvline(0, color=INK, lw=0.8)
    axes.axvline(1, color=INK, lw=0.8, ls=":")
    names = [
        _short(kind_name(*pair), 28) for pair in zip(top["set"], top["condition"], strict=True)
    ]
    axes.set_yticks(rows, names, fontsize=8)
    axes.set_ylim(rows[-1] + 0.7, -0.7)
    axes.set_xlabel(_say("mean response (1, dotted: the units’ average over the localizer)"))
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
        middle, rows + 0.22, xerr=_around(middle, low, high), color=GREY, lw=0, elinewidth=1.4,
        marker=RULE_MARKS.get(rule, "x"), ms=5, mec=INK, mew=0.3, capsize=2, label=label,
    )  # fmt: skip
    return [bars]
