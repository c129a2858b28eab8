"""The figure of docs/verdict.md: how one run becomes one verdict.

``python -m benchmarks.verdict_figure RUN_FOLDER PICTURE.png`` draws it from a finished run.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from common.effects.bench import Bench
from common.effects.resample import Resampler
from common.effects.table import read_table
from common.report.figures.canvas import GREY, INK, OTHER, TARGET
from common.study.results import load_results, read_items

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RULES = ("layer-matched", "magnitude-matched")


def scatter(axes: Axes, bench: Bench, column: int) -> None:
    """Margin loss by intact margin: two curves of one shape, apart by the adjusted effect."""
    table, losses, effect = bench.table, bench.losses[:, column], bench.coefficients[column]
    fitted = bench.design.basis @ (bench.design.basis.T @ losses)
    order = np.argsort(table.margin)
    for (name, group), colour in zip(bench.inside.items(), (TARGET, OTHER), strict=True):
        axes.plot(table.margin[group], losses[group], ".", color=colour, ms=4, alpha=0.45)
        own = order[group[order]]
        axes.plot(table.margin[own], fitted[own], color=colour, lw=2, label=name)
    axes.axhline(0, color=GREY, lw=0.8)
    axes.set_xlabel("intact margin (logits)")
    axes.set_ylabel("margin lost under the mask")
    axes.set_title(f"1. One mask, every item: {effect:+.1f} at equal margin", fontsize=9)
    axes.legend(frameon=False, fontsize=8)


def draws(axes: Axes, bench: Bench, column: int, percent: float) -> None:
    """The adjusted effects of all control draws, and of the top mask."""
    of_rules = [bench.coefficients[bench.table.at(rule, percent)] for rule in RULES]
    top = bench.coefficients[column]
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
    bench = Bench(table, target, other, Resampler(0))
    column = bench.column("top", percent)
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    first, second, third = figure.subplots(1, 3)
    difficulty(first)
    scatter(second, bench, column)
    draws(third, bench, column, percent)
    figure.savefig(picture, dpi=110)


if __name__ == "__main__":
    main()
