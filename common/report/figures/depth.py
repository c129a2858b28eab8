"""Selectivity along the depth of a model, coloured by what is read there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from common.measure.masks import Mask
from common.measure.operations import OPERATIONS
from common.measure.scores import SelectivityMap
from common.report.figures.canvas import GREY, INK, figure_with_axes, say, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLES = (("#D55E00", "o"), ("#0072B2", "s"), ("#009E73", "^"), ("#CC79A7", "D"), ("#56B4E9", "v"),
          ("#E69F00", "P"))  # fmt: skip
OTHERS = "others"
LONGEST_NAME = 22


def by_operation(found: SelectivityMap, mask: Mask) -> Figure:
    """Every operation in running order, coloured by its class: the best unit and the median one.

    Parameters
    ----------
    found : SelectivityMap
        Whose description has the operations.
    mask : Mask
        Operations that hold units of it are full.
    """
    names = [found.about[OPERATIONS].get(str(site), OTHERS) for site in found.sites]
    known = [name for name, _ in Counter(names).most_common(len(STYLES))]
    names = [name if name in known else OTHERS for name in names]
    figure, axes = figure_with_axes(4.2)
    places = np.arange(len(names), dtype=float)
    for name in dict.fromkeys(names):
        own = np.array([each == name for each in names])
        colour, mark = STYLES[known.index(name)] if name in known else (GREY, "x")
        _sites(axes, found, mask, own, places[own], colour, mark, short(name, LONGEST_NAME))
    axes.set_xlabel("operations, in running order")
    _finish(figure, axes, found, "Selectivity by operation and depth")
    return figure


def by_kind(maps: Mapping[str, SelectivityMap], masks: Mapping[str, Mask]) -> Figure:
    """Every site of every kind along the depth of the model: the best unit and the median one.

    Depth is a site's place among those of its kind in running order, from 0 to 1.
    """
    figure, axes = figure_with_axes(4.2)
    for number, (kind, found) in enumerate(maps.items()):
        n = len(found.sites)
        places = (np.arange(n) + 0.5) / n
        colour, mark = (GREY, ".") if kind == "op" else STYLES[number % len(STYLES)]
        _sites(axes, found, masks[kind], np.ones(n, dtype=bool), places, colour, mark, kind)
    axes.set_xlabel("depth: place among the sites of the kind")
    axes.set_xlim(0, 1)
    _finish(figure, axes, next(iter(maps.values())), "Selectivity by kind and depth")
    return figure


def _sites(
    axes: Axes,
    found: SelectivityMap,
    mask: Mask,
    own: np.ndarray,
    places: np.ndarray,
    colour: str,
    mark: str,
    label: str,
) -> None:
    """Sites of one kind: a line from the median unit to the best, full where the mask has some."""
    sites = [site for site, inside in zip(found.sites, own.tolist(), strict=True) if inside]
    best, middle = extremes(found, [found.sites.index(site) for site in sites])
    counts = mask.counts()
    full = np.array([counts[site] > 0 for site in sites])
    axes.vlines(places, middle, best, color=colour, lw=0.8, alpha=0.6)
    axes.plot(places[~full], best[~full], mark, color=colour, mfc="white", ms=5, ls="")
    axes.plot(places[full], best[full], mark, color=colour, ms=6.5, ls="")
    axes.plot([], [], mark, color=colour, ms=6, ls="", label=label)


def extremes(found: SelectivityMap, numbers: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """The highest score of some sites and the median one, each of shape (n_sites,)."""
    rows = [found.score.value[found.offsets[i] : found.offsets[i + 1]] for i in numbers]
    return np.array([row.max() for row in rows]), np.array([np.median(row) for row in rows])


def _finish(figure: Figure, axes: Axes, found: SelectivityMap, title: str) -> None:
    axes.axhline(0, color=INK, lw=0.8, ls=":")
    axes.set_ylabel(say(f"{found.score.words.symbol}: best unit (line: to the median one)"))
    axes.set_title(title, fontsize="medium")
    figure.legend(loc="outside lower center", frameon=False, fontsize="small", ncols=3)
