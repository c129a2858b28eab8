"""A table of items written mask by mask, for what is judged of it."""

import math

import numpy as np
import pandas as pd
from scipy import stats

from common.effects.judge import judge
from common.effects.judgement import Judgement

MATCHED = ("layer-matched", "magnitude-matched")


class Experiment:
    """Writes a table of items, mask by mask."""

    def __init__(self, n: int = 120, m: int = 400, accuracies=(0.6, 0.6), labels: int = 0) -> None:
        self.rng = np.random.default_rng(0)
        self.target = np.arange(n + m) < n
        self.intact = self.rng.normal(size=n + m) + np.where(
            self.target, *stats.norm.ppf(accuracies)
        )
        kinds = self.rng.integers(0, max(labels, 1), n + m)
        self.labels = [f"c{kind}" if labels else "" for kind in kinds]
        self.tables: list[pd.DataFrame] = []
        self.add("intact", "", math.nan, 0.0, scatter=0.0)

    def add(self, mask, rule, percent, loss, shift=0.0, scatter=0.3) -> "Experiment":
        noise = scatter * self.rng.normal(size=len(self.intact))
        margin = self.intact - loss - shift * self.target + noise
        self.tables.append(
            pd.DataFrame(
                {
                    "item": [f"i{number:05d}" for number in range(len(margin))],
                    "group": np.where(self.target, "face", "object"),
                    "label": self.labels,
                    "mask": mask,
                    "rule": rule,
                    "percent": percent,
                    "correct": (margin > 0).astype(int),
                    "margin": margin,
                }
            )
        )
        return self

    def controls(self, percent=1.0, draws=39, loss=0.1, shift=0.0, rules=MATCHED) -> "Experiment":
        for rule in rules:
            for draw in range(draws):
                name = f"{rule}-{percent:g}-s{draw:02d}"
                self.add(name, rule, percent, loss, shift)
        return self

    def table(self) -> pd.DataFrame:
        return pd.concat(self.tables, ignore_index=True)


def found(
    shift: float = 0.0, loss: float = 0.3, other: str | None = "object", **items
) -> Judgement:
    run = Experiment(**items).add("top-1", "top", 1.0, loss, shift).controls()
    return judge(run.table(), "face", other)
