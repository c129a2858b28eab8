"""The figures of docs/reading.md: the interaction, the adjusted effect, and p as a rank.

``python -m benchmarks.reading_figures RUN_FOLDER PICTURES_FOLDER`` draws them from a finished run.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from benchmarks.verdict_figure import RULES
from common.effects.bench import Bench
from common.effects.resample import Resampler
from common.effects.results import Results
from common.effects.table import read_table
from common.report.draws import adjusted_effects
from common.report.figures.canvas import GREY, INK, OTHER, TARGET
from common.study.results import load_results, read_items

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = (TARGET, OTHER)


def falls(axes: Axes, results: Results, rule: str, title: str) -> None:
    """Accuracy of both groups, intact and under a rule's masks: the drops, and their difference."""
    drops = []
    draws = results.at(results.headline_percent, rule)
    for group, colour in zip(results.groups, COLOURS, strict=True):
        before = 100 * results.intact[group].accuracy
        after = 100 * float(np.mean([each.groups[group].accuracy for each in draws]))
        drops.append(before - after)
        axes.plot([0, 1], [before, after], "o-", color=colour, lw=2.5, ms=8, label=group)
        side = "top" if colour == TARGET else "bottom"  # or two drops that are alike would overlap
        axes.annotate(f"drop {drops[-1]:.1f}", (1.06, after), va=side, color=colour)
    axes.set_title(f"{title}\ninteraction {drops[0] - drops[1]:+.1f} points", fontsize=10)
    axes.set_xticks([0, 1], ["intact", "ablated"])
    axes.set_xlim(-0.25, 1.75)
    axes.set_ylim(-3, 105)


def interaction(results: Results) -> Figure:
    """The drops under the top mask, and under the mean of either matched rule."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    titles = ("the top mask", *(f"{rule}, mean of draws" for rule in RULES))
    for axes, rule, title in zip(panels, ("top", *RULES), titles, strict=True):
        falls(axes, results, rule, title)
    panels[0].set_ylabel("% right")
    panels[0].legend(frameon=False, loc="center left")
    return figure


def adjusted(folder: Path, results: Results) -> Figure:
    """What every item lost by what it had, and the distance of the two curves."""
    target, other = results.groups
    table = read_table(read_items(folder / "items.csv"), target, other)
    bench = Bench(table, target, other, Resampler(0))
    column = bench.column("top", results.headline_percent)
    losses, effect = bench.losses[:, column], bench.coefficients[column]
    fitted = bench.design.basis @ (bench.design.basis.T @ losses)
    figure = Figure(figsize=(8, 3.8), layout="constrained")
    axes = figure.subplots()
    for (name, group), colour in zip(bench.inside.items(), COLOURS, strict=True):
        axes.plot(table.margin[group], losses[group], ".", color=colour, ms=5, alpha=0.4)
        own = np.flatnonzero(group) if group.dtype == bool else np.asarray(group)
        own = own[np.argsort(table.margin[own])]
        axes.plot(table.margin[own], fitted[own], color=colour, lw=2.5, label=name)
    middle = float(np.median(table.margin))
    low = float(np.interp(middle, *_curve(table.margin, fitted, bench.inside[other])))
    axes.annotate(
        "", (middle, low + effect), (middle, low), arrowprops={"arrowstyle": "<->", "lw": 2}
    )
    axes.annotate(
        f"  adjusted effect {effect:+.1f}", (middle, low + effect / 2), va="center", weight="bold"
    )
    axes.axhline(0, color=GREY, lw=0.8)
    axes.set_xlabel("intact margin: how sure the model was (logits)")
    axes.set_ylabel("margin lost under the mask")
    axes.legend(frameon=False)
    return figure


def _curve(
    margin: np.ndarray, fitted: np.ndarray, group: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    own = np.flatnonzero(group) if group.dtype == bool else np.asarray(group)
    own = own[np.argsort(margin[own])]
    return margin[own], fitted[own]


def rank(folder: Path, results: Results) -> Figure:
    """The adjusted effect of every draw of the matched rules, and of the top mask."""
    effects = adjusted_effects(folder, results)
    figure = Figure(figsize=(8, 2.2), layout="constrained")
    axes = figure.subplots()
    top = effects[results.top().mask]
    for row, rule in enumerate(RULES):
        draws = [effects[each.mask] for each in results.at(results.headline_percent, rule)]
        beyond = sum(value >= top for value in draws)
        p = (1 + beyond) / (1 + len(draws))
        axes.plot(draws, [row] * len(draws), "o", color=INK, alpha=0.45)
        told = f"(1 + {beyond}) / (1 + {len(draws)}) = {p:.3f}"
        axes.annotate(told, (top, row), (-8, 8), textcoords="offset points", ha="right")
    axes.axvline(top, color=TARGET, lw=2.5)
    axes.annotate("top", (top, 1.55), (4, 0), textcoords="offset points", color=TARGET)
    axes.set_yticks(range(len(RULES)), [f"{rule} draws" for rule in RULES])
    axes.set_ylim(-0.6, 1.8)
    axes.set_xlabel("adjusted effect (logits)")
    return figure


def main() -> None:
    """Draw the figures of a finished run."""
    folder, pictures = Path(sys.argv[1]), Path(sys.argv[2])
    results = load_results(folder)
    interaction(results).savefig(pictures / "reading-interaction.png", dpi=100)
    adjusted(folder, results).savefig(pictures / "reading-adjusted.png", dpi=100)
    rank(folder, results).savefig(pictures / "reading-rank.png", dpi=100)


if __name__ == "__main__":
    main()
