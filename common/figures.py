"""Figures of a run: pure functions from its numbers to a matplotlib ``Figure``.

Nothing here touches pyplot, so figures can be made in any thread and leave nothing behind. Colours
are those of Okabe and Ito (2008), which the colour-blind can tell apart, and groups differ in their
marks as well; t is shown on a diverging scale that is symmetric about 0. Figures are narrow for
their letters, so that they can be read on a phone.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from common.masks import Mask
from common.selectivity import SelectivityMap, n_chosen
from common.units import Site

TARGET, OTHER, GREY, INK = "#D55E00", "#0072B2", "#8A8A8A", "#222222"
RULE_MARKS = {"random": "o", "layer-matched": "s", "magnitude-matched": "D", "bottom": "v"}
DIVERGING = "PuOr_r"
WIDTH = 5.4  # inches
MOST_LABELS = 40
LONGEST_LABEL = 26
LETTERS_A_LINE = 46


def _figure(height: float = 3.9) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained", dpi=150)
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
    for group, colour, mark, shift in zip(
        groups, (TARGET, OTHER), "os", (0.985, 1.015), strict=True
    ):
        intact = results["intact"][group]
        axes.axhline(100 * intact["accuracy"], color=colour, lw=0.8, ls=":")
        top = [_at(results, dose, "top")[0]["groups"][group] for dose in doses]
        middle = np.array([100 * effect["accuracy"] for effect in top])
        low, high = (np.array([100 * effect["ci"][i] for effect in top]) for i in (0, 1))
        bars = axes.errorbar(
            np.array(doses) * shift, middle, (middle - low, high - middle), color=colour,
            marker=mark, ms=5, capsize=3, lw=1.8, label=f"{_short(group, 18)}: top",
        )  # fmt: skip
        band = _control_band(axes, results, doses, group, colour)
        chance = _chance(axes, results) if group == groups[0] else []
        handles += [bars, *band, *chance]
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


def _chance(axes: Axes, results: dict[str, Any]) -> list[Line2D]:
    chance = results["evaluation"].get("chance", results["model"].get("chance"))
    if chance is None:
        return []
    return [axes.axhline(100 * chance, color=GREY, lw=1, ls=(0, (6, 3)), label="chance", zorder=0)]


def _at(results: dict[str, Any], dose: float, rule: str) -> list[dict[str, Any]]:
    return [e for e in results["ablations"] if e["percent"] == dose and e["rule"] == rule]


def _control_band(
    axes: Axes, results: dict[str, Any], doses: list[float], group: str, colour: str
) -> list[Line2D]:
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
    axes.fill_between(tried, low, high, color=colour, alpha=0.15, lw=0)
    means = [float(np.mean(each)) for each in draws]
    return axes.plot(tried, means, color=colour, lw=1, ls="--", label=label)


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
