"""Two processes give the bytes of one, whatever one of them had done before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from common.study.settings import read_controls
from tests.forked import forked
from tests.forked_team import run_in, teamed
from vision_loc.experiment import FRONT, Settings

SETTINGS = Settings(
    model="phantom/planted",
    localizer="phantom-planted:pattern",
    evaluation="phantom-planted",
    top=(2, 6.25),
    controls=read_controls("random:2,layer-matched:3"),
    device="cpu",
    batch_size=16,
    plain=True,
    untrained_seeds=0,
)
FILES = ("results.json", "items.csv", "masks.safetensors", "selectivity.safetensors", "stimuli.csv")


def alike(one: Path, two: Path) -> None:
    for name in FILES:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


def ended(*processes: object) -> list[int]:
    for each in processes:
        each.join(120)  # type: ignore[attr-defined]
    return [each.exitcode for each in processes]  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone") / "run"
    assert ended(forked(run_in, FRONT, SETTINGS, folder)) == [0]
    return folder


def test_two_give_the_bytes_of_one_and_the_first_alone_writes(alone: Path, tmp_path: Path) -> None:
    assert ended(*teamed(run_in, FRONT, SETTINGS, tmp_path / "run")) == [0, 0]
    alike(alone, tmp_path / "run")
    assert [each.name for each in tmp_path.iterdir()] == ["run"]
    assert ended(*teamed(run_in, FRONT, SETTINGS, tmp_path / "run")) == [0, 0]  # finished before


def test_they_go_on_where_one_stopped(alone: Path, tmp_path: Path) -> None:
    (code,) = ended(forked(run_in, FRONT, SETTINGS, tmp_path / "run", 20))
    assert code != 0
    assert [*(tmp_path / "run" / "partial" / "batches").iterdir()]
    assert ended(*teamed(run_in, FRONT, SETTINGS, tmp_path / "run", n=3)) == [0, 0, 0]
    alike(alone, tmp_path / "run")


@pytest.mark.parametrize("more", [{"unit": "neuron", "pooling": "none"}, {"score": "conjunction"}])
def test_neurons_and_another_score_too(more: dict[str, str], tmp_path: Path) -> None:
    settings = replace(SETTINGS, top=(2,), controls=read_controls("random:1"), **more)  # type: ignore[arg-type]
    one = forked(run_in, FRONT, settings, tmp_path / "one")
    assert ended(one, *teamed(run_in, FRONT, settings, tmp_path / "two")) == [0, 0, 0]
    alike(tmp_path / "one", tmp_path / "two")
