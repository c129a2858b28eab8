"""``make bench-peers``: the same work by other tools, in an environment that holds them.

nnsight and pyvene read the block outputs of the small Llama of :mod:`benchmarks.language` (its 480
texts, in the same batches) and ablate the same mask; Welch's t of what they read is scipy's.
deeplocalizer localizes faces in EfficientNet-Lite0 with pictures of fLoc, decoded one after the
other as in its notebook, and once more by the code of this program, on all cores.
Times are ratios within one process, peak memory that of a fresh process each.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
import torch
from rich.console import Console
from rich.table import Table
from scipy import stats
from torch import Tensor

from benchmarks.language import TOKENS, Case, make_case
from benchmarks.speed import own_peak, ratios, spread
from common.base.errors import FunclocError
from common.base.memory import keep_freed_memory
from common.measure.ablate import ablate
from common.measure.masks import Mask, top_percent
from vision_loc.localize import find_sites, localize
from vision_loc.models import VisionModel, load_model
from vision_loc.stimuli import Localizer, Picture, localizer, pixel_batches

Read = list[list[Tensor]]  # by batch and block


def last_tokens(output: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """|activation| of the last token of each text, of what a block gave; shape (B, channels)."""
    last = batch["attention_mask"].sum(dim=1) - 1
    return output[torch.arange(len(last)), last].abs()


def welch(read: Read) -> np.ndarray:
    """Welch's t of all units, of one half of the texts against the other."""
    every = np.concatenate([torch.cat(batch, dim=1).numpy() for batch in read])
    half = len(every) // 2
    t: np.ndarray = stats.ttest_ind(every[:half], every[half:], equal_var=False).statistic
    return t


def read_by_nnsight(case: Case) -> np.ndarray:
    """Block outputs through nnsight's traces."""
    import nnsight

    traced, read = nnsight.NNsight(case.model.module), []
    with torch.inference_mode():
        for batch in case.batches:
            with traced.trace(**batch, use_cache=False):
                kept = nnsight.save([])
                for block in traced.model.layers:
                    kept.append(block.output)
            read.append([last_tokens(each, batch) for each in kept])
    return welch(read)


def ablate_by_nnsight(case: Case, mask: Mask) -> Tensor:
    """Logits of the last batch, with the mask's units at zero."""
    import nnsight

    traced, chosen = nnsight.NNsight(case.model.module), [mask.at(site) for site in mask.sites]
    with torch.inference_mode():
        for batch in case.batches:
            with traced.trace(**batch, use_cache=False):
                for block, units in zip(traced.model.layers, chosen, strict=True):
                    block.output[..., units] = 0
                logits = traced.output.logits.save()
    return logits


def _pyvene(case: Case, act: Callable[[int, Tensor], Tensor]) -> Any:
    import pyvene

    parts = [
        {
            "component": f"model.layers[{number}].output",
            "intervention": lambda base, _source=None, number=number, **_: act(number, base),
        }
        for number in range(len(case.sites))
    ]
    return pyvene.IntervenableModel(pyvene.IntervenableConfig(parts), model=case.model.module)


def read_by_pyvene(case: Case) -> np.ndarray:
    """Block outputs through pyvene's function interventions."""
    kept: dict[int, Tensor] = {}

    def keep(number: int, base: Tensor) -> Tensor:
        kept[number] = base
        return base

    watched, read = _pyvene(case, keep), []
    with torch.inference_mode():
        for batch in case.batches:
            watched(batch)
            read.append([last_tokens(kept[number], batch) for number in sorted(kept)])
    return welch(read)


def ablate_by_pyvene(case: Case, mask: Mask) -> Tensor:
    """Logits of the last batch, with the mask's units at zero."""
    chosen = [torch.from_numpy(mask.at(site)) for site in mask.sites]

    def zero(number: int, base: Tensor) -> Tensor:
        return base.masked_fill(chosen[number], 0)

    watched = _pyvene(case, zero)
    with torch.inference_mode():
        for batch in case.batches:
            _, given = watched(batch)
    logits: Tensor = given.logits
    return logits


def read_by_us(case: Case) -> np.ndarray:
    """The same in this project; halves, d′ and all else that a map has come with it."""
    t: np.ndarray = case.localize().t
    return t


def ablate_by_us(case: Case, mask: Mask) -> Tensor:
    """Logits of the last batch, with the mask's units at zero."""
    with torch.inference_mode(), ablate(case.model.module, mask):
        for batch in case.batches:
            logits: Tensor = case.model.module(**batch, use_cache=False).logits
    return logits


READ = {"ours": read_by_us, "nnsight": read_by_nnsight, "pyvene": read_by_pyvene}
ABLATE = {"ours": ablate_by_us, "nnsight": ablate_by_nnsight, "pyvene": ablate_by_pyvene}


PICTURES, BATCH = 288, 32  # of a side; pictures a pass


def faces() -> tuple[VisionModel, Localizer]:
    """EfficientNet-Lite0 and some of fLoc's pictures.

    Raises
    ------
    FunclocError
        If one of them is not on this machine.
    """
    whole = localizer("floc:faces")
    sides = (side[:PICTURES] for side in (whole.target, whole.control))
    return load_model("pip/efficientnet_lite0"), Localizer(whole.name, *sides)


def localize_by_us(model: VisionModel, stimuli: Localizer) -> None:
    """By neuron, decoding on the way."""
    localize(model, stimuli, find_sites(model), unit="neuron", batch_size=BATCH)


def one_by_one(model: VisionModel, pictures: Sequence[Picture]) -> np.ndarray:
    """Pixels as a script decodes them: one picture after the other, before each pass."""
    geometry = model.preprocess.geometry
    return np.stack([geometry(picture.open()).transpose(2, 0, 1) for picture in pictures])


def on_all_cores(model: VisionModel, pictures: Sequence[Picture]) -> np.ndarray:
    """Pixels as this program decodes them."""
    ((_, pixels),) = pixel_batches(pictures, model.preprocess, BATCH)
    return pixels


def localize_by_deeplocalizer(
    decoded: Callable[[VisionModel, Sequence[Picture]], np.ndarray],
    model: VisionModel,
    stimuli: Localizer,
) -> None:
    """Its difference of mean activations, which it has by neuron and without any test."""
    from deeplocalizer.deeplocalizer import compute_task_activations

    modules = dict(model.module.named_modules())
    layers = [modules[site.module] for site in find_sites(model)]
    every = [*stimuli.target, *stimuli.control]
    positive = [i < len(stimuli.target) for i in range(len(every))]

    def forward(batch: Any) -> None:
        model.logits(torch.from_numpy(decoded(model, [*batch])))

    table = pd.DataFrame({"data": pd.Series(every, dtype=object), "positive": positive})
    with torch.inference_mode():
        compute_task_activations(table, forward, layers, batch_size=BATCH)


LOCALIZE = {
    "ours": localize_by_us,
    "deeplocalizer": partial(localize_by_deeplocalizer, one_by_one),
    "deeplocalizer, our decoding": partial(localize_by_deeplocalizer, on_all_cores),
}


def peak_memory(what: str, way: str) -> float:
    """Peak memory in MB of a fresh process that does one thing one way."""
    command = [sys.executable, "-m", "benchmarks.peers", what, way]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(said.split()[-1])


def _once(what: str, way: str) -> None:
    if what == "read":
        READ[way](make_case(TOKENS))
    elif what == "ablate":
        case = make_case(TOKENS)
        ABLATE[way](case, top_percent(case.localize(), 1.0))
    else:
        LOCALIZE[way](*faces())
    print(own_peak())


def _rows(table: Table, what: str, ways: dict[str, Callable[..., Any]], *given: Any) -> None:
    own = partial(ways["ours"], *given)
    lean = peak_memory(what, "ours")
    for way in [*ways][1:]:
        took = spread(ratios(own, partial(ways[way], *given)))
        tool, _, how = way.partition(", ")
        goal = "<= 0.7, <= 0.5" if tool == "deeplocalizer" else "< 1, < 1"
        memory = f"{lean / peak_memory(what, way):.2f}"
        of = f"{tool} {version(tool)}" + (f", {how}" if how else "")
        table.add_row(f"{what}: ours / {of}", goal, took, memory)


def main() -> None:
    """Print all ratios."""
    keep_freed_memory()
    case = make_case(TOKENS)
    mask = top_percent(case.localize(), 1.0)
    ours = ablate_by_us(case, mask)
    for way in (ablate_by_nnsight, ablate_by_pyvene):
        torch.testing.assert_close(way(case, mask), ours, rtol=1e-4, atol=1e-4)
    table = Table(title=f"against other tools, {torch.get_num_threads()} threads")
    for name in ("what", "goal: time, memory", "time: median (range)", "peak memory"):
        table.add_column(name)
    _rows(table, "read", READ, case)
    _rows(table, "ablate", ABLATE, case, mask)
    console = Console(width=110)
    try:
        _rows(table, "localize", LOCALIZE, *faces())
    except FunclocError as error:
        console.print(f"deeplocalizer: not measured, for {error}", soft_wrap=True)
    console.print(table)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        _once(*sys.argv[1:])
    else:
        main()
