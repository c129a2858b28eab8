"""``make bench``: what the instrument costs over the bare forward pass.

Every ratio is taken within one run: the two ways alternate, each round gives one ratio, and the
median over rounds is printed with the smallest and the largest. Peak memory is that of a fresh
process each.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy import stats

from common.base.memory import keep_freed_memory
from common.base.progress import silent
from common.measure.control_rules import control
from common.measure.halves import selectivity_map
from common.measure.masks import top_percent
from common.measure.record import record
from common.measure.scores import SelectivityMap
from common.measure.sites import Site, Unit
from vision_loc.evaluate import evaluate
from vision_loc.localize import find_sites, localize
from vision_loc.models import VisionModel, load_model
from vision_loc.stimuli import Localizer, Picture, drawn, pixel_batches

BATCH = 64
ROUNDS = 3  # at least
SECONDS = 10.0  # more rounds until so much time has gone
MASKS = 4
MODELS = (("torchvision/resnet18", 96), ("phantom/cnn", 1024), ("phantom/vit", 512))


@dataclass(frozen=True)
class Case:
    """One model with pixels that are already decoded, half target and half control."""

    model: VisionModel
    pixels: np.ndarray
    sites: list[Site]
    batch: int = BATCH

    def bare(self) -> None:
        """Only the forward passes."""
        with torch.inference_mode():
            for start in range(0, len(self.pixels), self.batch):
                self.model.logits(torch.from_numpy(self.pixels[start : start + self.batch]))

    def localize(self, unit: Unit = "channel") -> SelectivityMap:
        """Forward passes, moments and the map."""
        groups = np.repeat(np.arange(4), len(self.pixels) // 4)
        with torch.inference_mode(), record(self.model.module, self.sites, unit=unit) as recorder:
            for start in range(0, len(self.pixels), self.batch):
                recorder.expect(groups[start : start + self.batch])
                self.model.logits(torch.from_numpy(self.pixels[start : start + self.batch]))
        return selectivity_map(recorder, [1.0], {})

    def keep_all(self, unit: Unit) -> np.ndarray:
        """The scripts' way: keep every activation, then one t-test over all of them."""
        kept: dict[Site, list[np.ndarray]] = {site: [] for site in self.sites}
        modules = dict(self.model.module.named_modules())

        def keep(site: Site, _module: object, _args: object, out: torch.Tensor) -> None:
            pooled = site.pool(out, unit, "mean" if unit == "channel" else "none")
            kept[site].append(pooled.abs().numpy())

        handles = [
            modules[site.module].register_forward_hook(partial(keep, site)) for site in self.sites
        ]
        try:
            self.bare()
        finally:
            for handle in handles:
                handle.remove()
        every = np.concatenate([np.concatenate(kept[site]) for site in self.sites], axis=1)
        half = len(every) // 2
        t: np.ndarray = stats.ttest_ind(every[:half], every[half:], equal_var=False).statistic
        return t


def make_case(name: str, n: int) -> Case:
    """A model with random or shipped weights, and noise of its input size."""
    model = load_model(name, untrained=name.startswith("torchvision/"))
    size = model.example().shape[1:]
    pixels = np.random.default_rng(0).integers(0, 256, (n, *size), dtype=np.uint8)
    return Case(model, pixels, find_sites(model))


def ratios(one: Callable[[], object], other: Callable[[], object]) -> list[float]:
    """Time of `one` over time of `other`, round by round; they take turns in going first."""
    one(), other()  # warms up
    found: list[float] = []
    began = time.perf_counter()
    while len(found) < ROUNDS or time.perf_counter() - began < SECONDS:
        took = {}
        for way in (one, other) if len(found) % 2 else (other, one):
            start = time.perf_counter()
            way()
            took[way] = time.perf_counter() - start
        found.append(took[one] / took[other])
    return found


def spread(values: Sequence[float]) -> str:
    """Median with the smallest and largest."""
    return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def masked_ratio(case: Case) -> list[float]:
    """K masks evaluated over K bare forward passes."""
    found = case.localize("channel")
    masks = [top_percent(found, 1.0)]
    masks += [control(found, "layer-matched", 1.0, seed) for seed in range(MASKS - 1)]
    labels = np.zeros(len(case.pixels), dtype=int)

    def ablated() -> None:
        for mask in masks:
            evaluate(case.model, case.pixels, labels, mask, batch_size=BATCH)

    def bare() -> None:
        for _ in masks:
            case.bare()

    return ratios(ablated, bare)


def own_peak() -> float:
    """Peak memory of this process in MB.

    Linux hands ``ru_maxrss`` on from the process that started this one, so its own file is asked.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return float(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2  # bytes on macOS


def peak_memory(way: str, times: int) -> float:
    """Peak memory in MB of a fresh process that localizes on `times` as many pictures."""
    command = [sys.executable, "-m", "benchmarks.speed", way, str(times)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _localize_once(way: str, times: int) -> None:
    """In a process of its own: localize, then print the peak memory."""
    torch.set_num_threads(2)
    keep_freed_memory()
    model = load_model("phantom/cnn")
    sides = [tuple(drawn(what, what, 8 * times, "localizer")) for what in ("face", "object")]
    stimuli = Localizer("bench", *sides)
    if way == "keep":
        _keep_once(model, [*stimuli.target, *stimuli.control])
    else:
        unit: Unit = "neuron" if way == "neuron" else "channel"
        localize(model, stimuli, find_sites(model), unit=unit, progress=silent)
    print(own_peak())


def _keep_once(model: VisionModel, pictures: Sequence[Picture]) -> None:
    batches = [pixels for _, pixels in pixel_batches(pictures, model.preprocess, BATCH)]
    Case(model, np.concatenate(batches), find_sites(model)).keep_all("neuron")


def main() -> None:
    """Print all ratios."""
    keep_freed_memory()
    console = Console(width=110)
    table = Table(title=f"time, {torch.get_num_threads()} threads, batches of {BATCH}")
    for name in ("model", "what", "goal", "ratio: median (range)"):
        table.add_column(name, no_wrap=True)
    for name, n in MODELS:
        case = make_case(name, n)
        channel = ratios(partial(case.localize, "channel"), case.bare)
        neuron = ratios(partial(case.localize, "neuron"), case.bare)
        table.add_row(name, "localize / bare forward, channel", "<= 1.05", spread(channel))
        table.add_row(name, "localize / bare forward, neuron", "<= 1.15", spread(neuron))
        table.add_row(
            name, f"{MASKS} masks / {MASKS} bare passes", "<= 1.05", spread(masked_ratio(case))
        )
        peer = ratios(partial(case.keep_all, "neuron"), partial(case.localize, "neuron"))
        table.add_row(name, "keep all + scipy / ours, neuron", "", spread(peer))
    console.print(table)
    table = Table(title="peak memory of a process on phantom/cnn, MB")
    for name in ("way", "256 pictures", "2560 pictures", "ratio", "goal"):
        table.add_column(name, no_wrap=True)
    for way, goal in (("channel", "1.0"), ("neuron", "1.0"), ("keep", "")):
        one, ten = peak_memory(way, 1), peak_memory(way, 10)
        label = "keep all + scipy, neuron" if way == "keep" else f"ours, {way}"
        table.add_row(label, f"{one:.0f}", f"{ten:.0f}", f"{ten / one:.3f}", goal)
    console.print(table)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        _localize_once(sys.argv[1], int(sys.argv[2]))
    else:
        main()
