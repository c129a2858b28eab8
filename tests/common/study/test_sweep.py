"""Many runs of one file, shared by processes; one that fails fails alone."""

from __future__ import annotations

import json
import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from filelock import FileLock

from common.base.errors import DataError, SettingError
from common.cli.printing import print_ended, print_sweep
from common.study import sweep as module
from common.study import verbs
from common.study.claims import Claims
from common.study.settings import Settings
from common.study.sweep import planned, sweep
from tests.common.study.test_toy_front import FRONT
from tests.forked import forked

FILE = """
models: [toy/ear]
seeds: [0, 1]
doses: [5, "5,10"]
settings: {eval: toy, controls: "layer-matched:2", untrained_seeds: 0}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "mine.yaml"
    made.write_text(FILE)
    return made


def test_each_with_each_by_name_and_the_same_names_again(path: Path) -> None:
    runs, folder = planned(Settings, path)
    assert folder == Path("runs/mine")
    assert [(run.settings.seed, run.settings.top) for run in runs] == [
        (0, (5,)), (0, (5, 10)), (1, (5,)), (1, (5, 10)),
    ]  # fmt: skip
    assert [run.name.rpartition("-")[0] for run in runs] == [
        "ear-own-s0-top5", "ear-own-s0-top5_10", "ear-own-s1-top5", "ear-own-s1-top5_10",
    ]  # fmt: skip
    assert planned(Settings, path)[0] == runs
    path.write_text(FILE.replace("layer-matched:2", "layer-matched:3"))
    assert not {run.name for run in runs} & {run.name for run in planned(Settings, path)[0]}


def test_what_is_looped_over_wins_and_what_is_not_is_that_of_the_settings(path: Path) -> None:
    path.write_text("models: [toy/ear]\nsettings: {eval: toy, localizer: a, seed: 7, top: [2, 3]}")
    (one,), _ = planned(Settings, path)
    assert (one.settings.localizer, one.settings.top) == ("a", (2, 3))
    path.write_text(path.read_text() + "\nlocalizers: [b, c]\ndoses: [1]\n")
    runs, _ = planned(Settings, path)
    assert [(run.settings.localizer, run.settings.top) for run in runs] == [
        ("b", (1,)), ("c", (1,)),
    ]  # fmt: skip


def test_replacements_stand_beside_each_other(path: Path) -> None:
    path.write_text("models: [toy/ear]\nablations: [zero, mean, resample]\nsettings: {eval: toy}")
    runs, _ = planned(Settings, path)
    assert [run.settings.ablation for run in runs] == ["zero", "mean", "resample"]
    assert len({run.name for run in runs}) == 3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("models: [toy/ear]", "", "models: Field required"),
        ("seeds: [0, 1]", "seed: [0]", "seed: Extra inputs"),
        ("[0, 1]", "[zero]", r"seeds\.0: Input should be a valid integer"),
        ("eval: toy", "eval: toy, colour: red", "there is none called colour"),
        ('[5, "5,10"]', "[500]", "`top` 500: give percentages"),
        ("eval: toy, ", "", "`evaluation` is missing"),
        ("models: [toy/ear]", "models: [toy", "is no YAML"),
    ],
)
def test_a_file_that_makes_no_sense_is_one_line(
    path: Path, old: str, new: str, message: str
) -> None:
    path.write_text(FILE.replace(old, new))
    with pytest.raises(SettingError, match=message) as told:
        planned(Settings, path)
    assert str(path) in str(told.value)
    assert "\n" not in str(told.value)


def test_all_run_and_a_second_time_nothing_does(
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs, _ = planned(Settings, path)
    every = [*sweep(FRONT, runs, tmp_path / "out")]
    assert [ended.run for ended in every] == runs
    assert all(ended.results is not None and ended.seconds > 0 for ended in every)
    assert not [*(tmp_path / "out" / ".claims").iterdir()]
    monkeypatch.setattr(module, "run", None)
    again = [*sweep(FRONT, runs, tmp_path / "out")]
    assert [ended.results for ended in again] == [ended.results for ended in every]
    assert not any(ended.seconds for ended in again)
    year = str(datetime.now(UTC).year)
    assert not any(ended.begun for ended in every)
    assert all(ended.begun.startswith(year) for ended in again)  # read as it was, with its date
    assert again[0].as_json()["read_as_of"] == again[0].begun
    print_sweep(again, tmp_path)
    print_ended(again[0], 1, 4)
    said = " ".join(capsys.readouterr().out.split())
    assert f"(as of {again[0].begun[:10]})" in said
    assert "are read as they were" in said
    assert json.dumps([ended.as_json() for ended in every])


def test_one_that_fails_is_named_and_the_others_go_on(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, _ = planned(Settings, path)
    real = verbs.run

    def failing(front: Any, settings: Settings, *more: Any) -> Any:
        if settings.seed == 0:
            raise DataError("no such sound") if len(settings.top) == 1 else MemoryError
        return real(front, settings, *more)

    monkeypatch.setattr(module, "run", failing)
    every = [*sweep(FRONT, runs, tmp_path / "out")]
    assert [ended.failure for ended in every] == [
        "no such sound", "MemoryError: no word of why", "", "",
    ]  # fmt: skip


def test_a_run_that_somebody_else_is_at_is_waited_for(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAUSE", 0)
    runs, _ = planned(Settings, path)
    other = FileLock(tmp_path / "out" / runs[0].name / ".lock")
    (tmp_path / "out" / runs[0].name).mkdir(parents=True)
    other.acquire()
    waited: list[str] = []

    def waiting(holder: str) -> None:
        waited.append(holder)
        other.release()

    every = [*sweep(FRONT, runs, tmp_path / "out", waiting=waiting)]
    assert [ended.run for ended in every] == [*runs[1:], runs[0]]
    assert not any(ended.failure for ended in every)
    assert len(waited) == 1


def shared(path: Path, folder: Path, log: Path, dies: bool) -> None:
    """What one of several processes does; it writes down how each run ended."""
    torch.set_num_threads(1)
    module.PAUSE = 0.05

    def progress(step: str, done: int, _total: int) -> None:
        if dies and step == "evaluate" and done == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    runs, _ = planned(Settings, path)
    claims = Claims(folder / ".claims", beat=0.05, dead=0.5)
    with patch("common.study.verbs.make_report"), log.open("a", buffering=1) as file:
        for ended in sweep(FRONT, runs, folder, progress, claims):
            file.write(f"{ended.run.name} {ended.seconds > 0} {ended.failure}\n")


def test_two_processes_share_and_one_that_is_killed_is_taken_over(
    path: Path, tmp_path: Path
) -> None:
    runs, _ = planned(Settings, path)
    folder = tmp_path / "out"
    dying = forked(shared, path, folder, tmp_path / "dying", True)
    dying.join(60)
    assert dying.exitcode == -signal.SIGKILL
    assert not (tmp_path / "dying").read_text()
    both = [forked(shared, path, folder, tmp_path / name, False) for name in ("one", "two")]
    for each in both:
        each.join(60)
        assert each.exitcode == 0
    said = [(tmp_path / name).read_text().split("\n")[:-1] for name in ("one", "two")]
    computed = [line.split()[0] for lines in said for line in lines if "True" in line]
    assert sorted(computed) == sorted(run.name for run in runs)  # each once, by one of the two
    assert [len(lines) for lines in said] == [len(runs)] * 2  # and both end with all of them
    whole = {ended.run.name: ended.results for ended in sweep(FRONT, runs, tmp_path / "alone")}
    assert {ended.run.name: ended.results for ended in sweep(FRONT, runs, folder)} == whole
