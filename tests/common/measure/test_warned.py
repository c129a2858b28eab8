"""What a map notes of units that a reader should be warned of, all the way from a pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch
from torch import nn

from common import record, welch
from common.base.errors import DataError
from common.effects.localized import describe_map
from common.measure.contrast import Batch, contrast
from common.measure.scores import SelectivityMap
from common.measure.sites import Site
from tests.common.measure.hooked import Shown

N = 24  # stimuli of a side


def localized(
    rows: np.ndarray, score: str = "welch", controls: Sequence[str] = ("b",) * N
) -> SelectivityMap:
    """The map of activations of shape (stimuli, units), as a model in float32 would give them."""
    n = len(rows) - len(controls)
    stimuli = [Shown(f"{i}", name) for i, name in enumerate([*["a"] * n, *controls])]
    model, given = nn.Sequential(nn.Identity()), torch.as_tensor(rows, dtype=torch.float32)
    site = Site("0", shape=(rows.shape[1],))

    def batches(_groups: np.ndarray) -> Iterator[Batch]:
        for start in range(0, len(stimuli), 7):
            where = np.arange(start, min(start + 7, len(stimuli)))
            yield Batch(where, lambda where=where: model(given[where]))

    return contrast(
        model, [site], stimuli[:n], stimuli[n:], batches, score=score, percents=(10, 50)
    )


def test_top_units_that_fall_for_the_target_are_counted_by_dose() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(0.0, 0.1, (2 * N, 20))
    rows[:N, :7] += np.linspace(9, 3, 7)  # the seven that answer most, by rank
    rows[:N, [1, 4]] *= -1  # two of them by falling
    found = localized(rows)
    assert set(found.ranking[:2].tolist()) <= set(range(7))
    wanted = {}
    for percent, k in ((10, 2), (50, 10)):
        top = np.sort(found.ranking[:k])
        signed = rows[:N, top].mean(0) - rows[N:, top].mean(0)
        wanted[f"{percent}"] = int((signed < 0).sum())
    assert describe_map(found).lower_signed == wanted
    assert wanted["50"] >= 2


@pytest.mark.parametrize("seed", range(3))
def test_a_recorded_unit_at_3_and_one_step_has_no_t(seed: int) -> None:
    rng = np.random.default_rng(seed)
    steps = rng.choice([-1, 0, 1], (2 * N, 2), p=[0.3, 0.4, 0.3])
    steps[:N, 1], steps[N:, 1] = 1, -1  # apart, but by rounding alone
    rows = rng.normal(1.0, 0.3, (2 * N, 3))
    rows[:, :2] = np.float32(3.0) + steps * np.spacing(np.float32(3.0))
    found = localized(rows)
    assert found.t[:2].tolist() == [0, 0]
    assert found.p[:2].tolist() == [1, 1]
    assert found.ranking[0] == (2 if found.t[2] > 0 else 0)
    assert describe_map(found).separated == ()


def test_perfect_separation_is_first_and_named_best_first() -> None:
    rows = np.random.default_rng(1).normal(1.0, 0.1, (2 * N, 6))
    rows[:N, 0] += 50  # a huge t
    rows[:N, 3], rows[N:, 3] = 2.0, 1.0
    rows[:N, 5], rows[N:, 5] = 4.0, 1.0
    found = localized(rows)
    assert found.ranking[:3].tolist() == [5, 3, 0]
    assert describe_map(found).separated == ("0:output, unit 5", "0:output, unit 3")


def recorded(model: nn.Module, rows: torch.Tensor):
    with record(model, [Site("0", shape=(3,))]) as seen:
        model(rows)
    return seen.moments


def test_a_notebook_is_refused_one_stimulus_and_what_is_no_number() -> None:
    model = nn.Sequential(nn.Identity())
    rows = torch.rand(6, 3)
    with pytest.raises(DataError, match="the target condition has 1 stimulus"):
        welch(recorded(model, rows[:1]), recorded(model, rows))
    with pytest.raises(DataError, match="the control condition has 1 stimulus"):
        welch(recorded(model, rows), recorded(model, rows[:1]))
    rows[4, 2] = torch.nan
    with pytest.raises(DataError, match=r"0:output: activations are NaN or infinite .*unit 2"):
        recorded(model, rows)


@pytest.mark.parametrize("few", [1, 3])
def test_the_conjunction_is_refused_a_condition_of_few_stimuli(few: int) -> None:
    rows = np.random.default_rng(2).normal(1.0, 0.1, (2 * N, 4))
    controls = ["b"] * (N - few) + ["rare"] * few
    assert describe_map(localized(rows, controls=controls)).n_units == 4
    with pytest.raises(DataError, match=f"`score` conjunction: .* rare has {few}"):
        localized(rows, "conjunction", controls)
