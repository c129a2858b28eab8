"""The figure of docs/scores.md: masks of one size by each score, and what they have in common.

``python -m benchmarks.score_figure PICTURE.png`` localizes faces in ``phantom/cnn`` by every score,
ablates the top 5 % of each, and prints the numbers that it draws. It takes some minutes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from common.measure.masks import Mask, top_percent
from common.measure.scores import SelectivityMap
from common.report.figures.canvas import GREY, OTHER, TARGET
from vision_loc import phantom
from vision_loc.evaluate import evaluate_masks
from vision_loc.localize import find_sites, localize
from vision_loc.models import VisionModel, load_model
from vision_loc.stimuli import benchmark, localizer, pixel_batches

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PERCENT = 5.0
SCORES = ("welch", "gradient", "gradient-specific", "integrated", "causal", "probe")


def maps_of(model: VisionModel) -> tuple[dict[str, SelectivityMap], dict[str, float]]:
    """The map by each score, and the seconds of the processor that it took."""
    stimuli, sites = localizer("phantom:faces"), find_sites(model)
    pictures = [*stimuli.target, *stimuli.control]
    pixels = np.concatenate([each for _, each in pixel_batches(pictures, model.preprocess, 256)])
    maps, seconds = {}, {}
    for score in SCORES:
        begun = process_time()
        maps[score] = localize(model, stimuli, sites, score=score, pixels=pixels)
        seconds[score] = process_time() - begun
    return maps, seconds


def drops_of(model: VisionModel, masks: list[Mask]) -> np.ndarray:
    """What faces and objects lose under each mask, in points; shape (n_masks, 2)."""
    items = benchmark("phantom")
    labels = np.array([picture.label for picture in items.pictures])
    is_face = np.array([picture.condition == items.target for picture in items.pictures])
    pixels = np.concatenate(
        [each for _, each in pixel_batches(items.pictures, model.preprocess, 256)]
    )
    intact, *others = evaluate_masks(model, pixels, labels, [None, *masks])
    lost = [intact.correct.astype(float) - each.correct for each in others]
    return np.array([[100 * each[some].mean() for some in (is_face, ~is_face)] for each in lost])


def of_area(mask: Mask) -> int:
    """Units of the mask that lie in the built-in area."""
    inside = [phantom.AREA.get(site.module, range(0)) for site in mask.sites]
    return sum(
        int(mask.at(site)[[*area]].sum())
        for site, area in zip(mask.sites, inside, strict=True)
        if area
    )


def overlap(axes: Axes, masks: list[Mask]) -> None:
    """The share of units that each two masks have in common."""
    sets = [{*mask.units.tolist()} for mask in masks]
    shares = np.array([[len(one & two) / len(one) for two in sets] for one in sets])
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*shares.shape):
        dark = "white" if shares[row, column] > 0.6 else "black"
        share = f"{100 * shares[row, column]:.0f}"
        axes.text(column, row, share, ha="center", va="center", fontsize=8, color=dark)
    places = np.arange(len(SCORES))
    axes.set_xticks(places, SCORES, rotation=40, ha="right", fontsize=8)
    axes.set_yticks(places, SCORES, fontsize=8)
    axes.set_title("1. Units in common (%)", fontsize=9)


def main() -> None:
    """Localize by every score, print and draw."""
    model = load_model("phantom/cnn")
    maps, seconds = maps_of(model)
    masks = [top_percent(maps[score], PERCENT) for score in SCORES]
    drops = drops_of(model, masks)
    ratios = [seconds[score] / seconds[SCORES[0]] for score in SCORES]
    true = maps["causal"].score.value
    for score, mask, drop, ratio in zip(SCORES, masks, drops, ratios, strict=True):
        alike = spearmanr(maps[score].score.value, true).statistic
        print(
            f"{score}: {of_area(mask)} of {len(mask)} in the area; faces lose {drop[0]:.1f}, "
            f"objects {drop[1]:.1f} points; {ratio:.1f} x welch; Spearman with causal {alike:.2f}"
        )
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    first, second, third = figure.subplots(1, 3)
    overlap(first, masks)
    places = np.arange(len(SCORES))
    second.barh(places - 0.2, drops[:, 0], 0.4, color=TARGET, label="faces")
    second.barh(places + 0.2, drops[:, 1], 0.4, color=OTHER, label="objects")
    second.set_xlabel("accuracy lost (points)")
    second.set_title(f"2. What the mask takes ({len(masks[0])} units)", fontsize=9)
    second.legend(
        frameon=False, fontsize=8, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.17)
    )
    third.barh(places, ratios, 0.6, color=GREY)
    third.set_xscale("log")
    third.set_xlabel("time to localize, welch = 1 (log scale)")
    third.set_title("3. What the score takes", fontsize=9)
    for axes in (second, third):
        axes.set_yticks(places, SCORES, fontsize=8)
        axes.invert_yaxis()
    figure.savefig(Path(sys.argv[1]), dpi=110)


if __name__ == "__main__":
    main()
