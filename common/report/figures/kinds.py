"""The adjusted effect at every kind of site, beside that of matched units of the same kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from common.effects.claim import YES
from common.effects.site_kinds import AskedKinds, ComparedSites, KindEffect
from common.report.figures.adjusted import draws, reach, within
from common.report.figures.canvas import INK, TARGET, around, figure_with_axes, rule_style, say

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

APART = 0.6  # between two kinds, in rows


def effects_by_kind(found: ComparedSites, asked: AskedKinds) -> Figure:
    """A band of rows a kind: the top mask with its interval, and below it each matched rule's
    draws; full where there is evidence over all kinds."""
    ranked = asked.ranked
    names = [name for each in ranked for name in (each.kind, *(r.rule for r in each.drawn))]
    figure, axes = figure_with_axes(1.6 + 0.34 * len(names) + 0.2 * len(ranked))
    ends = reach(
        [
            *(end for each in ranked for end in each.adjusted.ci),
            *(value for each in ranked for rule in each.drawn for value in rule.effects),
        ]
    )
    rng, rows, row = np.random.default_rng(0), [], 0.0
    for each in ranked:
        _top(axes, each, row, ends)
        for number, rule in enumerate(each.drawn, 1):
            draws(axes, rule.effects, row + number, rule_style(rule.rule).mark, rng)
        rows += [row + number for number in range(1 + len(each.drawn))]
        row = rows[-1] + 1 + APART
    axes.axvline(0, color=INK, lw=0.8, ls=":")
    axes.set_xlim(*ends)
    axes.set_yticks(rows, names)
    for label in axes.get_yticklabels():
        label.set_fontsize(10 if label.get_text() in {each.kind for each in ranked} else 7.5)
    axes.set_ylim(rows[-1] + 0.6, -0.6)
    axes.set_xlabel(say(f"{_what(asked)} (units of the margin)"))
    axes.set_title(
        say(f"{found.n_units:,} units of each kind, and matched ones"), fontsize="medium"
    )
    return figure


def _what(asked: AskedKinds) -> str:
    if asked.other is None:
        return f"margin that {asked.target} lost"
    return f"margin that {asked.target} lost more than {asked.other} at equal intact margin"


def _top(axes: Axes, each: KindEffect, row: float, ends: tuple[float, float]) -> None:
    known = each.adjusted
    low, high = within(known.ci, ends)
    xerr = around(np.array([known.effect]), np.array([low]), np.array([high]))
    face = TARGET if each.more_than_matched == YES else "white"
    axes.errorbar([known.effect], [row], xerr=xerr, color=TARGET, mfc=face, marker="o", capsize=4)
