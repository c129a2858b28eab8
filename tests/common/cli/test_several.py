"""What verbs that make one thing of several runs print, and ``--version``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import vision_loc.cli
from common.base.errors import SettingError
from common.cli import compare_sites, dissociate, tables
from common.cli.version import add_version
from common.effects.agreement import Agreement
from common.effects.claim import NO, YES
from tests.common.effects.test_crossing_words import made as crossed
from tests.common.effects.test_kinds_words import made as kinds
from vision_loc.settings import Settings

FOLDER = Path("runs/mine")
ASKED = ("--model", "phantom/cnn", "--quiet")
RANGE = {"mean": 0.5, "low": 0.25, "high": 0.75}
AGREED = Agreement.model_validate({
    "n": 3, "percent": 1.0, "n_units": 12, "n_all": 4, "correlation": RANGE, "shared": RANGE,
    "chance": 0.01, "effect": RANGE, "effect_sd": 0.1, "p": None, "outcomes": {"no evidence": 3},
})  # fmt: skip
Add = Callable[[typer.Typer, Any], None]


def typed(add: Add, *words: str) -> str:
    """What a program of one verb prints."""
    program = typer.Typer()
    add(program, SimpleNamespace(front=SimpleNamespace(settings=Settings)))
    program.command("other")(lambda: None)
    done = CliRunner().invoke(program, [*words], catch_exceptions=False, env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.output


def stand_in(monkeypatch: pytest.MonkeyPatch, place: str, found: object, was_done: bool) -> list:
    """Instead of computing, it is told what it is asked for."""
    asked: list[Any] = []

    def work(*given: Any) -> tuple[object, Path, bool]:
        asked.extend(given)
        return found, FOLDER, was_done

    monkeypatch.setattr(place, work)
    return asked


@pytest.mark.parametrize("was_done", [False, True])
def test_a_dissociation_is_a_matrix_and_its_finding(
    was_done: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = crossed((YES, NO, NO, YES))
    asked = stand_in(monkeypatch, "common.cli.dissociate.dissociate", found, was_done)
    words = ("dissociate", "-l", "toy:left", "-l", "toy:right", "--by", "field", *ASKED)
    said = typed(dissociate.add_dissociate, *words)
    assert asked[2:5] == [["toy:left", "toy:right"], "field", None]
    assert ("This was finished; nothing was computed." in said) is was_done
    for part in ("Double dissociation", "+20.0", "layer-matched draws", "runs/mine/report.html"):
        assert part in said
    assert len(Settings.brought["phantom/cnn"].top) > 1
    assert asked[1].top == (1.0,)
    read = json.loads(typed(dissociate.add_dissociate, *words, "--json"))
    assert read["doubles"] == [{"one": ["A", "x"], "other": ["B", "y"]}]


@pytest.mark.parametrize("was_done", [False, True])
def test_compared_kinds_are_tables_and_the_finding(
    was_done: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = kinds((YES, NO), (YES, NO))
    asked = stand_in(monkeypatch, "common.cli.compare_sites.compare_sites", found, was_done)
    words = ("compare-sites", "--kind", "block", "--n-units", "12", "--top", "2.5", *ASKED)
    said = typed(compare_sites.add_compare_sites, *words)
    assert asked[2:5] == [["block"], 12, None]
    assert asked[1].top == (2.5,)
    assert ("This was finished; nothing was computed." in said) is was_done
    for part in ("12 units of each kind", "● block", "which is more than at every other kind"):
        assert part in said
    assert "runs/mine/report.html" in said
    read = json.loads(typed(compare_sites.add_compare_sites, *words, "--json"))
    assert [each["kind"] for each in read["asked"][0]["kinds"]] == ["block", "attn"]


class Runs:
    """Two runs side by side."""

    sides = (SimpleNamespace(cells=["[seed-0]"] + ["x"] * 8), SimpleNamespace(cells=["b"] * 9))
    mean_said = "Mean over [2] models."

    def as_json(self) -> dict[str, object]:
        return {"runs": [{"run": "seed-0"}]}


def test_several_seeds_are_a_row_each_and_what_they_agree_in(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    tables.print_seeds(Runs(), AGREED, FOLDER, False)  # type: ignore[arg-type]
    said = " ".join(capsys.readouterr().out.split())
    assert "[seed-0]" in said
    assert "Over 3 seeds, at 1 %: no evidence in 3" in said
    assert "Run folders: runs/mine" in said
    tables.print_seeds(Runs(), AGREED, FOLDER, True)  # type: ignore[arg-type]
    read = json.loads(capsys.readouterr().out)
    assert (read["runs"], read["agreement"]["n_all"]) == ([{"run": "seed-0"}], 4)


def test_runs_side_by_side_end_with_their_mean(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    tables.print_sides(Runs())  # type: ignore[arg-type]
    said = " ".join(capsys.readouterr().out.split())  # however wide the terminal is
    assert "r: correlation of the maps" in said
    assert said.endswith("Mean over [2] models.")


def test_the_version_names_what_numbers_rest_on() -> None:
    said = typed(lambda program, _: add_version(program), "--version")
    assert ": funcloc " in said
    assert "(Python 3." in said
    assert ", torch 2." in said


def test_seeds_are_run_one_after_another_and_by_a_single_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []

    def work(*given: Any) -> tuple[Runs, Agreement, Path]:
        asked.extend(given)
        return Runs(), AGREED, FOLDER

    monkeypatch.setattr("common.cli.verbs.run_seeds", work)
    words = ["run", *ASKED, "--seeds", "3", "--out", "runs/mine"]
    done = CliRunner().invoke(vision_loc.cli.app, words, catch_exceptions=False)
    assert "Over 3 seeds, at 1 %" in done.output
    assert asked[2:4] == [3, FOLDER]
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(SettingError, match="`seeds`: several processes make one run"):
        CliRunner().invoke(vision_loc.cli.app, words, catch_exceptions=False)


def test_each_mask_of_a_list_is_evaluated_in_a_folder_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    listed = tmp_path / "units.csv"
    listed.write_text("mask,site,unit\none,a,1\ntwo/2,a,2\n")
    asked: list[tuple[Any, Any]] = []

    def work(_front: Any, _map: Any, place: Any, _progress: Any, **given: Any) -> tuple:
        asked.append((place, given["mask"]))
        return SimpleNamespace(as_json=dict), FOLDER, False

    monkeypatch.setattr("common.cli.verbs.evaluate_map", work)
    monkeypatch.setattr("common.cli.verbs._print", lambda *_: None)
    words = ["evaluate", "--map", str(tmp_path), "--units", str(listed), "--quiet"]
    done = CliRunner().invoke(vision_loc.cli.app, words, catch_exceptions=False)
    assert asked == [(None, "one"), (None, "two/2")]
    assert "2 masks were judged, each by itself" in " ".join(done.output.split())
    asked.clear()
    CliRunner().invoke(vision_loc.cli.app, [*words, "--out", "o"], catch_exceptions=False)
    assert [mask for _, mask in asked] == ["one", "two/2"]
    assert len({place for place, _ in asked}) == 2
    assert all(place.parent == Path("o") for place, _ in asked)
    asked.clear()
    CliRunner().invoke(vision_loc.cli.app, [*words, "--mask", "one"], catch_exceptions=False)
    assert asked == [(None, "one")]
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(SettingError, match="`mask` is missing: several processes evaluate one"):
        CliRunner().invoke(vision_loc.cli.app, words, catch_exceptions=False)
