"""An old run again: whether each number comes out, and what had changed where it does not."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import typer
from safetensors.numpy import load_file

from common.base.errors import RunError
from common.base.files import read_arrays, read_sealed, save_arrays, save_sealed
from common.cli.main import run_command
from common.cli.repeat import add_repeat
from common.study import dissociation, verbs
from common.study.agreement import agreements, changes
from common.study.dissociation import dissociate
from common.study.repeat import Repeated, repeat
from common.study.settings import read_controls
from tests.common.study import test_dissociation as crossing
from tests.common.study.test_toy_front import FRONT, SETTINGS, SoundFront


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repeat") / "run"
    verbs.run(FRONT, SETTINGS, folder)
    return folder


@pytest.fixture(scope="module")
def again(done: Path) -> Repeated:
    return repeat(FRONT, done)


@pytest.fixture(scope="module")
def elsewhere(done: Path) -> Repeated:
    """The same on other weights, kept."""
    return repeat(Other(), done, done.with_name("kept"))


@pytest.fixture
def old(done: Path, tmp_path: Path) -> Path:
    """A copy that a test may change; nobody notes what files were."""
    folder = tmp_path / "old"
    shutil.copytree(done, folder)
    (folder / "digests.json").unlink()
    return folder


def test_every_number_of_a_run_comes_out_again(done: Path, again: Repeated) -> None:
    assert again.agrees
    assert again.changes == ()
    assert again.again is None
    names = {part.part: part for part in again.parts}
    assert {*names} == {"results.json", "untrained.json", "selectivity.safetensors",
                        "masks.safetensors", "stimuli.csv", "items.csv"}  # fmt: skip
    items = pd.read_csv(done / "items.csv")
    n_keys = len({"item", "group", "mask"})
    assert names["items.csv"].n == len(items) * (len(items.columns) - n_keys)
    masks = load_file(done / "masks.safetensors")
    assert names["masks.safetensors"].n == sum(array.size for array in masks.values())
    assert names["results.json"].n > 500
    assert not any(part.gone or part.new for part in again.parts)


def test_a_map_an_evaluation_and_a_dissociation_are_done_again_too(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undrawn = replace(dissociation.CROSSED, report=lambda folder, _: folder)
    monkeypatch.setattr(dissociation, "CROSSED", undrawn)
    *_, place = verbs.localize_only(FRONT, SETTINGS, tmp_path / "map")
    assert repeat(FRONT, place).agrees
    given = {"evaluation": "toy", "top": "5", "controls": "random:2"}
    _, place, _ = verbs.evaluate_map(FRONT, done, tmp_path / "again", **given)
    found = repeat(FRONT, place)
    assert found.agrees
    assert "items.csv" in {part.part for part in found.parts}
    settings = replace(crossing.SETTINGS, controls=read_controls("layer-matched:2"))
    where = tmp_path / "crossed"
    dissociate(crossing.Sides(), settings, ["toy:left", "toy:right"], out=where)
    crossed = repeat(crossing.Sides(), where)
    assert crossed.agrees
    assert {"dissociation.json", "maps/toy-left.safetensors"} <= {p.part for p in crossed.parts}


class Other(SoundFront):
    """The same with other weights."""

    def load(self, settings: Any) -> Any:
        model, about = super().load(settings)
        with torch.no_grad():
            model[3].weight[0, 0] += 1.0
        return model, about.model_copy(update={"fingerprint": "0" * 32})


def test_other_weights_are_told_with_how_far_apart_numbers_are(
    done: Path, elsewhere: Repeated
) -> None:
    assert not elsewhere.agrees
    assert "weights of the model" in [change.name for change in elsewhere.changes]
    items = next(part for part in elsewhere.parts if part.part == "items.csv")
    assert elsewhere.again is not None
    both = [pd.read_csv(folder / "items.csv").set_index(["item", "mask"])
            for folder in (done, elsewhere.again)]  # fmt: skip
    gap = (both[0]["margin"] - both[1]["margin"].reindex(both[0].index)).abs()
    assert gap.max() > 0
    assert items.furthest in (gap.max(), np.inf)
    assert "not all numbers came out again" in elsewhere.failure
    assert "weights of the model" in elsewhere.failure
    assert json.loads(json.dumps(elsewhere.as_json(), allow_nan=False))["agrees"] is False
    assert repeat(Other(), done, elsewhere.again).was_done


def test_a_run_of_an_older_version_is_repeated_as_far_as_it_can_be_read(old: Path) -> None:
    entry = read_sealed(old / "run.json")
    del entry["front"], entry["device"], entry["settings"]["untrained_seeds"]
    entry["settings"]["colour"] = "grey"
    entry["versions"]["torch"] = "1.0"
    save_sealed(old / "run.json", entry)
    results = json.loads((old / "results.json").read_text())
    for key in ("schema", "judgement", "balances", "massive", "established", "baseline"):
        results.pop(key)
    (old / "results.json").write_text(json.dumps(results))
    (old / "untrained.json").unlink()
    items = pd.read_csv(old / "items.csv", dtype=str, keep_default_na=False)
    items.drop(columns=["rule", "percent"]).to_csv(old / "items.csv", index=False)
    again = repeat(FRONT, old)
    assert again.agrees
    told = next(part for part in again.parts if part.part == "results.json")
    assert told.n > 300
    assert told.new > 10
    said = {change.name: change for change in again.changes}
    assert (said["colour"].then, said["colour"].now) == ("grey", "no longer known")
    assert said["torch"].then == "1.0"


def test_what_cannot_be_repeated_is_refused_in_one_line(old: Path, tmp_path: Path) -> None:
    (old / "results.json").unlink()
    with pytest.raises(RunError, match="is not finished"):
        repeat(FRONT, old)
    entry = read_sealed(old / "run.json")
    save_sealed(old / "run.json", {**entry, "front": "tree-loc"})
    with pytest.raises(RunError, match="a run of tree-loc"):
        repeat(FRONT, old)
    save_sealed(old / "run.json", {"fingerprint": "0"})
    with pytest.raises(RunError, match="names no settings"):
        repeat(FRONT, old)
    with pytest.raises(RunError, match="cannot be read"):
        repeat(FRONT, tmp_path / "none")


# --- number by number ---


def of(name: str, one: Path, two: Path, within: float = 0.0) -> Any:
    return next(part for part in agreements(one, two, within) if part.part == name)


def test_one_number_that_differs_is_counted_and_found(done: Path, old: Path) -> None:
    results = json.loads((old / "results.json").read_text())
    results["ablations"][2]["groups"]["tone"]["drop"] += 0.25
    results["verdict"] = "Said otherwise."
    (old / "results.json").write_text(json.dumps(results))
    part = of("results.json", done, old)
    assert (part.n_other, part.furthest) == (1, pytest.approx(0.25))
    assert results["ablations"][2]["mask"] in part.where
    assert of("results.json", done, old, 0.3).agrees

    items = pd.read_csv(old / "items.csv", dtype=str, keep_default_na=False)
    margin = float(items.loc[7, "margin"])
    items.loc[7, "margin"] = str(margin + 0.5)
    items.sample(frac=1, random_state=0).to_csv(old / "items.csv", index=False)
    part = of("items.csv", done, old)
    assert (part.n_other, part.furthest) == (1, pytest.approx(0.5))
    assert part.where.startswith("margin of ")
    assert items.loc[7, "item"] in part.where
    items.loc[9, "prediction"] = "7"
    items.drop(index=[3, 4]).to_csv(old / "items.csv", index=False)
    part = of("items.csv", done, old)
    assert (part.n_other, part.furthest) == (2, pytest.approx(0.5))
    assert part.gone == 2 * (len(items.columns) - 3)
    assert of("items.csv", old, done).new == part.gone

    arrays, about = read_arrays(old / "masks.safetensors")
    name = next(iter(arrays))
    arrays[name] = ~arrays[name]
    save_arrays(old / "masks.safetensors", arrays, about)
    part = of("masks.safetensors", done, old)
    assert (part.n_other, part.where) == (arrays[name].size, name)


def test_what_changed_is_told_by_name() -> None:
    one = {"versions": {"torch": "2.9"}, "device": "cpu",
           "identity": {"format": 1, "localizer": {"stimuli": "a"}, "seed": 0}}  # fmt: skip
    two = {"versions": {"torch": "2.10"}, "device": "cuda",
           "identity": {"format": 2, "localizer": {"stimuli": "b"}, "seed": 0}}  # fmt: skip
    told = [(each.name, each.then, each.now) for each in changes(one, two)]
    assert told == [("torch", "2.9", "2.10"), ("stimuli of the localizer", "a", "b"),
                    ("device", "cpu", "cuda")]  # fmt: skip
    assert changes(one, one) == []


# --- the command ---


def said(found: Repeated, *words: str, monkeypatch: pytest.MonkeyPatch) -> int:
    app = typer.Typer()
    app.callback()(lambda: None)
    add_repeat(app, SimpleNamespace(front=FRONT))
    monkeypatch.setattr("common.cli.repeat.repeat", lambda *_, **__: found)
    monkeypatch.setattr("sys.argv", ["sound-loc", "repeat", *words])
    with pytest.raises(SystemExit) as ended:
        run_command(app, "sound-loc")
    return int(ended.value.code or 0)


def test_the_command_ends_with_0_where_all_agree_and_with_one_line_where_not(
    done: Path,
    again: Repeated,
    elsewhere: Repeated,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert said(again, str(done), "-q", monkeypatch=monkeypatch) == 0
    told = capsys.readouterr()
    assert "Each number of the run came out again." in told.out
    assert told.err == ""
    assert said(elsewhere, str(done), "-q", "--json", monkeypatch=monkeypatch) == 1
    told = capsys.readouterr()
    assert json.loads(told.out)["agrees"] is False
    assert told.err.count("\n") == 1
    assert told.err.startswith(f"sound-loc: {done}: not all numbers came out again")
