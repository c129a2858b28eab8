"""What masks cost, by how loud their units are."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from common.effects.massive import Massive
from common.effects.nouns import in_words_of
from common.effects.results import Results
from common.measure.massive import MASSIVE, WITHOUT_MASSIVE
from common.measure.matching import MATCHED_PART, UNMATCHED_PART
from common.report.figures.canvas import GREY, INK, TARGET, figure_with_axes, rule_style, say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OWN = {
    "top": ("o", TARGET, "top"),
    WITHOUT_MASSIVE: ("o", "white", "top without its massive units"),
    MATCHED_PART: ("^", "white", "matched part of the top"),
    UNMATCHED_PART: ("v", "white", "unmatched part of the top"),
    MASSIVE: ("*", INK, "all massive units alone"),
}
"""Marker, face and name of the masks that are drawn once."""


def loss_by_loudness(
    results: Results, massive: Massive, losses: Mapping[str, float], what: str
) -> Figure:
    """Each mask of the headline dose: how loud its units are, and what it costs.

    Parameters
    ----------
    results : Results
        Of a run.
    massive : Massive
        How loud its masks are.
    losses : mapping of str to float
        By mask, what it costs.
    what : str
        What that is, with its unit.
    """
    figure, axes = figure_with_axes(4.6)
    dose = results.headline_percent
    handles: list[Any] = []
    tell = partial(in_words_of, results.selectivity.unit)
    for rule in results.rules(dose):
        names = [entry.mask for entry in results.at(dose, rule) if entry.mask in massive.masks]
        x = np.array([massive.masks[name] for name in names])
        y = np.array([losses[name] for name in names])
        kept = (x > 0) & np.isfinite(y)
        mark, face, label = OWN.get(rule, (rule_style(rule).mark, GREY, rule))
        own = rule in OWN
        colour, edge = (TARGET, TARGET) if own else (GREY, INK)
        handles += axes.plot(
            x[kept], y[kept], mark, color=colour, mfc=face, mec=edge, lw=0,
            mew=1.4 if own else 0.3, ms=9 if own else 4, alpha=1 if own else 0.7,
            zorder=3 if own else 2, label=tell(label),
        )  # fmt: skip
    axes.axhline(0, color=INK, lw=0.8, ls=":")
    axes.set_xscale("log")
    along = "loudness of the mask’s units, times the median unit of their site (log)"
    axes.set_xlabel(tell(along))
    axes.set_ylabel(say(what, 40))
    title = f"What is lost at {dose:g} %, by how loud the units are"
    axes.set_title(tell(title), fontsize="medium")
    figure.legend(
        handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize="small"
    )
    return figure
