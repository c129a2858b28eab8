"""Whole experiments in float32, bfloat16 and float16: the same units, the same verdict, how fast?

``python -m benchmarks.precision [NAME …]`` localizes and evaluates each experiment once a type, in
folders that it throws away, with nineteen draws of each matched rule and without untrained
networks. Real models are in the table where they have been fetched, without float16 on a processor,
where one such run takes hours. Times are by the wall, loading the model among them, after the
stimuli have been read once; where a rule's draws stop early, a type evaluates fewer masks than
another, so that evaluating is told by the mask.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from common.base.errors import FunclocError
from common.base.memory import keep_freed_memory
from common.effects.results import Results
from common.measure.masks import Mask, top_percent
from common.measure.scores import SelectivityMap
from common.study.declared import completed
from common.study.front import FrontEnd
from common.study.verbs import evaluate_map, localize_only
from llm_loc.experiment import FRONT as LANGUAGE
from vision_loc.experiment import FRONT as VISION

DTYPES = ("float32", "bfloat16", "float16")
ALIKE = {"controls": "random:5,layer-matched:19,magnitude-matched:19", "untrained_seeds": 0}
FACES = {"localizer": "floc:faces", "evaluation": "imagenet-sample", "items": 1, "top": "1,5"}
LANGLOC = {"localizer": "langloc", "evaluation": "blimp", "items": 2, "top": "1"}
CASES: dict[str, tuple[FrontEnd[Any, Any], dict[str, Any]]] = {
    "phantom/cnn": (VISION, {}),
    "phantom/vit": (VISION, {}),
    "phantom/lm": (LANGUAGE, {}),
    "pip/efficientnet_lite0": (VISION, FACES),
    "pip/smollm2-135m-instruct": (LANGUAGE, LANGLOC),
}


@dataclass(frozen=True)
class Tried:
    """One experiment in one type: its map, what it found, and the seconds of either half."""

    found: SelectivityMap
    results: Results
    localizing: float
    a_mask: float

    @property
    def masks(self) -> list[Mask]:
        """The top mask of each dose."""
        return [top_percent(self.found, dose) for dose in self.results.doses]

    @property
    def outcomes(self) -> list[str]:
        """The outcome at each dose."""
        return [verdict.outcome for verdict in self.results.judgement.doses]


def types_of(name: str) -> tuple[str, ...]:
    """What is tried of a model; processors compute float16 number by number."""
    return DTYPES if name.startswith("phantom/") or torch.cuda.is_available() else DTYPES[:2]


def asked(name: str, dtype: str) -> tuple[FrontEnd[Any, Any], Any]:
    """The front end of an experiment, and its settings in one type."""
    front, own = CASES[name]
    return front, completed(front.settings, {"model": name, "dtype": dtype, **ALIKE, **own})


def tried(name: str, dtype: str, folder: Path) -> Tried:
    """Localize and evaluate."""
    begun = time.perf_counter()
    front, settings = asked(name, dtype)
    _, found, source = localize_only(front, settings, folder / "map")
    between = time.perf_counter()
    results, *_ = evaluate_map(
        front, source, folder / "run", evaluation=settings.evaluation, items=settings.items
    )
    masks = 1 + len(results.ablations)
    a_mask = (time.perf_counter() - between) / masks
    return Tried(found, results, between - begun, a_mask)


def dice(one: Mask, other: Mask) -> float:
    """The overlap of two masks."""
    shared = {*one.units.tolist()} & {*other.units.tolist()}
    return 2 * len(shared) / (len(one) + len(other))


def line(dtype: str, run: Tried, base: Tried) -> list[str]:
    """What one type found beside float32, as cells of the table."""
    same = [f"{dice(*pair):.3f}" for pair in zip(run.masks, base.masks, strict=True)]
    doses = zip(run.results.doses, run.outcomes, base.outcomes, strict=True)
    changed = [f"{dose:g} %: {was} → {now}" for dose, now, was in doses if now != was]
    effects = [f"{each.adjusted.effect:.3f}" for each in run.results.judgement.doses]
    return [
        dtype,
        " ".join(same),
        " ".join(effects),
        f"{len(changed)} of {len(same)}" + "".join(f"; {each}" for each in changed),
        f"{run.localizing / base.localizing:.2f}",
        f"{run.a_mask / base.a_mask:.2f}",
    ]


def main() -> None:
    """Print a table for every experiment."""
    keep_freed_memory()
    console = Console(width=150)
    for name in sys.argv[1:] or CASES:
        table = Table(title=name)
        for head in ("type", "Dice with float32, by dose", "adjusted effect, by dose"):
            table.add_column(head)
        for head in ("outcomes that changed", "time: localizing", "time: a mask"):
            table.add_column(head)
        try:
            with TemporaryDirectory() as folder:
                localize_only(*asked(name, DTYPES[0]), Path(folder) / "first")  # reads and decodes
                runs = {each: tried(name, each, Path(folder) / each) for each in types_of(name)}
        except FunclocError as error:
            console.print(f"{name}: not measured, for {error}", soft_wrap=True)
            continue
        for dtype, run in runs.items():
            table.add_row(*line(dtype, run, runs[DTYPES[0]]))
        console.print(table)


if __name__ == "__main__":
    main()
