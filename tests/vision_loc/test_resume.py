"""A run that is killed, at whatever point, goes on and ends in the same numbers."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from common.study.results import results_json
from common.study.settings import read_controls
from tests.forked import dying_at, forked
from vision_loc.experiment import Settings, run

# A process of its own has as many untrained networks as a user's, and so it shall be in this one.
pytestmark = pytest.mark.usual_untrained

SETTINGS = Settings(
    model="phantom/planted",
    localizer="phantom-planted:pattern",
    evaluation="phantom-planted",
    top=(2, 6.25),
    controls=read_controls("random:2,layer-matched:3"),
    device="cpu",
)


def die_at(number: int, before: bool, folder: Path) -> None:
    """Run in a process of its own, which does not come to the end."""
    with dying_at(number, before):
        run(SETTINGS, folder)


def killed_at(number: int, before: bool, folder: Path) -> None:
    process = forked(die_at, number, before, folder)
    process.join()
    assert process.exitcode == -signal.SIGKILL


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    run(SETTINGS, folder)
    return folder


def test_a_run_killed_again_and_again_ends_in_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    killed_at(1, True, folder)  # before run.json
    killed_at(2, False, folder)  # after stimuli.csv
    killed_at(3, True, folder)  # between decoding and the first outcome
    killed_at(6, False, folder)  # some outcomes in
    killed_at(7, True, folder)
    results, _, was_done = run(SETTINGS, folder)
    assert not was_done
    for name in ("results.json", "items.csv"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes()
    assert results_json(results) == json.loads((whole / "results.json").read_text())
    assert not (folder / "partial").exists()


def test_a_finished_run_computes_nothing(whole: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in whole.rglob("*") if file.is_file()}
    _, _, was_done = run(SETTINGS, whole)
    after = {file: file.stat().st_mtime_ns for file in whole.rglob("*") if file.is_file()}
    assert was_done
    assert {k: v for k, v in after.items() if k.name != ".lock"} == {
        k: v for k, v in before.items() if k.name != ".lock"
    }
