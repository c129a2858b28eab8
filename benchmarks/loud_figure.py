"""The figure of docs/real-models.md: what every mask of a language run costs, by its loudness.

``python -m benchmarks.loud_figure RUN_FOLDER PICTURE.png`` draws the report's figure of a finished
run, with guessing among all tokens as a line.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

from common.report.figures import loss_by_loudness
from common.report.figures.canvas import INK
from common.study.results import load_results

TOKENS = 49_152  # of SmolLM2's vocabulary


def main() -> None:
    """Draw it."""
    folder, picture = map(Path, sys.argv[1:])
    results = load_results(folder)
    (text,), massive = results.perplexity, results.massive
    if massive is None:
        sys.exit(f"{folder}: from before loudness was told")
    losses = {entry.mask: entry.rise for entry in text.ablations}
    figure = loss_by_loudness(results, massive, losses, f"nats a token lost on {text.text}")
    (axes,) = figure.axes
    guessing = math.log(TOKENS) - text.intact.nats
    axes.axhline(guessing, color=INK, lw=0.8, ls="--")
    axes.annotate(
        "guessing among all tokens", (1, guessing), xycoords=("axes fraction", "data"),
        xytext=(-4, 3), textcoords="offset points", ha="right", fontsize="small",
    )  # fmt: skip
    figure.savefig(picture, dpi=110)


if __name__ == "__main__":
    main()
