"""Figures of a run: pure functions from its numbers to a matplotlib ``Figure``.

Nothing here touches pyplot, so figures can be made in any thread and leave nothing behind. Colours
are those of Okabe and Ito (2008), which the colour-blind can tell apart; t is shown on a diverging
scale that is symmetric about 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from common.masks import Mask
from common.selectivity import SelectivityMap, n_chosen

TARGET, OTHER, GREY, INK = "#D55E00", "#0072B2", "#8A8A8A", "#222222"
RULE_MARKS = {"random": "o", "layer-matched": "s", "magnitude-matched": "D", "bottom": "v"}
DIVERGING = "PuOr_r"


def _figure(width: float = 7.2, height: float = 4.0) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def dose_curve(results: dict[str, Any]) -> Figure:
    """Accuracy of both groups by dose, under the top mask and under the matched controls.

    Parameters
    ----------
    results : dict
        What ``results.json`` holds.
    """
    figure, axes = _figure()
    doses = sorted({entry["percent"] for entry in results["ablations"]})
    groups = (results["evaluation"]["target"], results["evaluation"]["other"])
    for group, colour in zip(groups, (TARGET, OTHER), strict=True):
        intact = results["intact"][group]
        axes.axhline(100 * intact["accuracy"], color=colour, lw=0.8, ls=":")
        top = [_at(results, dose, "top")[0]["groups"][group] for dose in doses]
        middle = np.array([100 * effect["accuracy"] for effect in top])
        low, high = (np.array([100 * effect["ci"][i] for effect in top]) for i in (0, 1))
        axes.errorbar(
            doses, middle, (middle - low, high - middle), color=colour, marker="o", capsize=3,
            lw=1.8, label=f"{group}: top units",
        )  # fmt: skip
        _control_band(axes, results, doses, group, colour)
    axes.set_xscale("log")
    axes.set_xticks(doses)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.minorticks_off()
    axes.set_xlabel("units ablated (% of all, log scale)")
    axes.set_ylabel("accuracy (%)")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize="small")
    axes.set_title("Accuracy by dose (bars: 95 % Wilson; dotted: intact)", fontsize="medium")
    return figure


def _at(results: dict[str, Any], dose: float, rule: str) -> list[dict[str, Any]]:
    return [e for e in results["ablations"] if e["percent"] == dose and e["rule"] == rule]


def _control_band(
    axes: Axes, results: dict[str, Any], doses: list[float], group: str, colour: str
) -> None:
    rules = [
        rule
        for rule in ("magnitude-matched", "layer-matched", "random")
        if all(_at(results, dose, rule) for dose in doses)
    ]
    if not rules:
        return
    draws = [
        [100 * e["groups"][group]["accuracy"] for e in _at(results, dose, rules[0])]
        for dose in doses
    ]
    label = f"{group}: {rules[0]} controls (range, mean)"
    low, high = [min(each) for each in draws], [max(each) for each in draws]
    axes.fill_between(doses, low, high, color=colour, alpha=0.15, lw=0)
    axes.plot(doses, [np.mean(each) for each in draws], color=colour, lw=1, ls="--", label=label)


def interactions(results: dict[str, Any], dose: float | None = None) -> Figure:
    """The interaction under the top mask, with its interval, beside that of every control draw."""
    dose = results["headline_percent"] if dose is None else dose
    rules = [r for r in dict.fromkeys(e["rule"] for e in results["ablations"]) if r != "top"]
    rules = [rule for rule in rules if _at(results, dose, rule)]
    figure, axes = _figure(height=1.2 + 0.45 * (len(rules) + 1))
    top = _at(results, dose, "top")[0]
    value, (low, high) = 100 * top["interaction"], (100 * x for x in top["interaction_ci"])
    axes.errorbar(
        [value], [0], xerr=[[value - low], [high - value]], color=TARGET, marker="o", capsize=4
    )
    rng = np.random.default_rng(0)
    for row, rule in enumerate(rules, start=1):
        values = [100 * entry["interaction"] for entry in _at(results, dose, rule)]
        jitter = rng.uniform(-0.18, 0.18, len(values))
        mark = RULE_MARKS.get(rule, "x")
        axes.plot(values, row + jitter, mark, color=GREY, ms=4, alpha=0.8, mew=0)
        axes.plot([np.mean(values)] * 2, [row - 0.3, row + 0.3], color=INK, lw=1.5)
    axes.axvline(0, color=INK, lw=0.6)
    axes.set_yticks(range(len(rules) + 1), ["top", *rules])
    axes.invert_yaxis()
    target, other = results["evaluation"]["target"], results["evaluation"]["other"]
    axes.set_xlabel(f"interaction: drop on {target} minus drop on {other} (percentage points)")
    axes.set_title(f"Top {dose:g} % against control masks of the same size", fontsize="medium")
    return figure


def units_by_site(found: SelectivityMap, mask: Mask, target: str = "target") -> Figure:
    """How large a share of each site's units is in the mask, in running order."""
    figure, axes = _figure()
    counts = mask.counts()
    shares = [100 * counts[site] / site.n_units(found.unit) for site in found.sites]
    places = np.arange(len(found.sites))
    axes.bar(places, shares, color=TARGET, width=0.8)
    if len(places) <= 40:
        for place, site in enumerate(found.sites):
            if counts[site]:
                axes.annotate(str(counts[site]), (place, shares[place]), ha="center", va="bottom")
    _site_ticks(axes, found)
    axes.axhline(mask.percent, color=INK, lw=0.8, ls=":")
    axes.set_ylabel(f"units in the mask (% of the site's {found.unit}s)")
    axes.set_title(
        f"Where the top {mask.percent:g} % for {target} lie (numbers: units; dotted: even spread)",
        fontsize="medium",
    )
    return figure


def _site_ticks(axes: Axes, found: SelectivityMap) -> None:
    names = [site.module if site.end == "output" else str(site) for site in found.sites]
    step = max(1, -(-len(names) // 40))
    axes.set_xticks(range(0, len(names), step), names[::step], rotation=60, ha="right", fontsize=7)
    axes.set_xlabel("site, in running order")


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
    for percent in percents:
        threshold = found.t[found.ranking[n_chosen(found.n_units, percent) - 1]]
        axes.axvline(threshold, color=INK, lw=0.9, ls="--")
        axes.annotate(
            f"{percent:g} %", (threshold, 0.98), xycoords=("data", "axes fraction"), fontsize=7,
            rotation=90, ha="right", va="top",
        )  # fmt: skip
    axes.set_xlabel("Welch's t (target minus control)")
    axes.set_ylabel("units (count, log scale above 1)")
    axes.set_title(f"Selectivity of {found.n_units:,} units (dashed: dose)", fontsize="medium")
    return figure


def _diverging(values: np.ndarray) -> np.ndarray:
    from matplotlib import colormaps

    return np.asarray(colormaps[DIVERGING]((values + 1) / 2))


def selectivity_by_site(found: SelectivityMap, columns: int = 120) -> Figure:
    """t of every site's units, sorted within the site, on a symmetric diverging scale."""
    figure, axes = _figure(height=max(2.4, min(8.0, 1.4 + 0.18 * len(found.sites))))
    shares = np.linspace(1, 0, columns)
    rows = np.stack([np.quantile(found.at(site).ravel(), shares) for site in found.sites])
    bound = max(float(np.abs(rows).max()), 1.0)
    image = axes.imshow(
        rows, cmap=DIVERGING, vmin=-bound, vmax=bound, aspect="auto", extent=(0, 100, len(rows), 0)
    )
    names = [site.module if site.end == "output" else str(site) for site in found.sites]
    step = max(1, -(-len(names) // 40))
    axes.set_yticks(np.arange(0, len(names), step) + 0.5, names[::step], fontsize=7)
    axes.set_xlabel("the site's units by falling t (%)")
    axes.set_title("Selectivity by site", fontsize="medium")
    figure.colorbar(image, ax=axes, label="Welch's t")
    return figure
