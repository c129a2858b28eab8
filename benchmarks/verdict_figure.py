"""The figure of docs/verdict.md: how one run becomes one verdict.

``python -m benchmarks.verdict_figure RUN_FOLDER PICTURE.png`` draws it from a finished run.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from common.effects.margins import KNOTS, design
from common.effects.table import Table, read_table
from common.report.figures.canvas import GREY, INK, OTHER, TARGET
from common.study.results import load_results, read_items

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RULES = ("layer-matched", "magnitude-matched")


def losses_of(table: Table, column: int) -> np.ndarray:
    """Margin intact minus ablated, one number an item."""
    return np.asarray(table.margin - table.margins[:, column])


def fitted(table: Table, losses: np.ndarray) -> tuple[np.ndarray, float]:
    """What the spline of the intact margin says of every item, and the target's own part."""
    alone = np.arange(len(losses), dtype=np.intp)
    solved = design(table.margin, table.target, alone, KNOTS)
    effect = float(solved.effects(losses))
    span = solved.basis @ (solved.basis.T @ losses)
    return span - effect * table.target, effect


def scatter(axes: Axes, table: Table, column: int, names: tuple[str, str]) -> None:
    """Margin loss by intact margin: two curves of one shape, apart by the adjusted effect."""
    losses = losses_of(table, column)
    spline, effect = fitted(table, losses)
    order = np.argsort(table.margin)
    for group, colour, name in ((table.target, TARGET, names[0]), (~table.target, OTHER, names[1])):
        axes.plot(table.margin[group], losses[group], ".", color=colour, ms=4, alpha=0.45)
        own = order[group[order]]
        lifted = spline[own] + effect * table.target[own]
        axes.plot(table.margin[own], lifted, color=colour, lw=2, label=name)
    axes.axhline(0, color=GREY, lw=0.8)
    axes.set_xlabel("intact margin (logits)")
    axes.set_ylabel("margin lost under the mask")
    axes.set_title(f"1. One mask, every item: {effect:+.1f} at equal margin", fontsize=9)
    axes.legend(frameon=False, fontsize=8)


def draws(axes: Axes, table: Table, percent: float) -> None:
    """The adjusted effects of all control draws, and of the top mask."""
    alone = np.arange(len(table.margin), dtype=np.intp)
    solved = design(table.margin, table.target, alone, KNOTS)
    effects = solved.effects(table.margin[:, None] - table.margins)
    of_rules = [effects[table.at(rule, percent)] for rule in RULES]
    top = effects[table.at("top", percent)[0]]
    bins = np.linspace(min(0, *(e.min() for e in of_rules)), max(top, 0), 40).tolist()
    for rule, values, shade in zip(RULES, of_rules, (GREY, INK), strict=True):
        axes.hist(values, bins=bins, alpha=0.6, label=f"{len(values)} {rule}", color=shade)
    axes.axvline(top, color=TARGET, lw=2.5, label="the top mask")
    axes.set_xlabel("adjusted effect (logits)")
    axes.set_ylabel("draws")
    rank = max(1 + int((values >= top).sum()) for values in of_rules)
    axes.set_title(f"2. The same number of every control: rank {rank}", fontsize=9)
    axes.legend(frameon=False, fontsize=8)


def difficulty(axes: Axes) -> None:
    """Why accuracy alone would not do: equal harm, unequal drops."""
    rng = np.random.default_rng(0)
    grid = np.linspace(-4, 8, 400)
    for middle, colour, name in ((0.6, TARGET, "hard group"), (4.0, OTHER, "easy group")):
        margins = rng.normal(middle, 1.3, 4000)
        shape = np.exp(-0.5 * ((grid - middle) / 1.3) ** 2)
        axes.plot(grid, shape, color=colour, lw=1, ls=":")
        axes.plot(grid - 1, shape, color=colour, lw=2)
        drop = 100 * np.mean((margins > 0) & (margins < 1))
        axes.annotate(f"{name}\n−{drop:.0f} % right", (middle - 1, 1.05), ha="center", fontsize=8)
    axes.axvline(0, color=GREY, lw=0.8)
    axes.set_ylim(0, 1.35)
    axes.set_yticks([])
    axes.set_xlabel("margin: right answers are to the right of 0")
    axes.set_title("Why not accuracy? The same harm to every item", fontsize=9)


def main() -> None:
    """Draw the figure of a finished run."""
    folder, picture = Path(sys.argv[1]), Path(sys.argv[2])
    results = load_results(folder)
    percent = results.headline_percent
    target, other = results.evaluation.target, results.evaluation.other
    table = read_table(read_items(folder / "items.csv"), target, other)
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    first, second, third = figure.subplots(1, 3)
    difficulty(first)
    scatter(second, table, int(table.at("top", percent)[0]), (target, other or ""))
    draws(third, table, percent)
    figure.savefig(picture, dpi=110)


if __name__ == "__main__":
    main()
