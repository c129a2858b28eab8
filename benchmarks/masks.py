"""What many masks cost on a real ImageNet model, against as many plain passes.

EfficientNet-Lite0 looks at pictures of ``imagenet-sample``; its map is made from a part of fLoc's
pictures. A plain pass is the model as it came, without hooks. Ratios are taken within one run; the
masks are those that a run with the default settings evaluates first.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from common.base.errors import FunclocError
from common.base.memory import freed_memory_given_back, keep_freed_memory
from common.measure.layout import fastest_layout, in_layout
from common.measure.masks import Mask, units_mask
from common.measure.passes import Passes
from common.measure.prefix import first_site
from common.measure.scores import SelectivityMap
from common.study.drawing import Drawing
from common.study.plan import DEFAULT_CONTROLS, Plan
from common.study.settings import read_controls
from vision_loc.evaluate import PictureBatches
from vision_loc.localize import find_sites, localize
from vision_loc.models import VisionModel, load_model
from vision_loc.stimuli import Localizer, benchmark, localizer, pixel_batches

MODEL = "pip/efficientnet_lite0"
BATCH, BATCHES = 16, 2
A_SIDE = 48  # pictures of the localizer
LATE, FIRST = "blocks.5.", "blocks.0."
ROUNDS = 3


@dataclass(frozen=True)
class Case:
    """Batches of pictures, and a map from which masks are chosen."""

    model: VisionModel
    pixels: np.ndarray
    found: SelectivityMap

    def plain(self) -> None:
        """The model as it is, without a hook, on every batch."""
        with torch.inference_mode():
            for start in range(0, len(self.pixels), BATCH):
                self.model.logits(torch.from_numpy(self.pixels[start : start + BATCH]))

    def as_it_comes(self) -> None:
        """The same in a process that gives back what it frees, as one without this project does."""
        with freed_memory_given_back():
            self.plain()

    def under(self, masks: Sequence[Mask | None]) -> None:
        """All of it, as an evaluation does it: an intact pass that is kept, and each mask's."""
        evaluate_all(self.model, self.pixels, BATCH, masks, self.found)


def evaluate_all(
    model: VisionModel,
    pixels: np.ndarray,
    batch_size: int,
    masks: Sequence[Mask | None],
    found: SelectivityMap,
) -> None:
    """All pictures under all masks, batches outside, as an evaluation does it."""
    labels = np.zeros(len(pixels), dtype=int)
    shown = PictureBatches(model, pixels, labels, batch_size=batch_size)
    passes = Passes(model.module, masks, "zero", found)
    with torch.inference_mode():
        for number in range(len(shown.parts)):
            [*shown.give(number, passes)]


def begins_in(found: SelectivityMap, stage: str, n: int) -> list[Mask]:
    """Masks of a tenth of the units of one site, which lies in a stage of the model."""
    site = next(site for site in found.sites if site.module.startswith(stage))
    own = np.flatnonzero(found.site_of_unit == found.sites.index(site))
    rng = np.random.default_rng(0)
    size = max(1, len(own) // 10)
    return [units_mask(found, rng.choice(own, size, replace=False)) for _ in range(n)]


def make_case(root: Path | None = None) -> Case:
    """The model, a batch of pictures, and a map of faces.

    Raises
    ------
    FunclocError
        If the model or the pictures are not on this machine.
    """
    model = load_model(MODEL)
    whole = localizer("floc:faces", root)
    rng = np.random.default_rng(0)
    sides = (
        tuple(side[i] for i in rng.permutation(len(side))[:A_SIDE])
        for side in (whole.target, whole.control)
    )
    found = localize(model, Localizer(whole.name, *sides), find_sites(model))
    pictures = benchmark("imagenet-sample", root).pictures
    some = [pictures[i] for i in rng.permutation(len(pictures))[: BATCH * BATCHES]]
    (pixels,) = (pixels for _, pixels in pixel_batches(some, model.preprocess, len(some)))
    return Case(model, pixels, found)


def ratio(one: Callable[[], object], other: Callable[[], object], share: float = 1.0) -> str:
    """Time of `one` over that of `other` times `share`: the median of rounds, and their range."""
    found = []
    for _ in range(ROUNDS):
        took = [_seconds(way) for way in (one, other)]
        found.append(took[0] / (share * took[1]))
    return f"{statistics.median(found):.3f} ({min(found):.3f} to {max(found):.3f})"


def _seconds(way: Callable[[], object]) -> float:
    begun = time.perf_counter()
    way()
    return time.perf_counter() - begun


def planned(found: SelectivityMap) -> list[Mask | None]:
    """Intact, and the masks that a run with the default settings evaluates before it asks."""
    return [None, *Drawing(found, Plan((1.0,), read_controls(DEFAULT_CONTROLS))).masks]


def one_more(case: Case) -> str:
    """What a further mask costs that begins late, against a plain pass in the same layout."""
    few, many = begins_in(case.found, LATE, 6), begins_in(case.found, LATE, 26)
    found = []
    for _ in range(ROUNDS):
        less, more, plain = (
            _seconds(way)
            for way in (partial(case.under, few), partial(case.under, many), case.plain)
        )
        found.append((more - less) / (len(many) - len(few)) / plain)
    return f"{statistics.median(found):.3f} ({min(found):.3f} to {max(found):.3f})"


def main(root: Path | None = None) -> None:
    """Print all ratios."""
    keep_freed_memory()
    console = Console(width=110)
    try:
        case = make_case(root)
    except FunclocError as error:
        console.print(f"Many masks on {MODEL}: not measured, for {error}", soft_wrap=True)
        return
    masks = planned(case.found)
    layout, seconds = fastest_layout(case.model.module, case.plain, 1000)
    table = Table(title=f"{MODEL}, {torch.get_num_threads()} threads, {BATCHES} batches of {BATCH}")
    for name in ("what", "goal", "ratio: median (range)"):
        table.add_column(name)

    def default() -> None:
        with in_layout(case.model.module, layout):
            case.under(masks)

    words = f"{len(masks)} masks as a default run plans them / {len(masks)} plain passes"
    table.add_row(
        f"{words} as torch comes", "<= 0.20", ratio(default, case.as_it_comes, len(masks))
    )
    table.add_row(f"{words} with memory kept", "", ratio(default, case.plain, len(masks)))
    with in_layout(case.model.module, layout):
        words = f"one more mask that begins in {LATE}* / a pass in the layout {layout}"
        table.add_row(words, "<= 0.13", one_more(case))
        early = begins_in(case.found, FIRST, 20)
        words = f"20 masks that begin in {FIRST}* / 20 passes in the layout {layout}"
        table.add_row(words, "<= 1.03", ratio(partial(case.under, early), case.plain, 20))
    console.print(table)
    begin = [site for mask in masks if mask is not None and (site := first_site(mask)) is not None]
    places = {
        str(site): sum(1 for _ in same) for site, same in itertools.groupby(sorted(begin, key=str))
    }
    said = ", ".join(f"{n} at {site}" for site, n in places.items())
    console.print(f"These masks begin: {said}.", soft_wrap=True)
    told = ", ".join(
        f"{name} {1000 * each / len(case.pixels):.1f} ms a picture"
        for name, each in seconds.items()
    )
    console.print(f"Layouts tried: {told}.", soft_wrap=True)


if __name__ == "__main__":
    main()
