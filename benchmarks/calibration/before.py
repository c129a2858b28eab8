"""The rules that the verdict had before, as ``common/verdict.py`` and ``common/effects.py`` were.

Evidence was a percentile bootstrap interval of the interaction of accuracy above 0, and its rank
among every matched rule's draws (from the units that the top left) at most 0.05.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from benchmarks.calibration.worlds import MATCHED
from common.effects.resample import Resampler, percentile
from common.effects.table import Table

RESAMPLES = 10_000
DRAWS = 20

Floats = npt.NDArray[np.float64]


def permutation_p(top: float, controls: Sequence[float] | Floats) -> float:
    """Rank of the top among all draws, one-sided."""
    ties = np.asarray(controls, dtype=float) >= top - 1e-12
    return float((1 + ties.sum()) / (1 + len(ties)))


def drop_interval(lost: Floats, seed: int = 0) -> tuple[float, float]:
    """Percentile interval of a drop; `lost` is 1, 0 or -1 an item."""
    return percentile(Resampler(seed, RESAMPLES).means(lost))


def interaction_interval(target: Floats, other: Floats, seed: int = 0) -> tuple[float, float]:
    """Percentile interval of a difference of drops."""
    first = Resampler(seed, RESAMPLES).means(target)
    return percentile(first - Resampler(seed + 1, RESAMPLES).means(other))


def is_evidence(table: Table, percent: float = 1.0, draws: int = DRAWS) -> bool:
    """Whether the old rule would have said "Evidence"."""
    assert table.correct is not None
    assert table.corrects is not None
    lost = table.correct[:, None].astype(float) - table.corrects
    gaps = lost[table.target].mean(axis=0) - lost[~table.target].mean(axis=0)
    column = table.at("top", percent)[0]
    for rule in MATCHED:
        if permutation_p(gaps[column], gaps[table.at(rule, percent)[:draws]]) > 0.05:
            return False
    top = lost[:, column]
    return interaction_interval(top[table.target], top[~table.target])[0] > 0
