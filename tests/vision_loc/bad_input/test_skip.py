"""Going on past pictures that are broken or missing, where that was asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from common.report import make_report
from common.study.results import load_results
from tests.vision_loc.bad_input.said import (
    Call,
    bomb,
    dangling,
    finishes,
    missing,
    text,
    truncated,
    words,
)


def test_skip_goes_on_and_reports_each(mine: Path, tmp_path: Path, call: Call) -> None:
    out = tmp_path / "run"
    text(mine / "target" / "03.png")
    truncated(mine / "eval" / "control" / "00.png")
    missing(mine / "eval" / "control" / "01.png")
    dangling(mine / "eval" / "control" / "02.png")
    bomb(mine / "eval" / "target" / "05.png")
    status, printed, err = call(*words(mine, out, on_error="skip"))
    assert (status, err) == (0, "")
    results = json.loads((out / "results.json").read_text())
    assert results["localizer"]["n_target"] == results["selectivity"]["n_target"] == 5
    assert results["localizer"]["skipped"] == [
        {
            "name": str(mine / "target" / "03.png"),
            "reason": "no picture, or of a kind that cannot be read",
        }
    ]
    left_out = {entry["name"]: entry["reason"] for entry in results["evaluation"]["skipped"]}
    assert list(left_out) == ["control/00.png", "control/01.png", "control/02.png", "target/05.png"]
    assert left_out["control/01.png"] == "no such picture"
    assert [results["intact"][group]["n"] for group in ("target", "control")] == [5, 3]
    assert results["evaluation"]["n_items"] == 8
    said = (
        "4 stimuli of the evaluation were broken or missing and left out: control/00.png, "
        "control/01.png, control/02.png, …."
    )
    assert said in results["warnings"]
    assert said in " ".join(printed.split())
    assert "1 stimulus of the localizer was broken or missing and left out" in printed
    report = make_report(out, load_results(out))
    assert "4 stimuli of the evaluation" in report.read_text()
    assert "nothing was computed" in call(*words(mine, out, on_error="skip"))[1]


def test_what_was_skipped_is_part_of_the_run(
    mine: Path, tmp_path: Path, call: Call, refused: Callable[..., str]
) -> None:
    out = tmp_path / "run"
    finishes(call, words(mine, out), out)
    # Nothing is broken, so skipping changes nothing: it is the same run.
    assert "nothing was computed" in call(*words(mine, out, on_error="skip"))[1]
    text(mine / "target" / "03.png")
    said = refused(*words(mine, out, on_error="skip"))
    assert "holds another run (it differs in localizer.stimuli" in said


def test_skip_needs_enough_that_is_whole(
    mine: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    for i in range(3):
        text(mine / "control" / f"{i:02d}.png")
    said = refused(*words(mine, tmp_path / "run", on_error="skip"))
    assert "3 control pictures; a contrast with its split halves needs 4 at least" in said
    for i in range(6):
        text(mine / "eval" / "control" / f"{i:02d}.png")
    (mine / "more").mkdir()
    for i in range(4):
        Image.new("RGB", (8, 8), (i, i, i)).save(mine / "more" / f"{i}.png")
    said = refused(*words(mine, tmp_path / "run", on_error="skip", control=mine / "more"))
    assert "evaluation group 'control' is empty" in said
    assert not (tmp_path / "run").exists()


def test_localize_and_evaluate_skip_too(mine: Path, tmp_path: Path, call: Call) -> None:
    text(mine / "target" / "03.png")
    text(mine / "eval" / "target" / "00.png")
    where = ["--device", "cpu", "-q", "--on-error", "skip"]
    own = ["--target", mine / "target", "--control", mine / "control", "--out", tmp_path / "map"]
    status, out, _ = call("localize", "--model", "phantom/planted", *own, *where)
    assert status == 0
    assert "1 stimulus of the localizer was broken or missing and left out" in " ".join(out.split())
    chosen = ["--map", tmp_path / "map", "--eval", mine / "eval", "--out", tmp_path / "run"]
    status, out, _ = call("evaluate", *chosen, *where, "--json")
    assert status == 0
    results = json.loads(out)
    assert [len(results[part]["skipped"]) for part in ("localizer", "evaluation")] == [1, 1]
    assert sum("left out" in warning for warning in results["warnings"]) == 2


@pytest.mark.usefixtures("mine")
def test_skip_counts_what_a_manifest_lacks(tmp_path: Path, call: Call) -> None:
    (tmp_path / "set.yaml").write_text(
        "name: mine\nabout: x\nsource: {url: x}\n"
        "conditions:\n"
        "  a: {files: 'target/*.png', n: 8}\n"
        "  b: {files: 'control/*.png', n: 6}\n"
        "contrasts: {ab: {target: [a], control: [b]}}\n"
    )
    chosen = ["--localizer", tmp_path / "set.yaml", "--data-root", tmp_path, "--device", "cpu"]
    line = ["localize", "--model", "phantom/planted", *chosen, "--out", tmp_path / "map", "-q"]
    status, _, err = call(*line)
    assert status == 1
    assert "6 pictures where mine has 8" in err
    status, out, _ = call(*line, "--on-error", "skip", "--json")
    assert status == 0
    skipped = json.loads(out)["localizer"]["skipped"]
    assert skipped == [{"name": "target/*.png", "reason": "no such picture"}] * 2


def test_on_error_has_two_values(mine: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    said = refused(*words(mine, tmp_path / "run", on_error="ignore"))
    assert "--on-error ignore: choose one of stop, skip" in said
