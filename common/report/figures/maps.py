"""What the localizer found: where the units lie, how selective they are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import TYPE_CHECKING

import numpy as np

from common.effects.nouns import in_words_of
from common.measure.masks import Mask
from common.measure.scores import SelectivityMap
from common.measure.sites import WEIGHT, Site
from common.report.figures.canvas import INK, LONGEST_LABEL, TARGET, figure_with_axes, say, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DIVERGING = "PuOr_r"
MOST_LABELS = 40


def units_by_site(found: SelectivityMap, mask: Mask, target: str = "target") -> Figure:
    """How large a share of each site's units is in the mask, in running order.

    Examples
    --------
    >>> figure = figures.units_by_site(found, top_percent(found, 25), "faces")
    >>> figure.axes[0].get_title()
    'The top 25 % for faces, by site'
    """
    figure, axes = figure_with_axes(_height_for(found.sites))
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
    site_axis(axes, found)
    axes.margins(x=0.09)
    axes.set_xlim(left=0)
    axes.axvline(mask.percent, color=INK, lw=0.8, ls=":")
    word = found.sites[0].unit_word(found.unit)
    along = f"units in the mask (% of the site's {word}s; dotted: even spread)"
    axes.set_xlabel(say(in_words_of(found.unit, along)))
    title = f"The top {mask.percent:g} % for {target}, by {in_words_of(found.unit, 'site')}"
    axes.set_title(say(title), fontsize="medium")
    return figure


def _height_for(sites: Sequence[Site]) -> float:
    return max(2.6, min(8.0, 1.5 + 0.2 * len(sites)))


def site_axis(axes: Axes, found: SelectivityMap) -> None:
    """Sites from the first at the top; of many, only some are named."""
    names = _site_names(found.sites)
    step = max(1, -(-len(names) // MOST_LABELS))
    size = 8 if len(names) <= 20 else 7
    axes.set_yticks(np.arange(0, len(names), step) + 0.5, names[::step], fontsize=size)
    axes.set_ylim(len(names), 0)
    order = "tensor, in the model's order" if found.unit == WEIGHT else "site, in running order"
    axes.set_ylabel(order + ("" if step == 1 else f" (1 in {step} named)"))


def _site_names(sites: Sequence[Site]) -> list[str]:
    """Names for an axis, without the path that all of them share if they are long."""
    names = [str(site).removesuffix(":output") for site in sites]
    parts = [name.split(".") for name in names]
    levels = zip(*(path[:-1] for path in parts), strict=False)
    n_shared = len(list(takewhile(lambda level: len(set(level)) == 1, levels)))
    if n_shared and max(map(len, names)) > LONGEST_LABEL:
        names = ["…" + ".".join(each[n_shared:]) for each in parts]
    return [short(name) for name in names]


def t_distribution(found: SelectivityMap, percents: list[float]) -> Figure:
    """Histogram of the score over all units, with the threshold of each dose.

    Examples
    --------
    >>> figure = figures.t_distribution(found, [25])
    >>> figure.axes[0].get_xlabel()
    "Welch's t (target minus control)"
    """
    figure, axes = figure_with_axes()
    value = found.score.value
    bound = bound_of(value, found)
    edges = np.linspace(-bound, bound, 81)
    counts, _ = np.histogram(value, edges)
    middles = (edges[:-1] + edges[1:]) / 2
    colours = _diverging(middles / bound)
    axes.bar(middles, counts, width=np.diff(edges), color=colours, edgecolor=INK, linewidth=0.3)
    axes.set_yscale("symlog", linthresh=1)
    # Room above the bars for the names of the thresholds.
    axes.set_ylim(0, 4.0 * max(1, counts.max()))
    thresholds = [value[found.ranking[found.n_chosen(p) - 1]] for p in percents]
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
    axes.set_xlabel(say(found.score.words.label))
    axes.set_ylabel(in_words_of(found.unit, "units (count, log scale above 1)"))
    title = f"Selectivity of {found.n_units:,} units (dashed: threshold of a dose)"
    axes.set_title(in_words_of(found.unit, title), fontsize="medium")
    return figure


def bound_of(values: np.ndarray, found: SelectivityMap) -> float:
    """Half-width of an axis of scores."""
    return max(float(np.abs(values).max()), found.score.words.scale) or 1.0


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
    """The score of every site's units, sorted within the site, on a symmetric diverging scale.

    Examples
    --------
    >>> figures.selectivity_by_site(found).axes[0].get_title()
    'Selectivity by site'
    """
    figure, axes = figure_with_axes(_height_for(found.sites))
    shares = np.linspace(1, 0, columns)
    rows = np.stack([np.quantile(found.at(site).ravel(), shares) for site in found.sites])
    bound = bound_of(rows, found)
    image = axes.imshow(
        rows, cmap=DIVERGING, vmin=-bound, vmax=bound, aspect="auto", extent=(0, 100, len(rows), 0)
    )
    site_axis(axes, found)
    along = f"the site's units by falling {found.score.words.symbol} (%)"
    axes.set_xlabel(say(in_words_of(found.unit, along)))
    axes.set_title(in_words_of(found.unit, "Selectivity by site"), fontsize="medium")
    figure.colorbar(image, ax=axes, label=say(found.score.words.label, 32))
    return figure
