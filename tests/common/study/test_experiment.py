"""The experiment with a localizer and an evaluation made of arithmetic."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from common.base.errors import DataError
from common.effects.items import Items, Outcome
from common.effects.judge import judge
from common.measure.control_rules import parse_controls
from common.measure.masks import Mask
from common.measure.scores import SelectivityMap
from common.study.plan import Plan
from common.study.results import SCHEMA, read_items
from tests.common.conftest import MapMaker
from tests.common.study.bench import ITEMS, N_FACES, ORDER, PLAN, Bench, Killed

# --- a run ---


def test_a_run_evaluates_intact_first_and_then_every_mask_in_order(bench, tmp_path: Path) -> None:
    one = bench()
    results = one.run(tmp_path)
    assert one.localized == 1
    assert one.evaluated == ORDER
    assert [entry.mask for entry in results.ablations] == ORDER[1:]


def test_results_hold_what_the_contract_says(bench, tmp_path: Path) -> None:
    found = bench().run(tmp_path)
    results = json.loads((tmp_path / "results.json").read_text())
    assert results == {"schema": SCHEMA, **found.as_json()}
    named = {"model", "localizer", "selectivity", "intact", "ablations", "judgement", "verdict"}
    assert named <= set(results)
    assert {"n_units", "n_sites"} <= set(results["selectivity"])
    for entry in results["ablations"]:
        assert {"mask", "percent", "seed", "n_units", "interaction", "interaction_ci"} <= set(entry)
        assert entry["n_units"] == (3 if entry["percent"] == 1 else 15)
        for group in ("face", "object"):
            assert {"accuracy", "drop", "drop_ci", "mcnemar_p"} <= set(entry["groups"][group])
    assert results["intact"]["face"]["n"] == N_FACES
    assert set(results["intact"]["face"]) == {"accuracy", "ci", "n"}
    assert results["headline_percent"] == 1.0
    assert results["judgement"]["adjusted"]["p"] == pytest.approx(1 / 4)  # of three matched masks
    assert results["judgement"]["outcome"] == "cannot tell"
    assert "The 3 units (1 % of 300)" in results["verdict"]
    assert "The model is a phantom" in results["warnings"][0]


def test_numbers_in_the_results_are_those_of_the_items(bench, tmp_path: Path) -> None:
    results = bench().run(tmp_path)
    table = pd.read_csv(tmp_path / "items.csv")
    assert ",".join(table.columns) == "item,group,mask,rule,percent,label,prediction,correct,margin"
    assert len(table) == len(ORDER) * len(ITEMS.names)
    assert list(dict.fromkeys(table["mask"])) == ORDER
    for _, rows in table.groupby("mask"):
        assert rows["item"].tolist() == ITEMS.names
        assert rows["group"].tolist() == ITEMS.groups.tolist()
        assert rows["label"].tolist() == ITEMS.labels.tolist()
    share = table.groupby(["mask", "group"])["correct"].mean()
    for entry in results.ablations:
        for group in ("face", "object"):
            assert entry.groups[group].accuracy == share[entry.mask, group]
            wanted = share["intact", group] - share[entry.mask, group]
            assert entry.groups[group].drop == pytest.approx(wanted)


def test_masks_and_map_are_in_the_folder(bench, tmp_path: Path) -> None:
    one = bench()
    one.run(tmp_path)
    saved = SelectivityMap.load(tmp_path / "selectivity.safetensors")
    assert saved.fingerprint == one.found.fingerprint
    arrays = load_file(tmp_path / "masks.safetensors")
    assert set(arrays) == {f"{name}/{s}" for name in ORDER[1:] for s in one.found.sites}


def test_progress_is_told_of_every_mask(bench, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    bench().run(tmp_path, progress=lambda *state: told.append(state))
    total = len(ORDER)
    told = [state for state in told if state[0] == "evaluate"]
    assert told == [("evaluate", done, total) for done in range(total + 1)]


def test_the_headlines_mask_and_outcomes_are_given_away_for_pictures(bench, tmp_path: Path) -> None:
    one = bench()
    results = one.run(tmp_path)
    [(folder, found, top, intact, ablated, _)] = one.tested.illustrated
    assert folder == tmp_path
    assert (found.n_units, top.name) == (300, "top-1")
    assert intact.correct[:N_FACES].mean() == results.intact["face"].accuracy
    wanted = results.ablations[0].groups["face"].accuracy
    assert ablated.correct[:N_FACES].mean() == wanted


@pytest.mark.parametrize("missing", ["target", "other"])
def test_an_empty_group_is_refused_and_named(missing: str) -> None:
    names = {"target": "face", "other": "object", missing: "dog"}
    with pytest.raises(DataError, match="evaluation group 'dog' is empty"):
        Items(["a", "b"], np.array(["face", "object"]), **names)


# --- killed and finished runs ---


@pytest.mark.parametrize("dies_at", [0, 1, 2, 7, len(ORDER) - 1])
def test_a_resumed_run_ends_in_the_same_bytes_and_measures_nothing_twice(
    bench, tmp_path: Path, dies_at: int
) -> None:
    bench().run(tmp_path / "whole")
    killed, resumed = bench(dies_at), bench()
    with pytest.raises(Killed):
        killed.run(tmp_path / "cut")
    assert not (tmp_path / "cut" / "results.json").exists()
    resumed.run(tmp_path / "cut")
    assert killed.evaluated + resumed.evaluated == ORDER
    assert resumed.localized == 0
    for name in ("results.json", "items.csv", "masks.safetensors", "selectivity.safetensors"):
        cut, whole = tmp_path / "cut" / name, tmp_path / "whole" / name
        assert cut.read_bytes() == whole.read_bytes()
    assert not (tmp_path / "cut" / "partial").exists()


def test_a_broken_outcome_is_measured_again(bench, tmp_path: Path) -> None:
    bench().run(tmp_path / "whole")
    with pytest.raises(Killed):
        bench(5).run(tmp_path / "cut")
    broken = tmp_path / "cut" / "partial" / "top-1.safetensors"
    broken.write_bytes(broken.read_bytes()[:50])
    resumed = bench()
    resumed.run(tmp_path / "cut")
    assert resumed.evaluated == ["top-1", *ORDER[5:]]
    results = [(tmp_path / name / "results.json").read_bytes() for name in ("cut", "whole")]
    assert results[0] == results[1]


def test_a_killed_localizer_leaves_nothing_to_trust(bench, tmp_path: Path) -> None:
    def killed() -> SelectivityMap:
        raise Killed

    one = bench()
    one.localize = killed
    with pytest.raises(Killed):
        one.run(tmp_path)
    resumed = bench()
    resumed.run(tmp_path)
    assert (resumed.localized, resumed.evaluated) == (1, ORDER)


def test_a_finished_run_does_nothing_and_says_the_same(bench, tmp_path: Path) -> None:
    first = bench().run(tmp_path)
    before = contents(tmp_path)
    again = bench()
    assert again.run(tmp_path) == first
    assert (again.localized, again.evaluated) == (0, [])
    assert contents(tmp_path) == before


def contents(folder: Path) -> dict[Path, tuple[bytes, int]]:
    """What the files hold, and when they were written; but for the lock, which is taken anew."""
    files = [path for path in folder.iterdir() if path.name != ".lock"]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_another_seed_draws_other_controls(bench, tmp_path: Path) -> None:
    for seed in (0, 50):
        bench().run(tmp_path / str(seed), replace(PLAN, seed=seed))
    one, two = (load_file(tmp_path / seed / "masks.safetensors") for seed in ("0", "50"))
    assert (one["top-5/layer0:output"] == two["top-5/layer0:output"]).all()
    assert (one["random-5-s00/layer0:output"] != two["random-5-s50/layer0:output"]).any()


# --- how many controls are drawn ---


@dataclass
class Selective(Bench):
    """A front end on which masks of one rule do as much as `harm` says."""

    harm: dict[str, float] = field(default_factory=dict)

    def evaluate(self, mask: Mask | None, _: SelectivityMap) -> Outcome:
        self.evaluated.append("intact" if mask is None else mask.name)
        margin = np.random.default_rng(0).normal(1, 1, len(ITEMS.names))
        if mask is not None:
            rng = np.random.default_rng([mask.seed or 0, *mask.name.encode()])
            margin -= np.where(ITEMS.groups == "face", self.harm.get(mask.rule, 0.0), 0.0)
            margin -= rng.normal(0, 0.6, len(margin))
        margin = margin.astype(np.float32)
        return Outcome((margin > 0).astype(np.int64), margin > 0, margin)


MANY = Plan((1.0, 5.0), parse_controls("random:2,layer-matched:60,magnitude-matched:60"), seed=3)


@pytest.mark.parametrize(
    ("harm", "draws", "outcome"),
    [
        ({"top": 1.0}, {"layer-matched": 60, "magnitude-matched": 60}, "evidence"),
        ({}, {"layer-matched": range(20, 60), "magnitude-matched": range(20, 60)}, "no evidence"),
        (
            {"top": 1.0, "layer-matched": 2.0},
            {"layer-matched": 20, "magnitude-matched": 20},  # whose p is small, and decides nothing
            "no evidence",
        ),
    ],
)
def test_a_rule_is_drawn_until_its_p_is_settled(
    make_map: MapMaker, tmp_path: Path, harm: dict, draws: dict, outcome: str
) -> None:
    results = Selective(make_map((200, 100)), harm=harm).run(tmp_path, MANY)
    assert results.judgement.outcome == outcome
    for verdict in results.judgement.doses:
        for entry in verdict.comparisons:
            wanted = draws.get(entry.rule, 2)
            within = wanted if isinstance(wanted, range) else range(wanted, wanted + 1)
            assert entry.draws in within
            made = results.at(verdict.percent, entry.rule)
            assert [each.seed for each in made] == [3 + i for i in range(entry.draws)]


def test_the_verdict_is_that_of_the_table_of_items(make_map: MapMaker, tmp_path: Path) -> None:
    results = Selective(make_map((200, 100)), harm={"top": 0.4}).run(tmp_path, MANY)
    items = read_items(tmp_path / "items.csv")
    assert judge(items, "face", "object") == results.judgement
    mixed = items.groupby("mask", sort=False).sample(frac=1, random_state=0)
    assert judge(mixed, "face", "object") == results.judgement
