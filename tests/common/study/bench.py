"""A front end made of arithmetic: what it measures is known, and every call of it is counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from common.effects.described import DescribedEvaluation, DescribedLocalizer, DescribedModel
from common.effects.items import Items, Outcome
from common.effects.results import Results
from common.measure.control_rules import parse_controls
from common.measure.masks import Mask
from common.measure.scores import SelectivityMap
from common.study.experiment import Described, run_experiment
from common.study.folder import RunFolder
from common.study.plan import Plan
from tests.common.answering import answering

N_FACES, N_OBJECTS = 40, 60
PLAN = Plan((1.0, 5.0), parse_controls("random:2,layer-matched:3,bottom"), seed=3)
ORDER = [
    "intact",
    *("top-1", "random-1-s03", "random-1-s04"),
    *("layer-matched-1-s03", "layer-matched-1-s04", "layer-matched-1-s05", "bottom-1"),
    *("top-5", "random-5-s03", "random-5-s04"),
    *("layer-matched-5-s03", "layer-matched-5-s04", "layer-matched-5-s05", "bottom-5"),
]


class Killed(Exception):
    """Stands for whatever ends a process."""


@dataclass
class Bench:
    """A front end whose model needs its top units for faces and nothing else."""

    found: SelectivityMap
    localized: int = 0
    evaluated: list[str] = field(default_factory=list)
    dies_at: int | None = None

    def __post_init__(self) -> None:
        self.tested = answering(ITEMS, self.evaluate)

    def localize(self) -> SelectivityMap:
        self.localized += 1
        return self.found

    def evaluate(self, mask: Mask | None, found: SelectivityMap) -> Outcome:
        if len(self.evaluated) == self.dies_at:
            raise Killed
        self.evaluated.append("intact" if mask is None else mask.name)
        rng = np.random.default_rng(0)
        strength = np.where(ITEMS.groups == "face", 2.0, 1.5) + rng.normal(size=len(ITEMS.names))
        if mask is not None:
            strength -= np.where(ITEMS.groups == "face", found.t[mask.units].mean(), 0.1)
        margin = strength.astype(np.float32)
        return Outcome((margin > 0).astype(np.int64), margin > 0, margin)

    def run(self, path: Path, plan: Plan = PLAN, **more: Any) -> Results:
        with RunFolder(path, {"seed": plan.seed}, {}) as folder:
            return run_experiment(folder, plan, self.tested, DESCRIBED, self.localize, **more)


ITEMS = Items(
    [f"picture{i}.png" for i in range(N_FACES + N_OBJECTS)],
    np.repeat(["face", "object"], [N_FACES, N_OBJECTS]),
    "face",
    "object",
    labels=np.arange(N_FACES + N_OBJECTS) % 7,
)
DESCRIBED = Described(
    DescribedModel(
        name="phantom/cnn", fingerprint="f", phantom=True, n_parameters=9, dtype="float32"
    ),
    DescribedLocalizer(
        name="phantom:faces", target=("face",), control=("object",), n_target=9, n_control=9
    ),
    DescribedEvaluation(name="phantom"),
)
