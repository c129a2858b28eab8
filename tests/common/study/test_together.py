"""Many masks on one batch: killed at whatever point, an evaluation goes on to the same bits."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from common.base.errors import RunError
from common.base.progress import silent
from common.effects.described import DescribedEvaluation
from common.effects.items import Items, Outcome
from common.measure.layout import LAYOUTS
from common.measure.masks import Mask, units_mask
from common.measure.passes import Passes
from common.measure.record import record
from common.measure.scores import SelectivityMap, welch
from common.measure.survey import Survey
from common.study import journal
from common.study.batches import Batches
from common.study.journal import Arrays
from common.study.settings import Settings
from common.study.together import EvaluatingTogether
from tests.forked import dying_at

N, SIZE = 22, 4


class Rows(Batches[slice]):
    """Rows of numbers, and a network of three layers that reads them."""

    def __init__(self, module: nn.Module, rows: torch.Tensor, size: int) -> None:
        self.module, self.rows, self.given = module, rows, 0
        self.parts = [slice(at, min(at + size, len(rows))) for at in range(0, len(rows), size)]
        self.sizes = [part.stop - part.start for part in self.parts]

    def halves(self, part: slice) -> tuple[slice, slice] | None:
        middle = (part.start + part.stop) // 2
        if middle == part.start:
            return None
        return slice(part.start, middle), slice(middle, part.stop)

    def read(self, part: slice, passes: Passes) -> Iterator[Arrays]:
        rows = self.rows[part]
        for logits in passes(partial(self.module, rows), rows.shape):
            self.given += 1
            yield {"prediction": logits.argmax(1).numpy(), "margin": (logits[:, 0]).numpy()}

    def outcome(self, parts: Sequence[Arrays]) -> Outcome:
        whole = {name: np.concatenate([each[name] for each in parts]) for name in parts[0]}
        return Outcome(whole["prediction"], whole["margin"] > 0, whole["margin"])


@dataclass(kw_only=True, eq=False)
class Reading(EvaluatingTogether):
    rows: Rows

    def shown(self) -> Rows:
        return self.rows


@pytest.fixture(scope="module")
def module() -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 12), nn.Tanh(), nn.Linear(12, 3))
    return net.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def found(module: nn.Module) -> SelectivityMap:
    sites = Survey(module, torch.zeros(1, 8)).matching("0,2")
    rows = torch.randn(2, 20, 8, generator=torch.Generator().manual_seed(1))
    sides = []
    for side in rows:
        with record(module, sites) as recording:
            module(side)
        sides.append(recording.moments)
    return welch(*sides)


@pytest.fixture(scope="module")
def masks(found: SelectivityMap) -> list[Mask]:
    return [units_mask(found, [number, 12 + number]) for number in range(3)] + [
        units_mask(found, [12 + number, 23]) for number in range(4)
    ]


def reading(module: nn.Module, scratch: Path | None, size: int = SIZE, **more: Any) -> Reading:
    rows = torch.randn(N, 8, generator=torch.Generator().manual_seed(2))
    names = [f"row {number}" for number in range(N)]
    made = Reading(
        items=Items(names, np.array(["x"] * N), "x"), described=DescribedEvaluation(name="rows"),
        stimuli=more.pop("stimuli", "rows"), digests=[], word="rows", rows=Rows(module, rows, size),
        settings=Settings("toy", batch_size=size, **more),
    )  # fmt: skip
    if scratch is not None:
        made.prepare(scratch, silent)
    return made


def bits(outcomes: Sequence[Outcome]) -> list[bytes]:
    return [each.margin.tobytes() + each.prediction.tobytes() for each in outcomes]


@pytest.fixture(scope="module")
def alone(module: nn.Module, found: SelectivityMap, masks: list[Mask]) -> list[bytes]:
    """Mask by mask, without a folder."""
    one = reading(module, None)
    return bits([one.outcome(mask, found) for mask in (None, *masks)])


def test_together_they_are_what_each_is_alone(
    module: nn.Module, found: SelectivityMap, masks: list[Mask], alone: list[bytes], tmp_path: Path
) -> None:
    one = reading(module, tmp_path)
    assert bits([*one.outcomes([None, *masks], found)]) == alone
    assert one.rows.given == 6 * 8
    assert not (tmp_path / "batches").exists()  # it took no time


def test_killed_at_every_point_it_goes_on_to_the_same_bits(
    module: nn.Module, found: SelectivityMap, masks: list[Mask], alone: list[bytes],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(journal, "EVERY", 0.0)
    context = multiprocessing.get_context("fork")

    def dies(number: int, before: bool, folder: Path) -> None:
        with dying_at(number, before):
            [*reading(module, folder).outcomes([None, *masks], found)]

    for number in (1, 2, 7, 13, 30, 47, 48):  # of 6 batches times 8 masks, one file each
        for before in (True, False):
            folder = tmp_path / f"{number}{before}"
            child = context.Process(target=dies, args=(number, before, folder))
            child.start()
            child.join()
            assert child.exitcode == -signal.SIGKILL
            again = reading(module, folder)
            assert bits([*again.outcomes([None, *masks], found)]) == alone
            assert again.rows.given == 48 - (number - before)


def test_a_stop_loses_nothing(
    module: nn.Module, found: SelectivityMap, masks: list[Mask], alone: list[bytes], tmp_path: Path
) -> None:
    def stop(_step: str, done: int, total: int) -> None:
        if total == N * len(masks) and done >= 60:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        [*reading(module, tmp_path).outcomes(masks, found, stop)]
    again = reading(module, tmp_path)
    assert bits([*again.outcomes(masks, found)]) == alone[1:]
    assert again.rows.given == 48 - 6 - 60 // SIZE


@pytest.mark.parametrize(
    "other", [{"size": 5}, {"stimuli": "others"}, {"ablation": "mean"}, {"ablation": 0.5}]
)
def test_nothing_is_read_that_other_settings_made(
    module: nn.Module, found: SelectivityMap, masks: list[Mask], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, other: dict[str, Any],
) -> None:  # fmt: skip
    monkeypatch.setattr(journal, "EVERY", 0.0)
    [*reading(module, tmp_path).outcomes(masks, found)]
    same = reading(module, tmp_path)
    [*same.outcomes(masks[1:], found)]
    changed = reading(module, tmp_path, **other)
    [*changed.outcomes(masks[1:], found)]
    assert changed.rows.given == len(changed.rows.sizes) * 6


def test_memory_is_bounded_by_the_setting_with_the_same_bits(
    module: nn.Module, found: SelectivityMap, masks: list[Mask], alone: list[bytes]
) -> None:
    little = reading(module, None, cache_memory=1)
    assert bits([*little.outcomes([None, *masks], found)]) == alone
    assert little._passes is not None
    assert little._passes.memory == 1
    own = reading(module, None)
    [*own.outcomes([None], found)]
    assert own._passes is not None
    assert own._passes.memory > 1 << 20


def test_a_layout_is_noted_once_and_a_run_goes_on_in_it(
    module: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fastest(_module: nn.Module, compute: Any, times: int) -> Any:
        compute()
        asked.append(f"{times} batches")
        return "channels_last", {"plain": 2.0, "channels_last": 1.0}

    monkeypatch.setattr("common.study.together.fastest_layout", fastest)
    monkeypatch.setattr("common.study.together.layouts_of", lambda _: LAYOUTS)
    seen: list[str] = []

    @contextmanager
    def arranged(_module: nn.Module, layout: str) -> Iterator[None]:
        seen.append(layout)
        yield

    monkeypatch.setattr("common.study.together.in_layout", arranged)
    tested = reading(module, None)
    note = tmp_path / "pace.json"
    for _ in range(2):
        with tested.arranged(note, begun=False):
            pass
    assert seen == ["channels_last"] * 2
    assert len(asked) == 1
    with tested.arranged(tmp_path / "older.json", begun=True):  # by a version that tried nothing
        pass
    assert seen[-1] == "plain"
    note.write_text('{"layout": "diagonal"}')
    with pytest.raises(RunError, match=r"pace\.json: names no layout that there is"):
        tested.arranged(note, begun=True).__enter__()


def test_donors_are_read_once_and_again_at_other_sites(
    found: SelectivityMap, module: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, seen = reading(module, None), list[Any]()

    def read_donors(of: SelectivityMap) -> Any:
        seen.append(of.sites)
        return len(seen)

    monkeypatch.setattr(made, "read_donors", read_donors)
    other = replace(found, sites=found.sites[:1])
    given: list[Any] = [made.donors(each) for each in (found, found, other, other, found)]
    assert given == [1, 1, 2, 2, 3]
    assert seen == [found.sites, other.sites, found.sites]
