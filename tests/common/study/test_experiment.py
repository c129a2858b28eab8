"""The experiment with a localizer and an evaluation made of arithmetic."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from common.base.errors import DataError, SettingError
from common.effects.described import DescribedEvaluation, DescribedLocalizer, DescribedModel
from common.effects.items import Items, Outcome
from common.effects.judge import judge
from common.effects.localized import Area, AreaShare, describe_map
from common.effects.results import Results
from common.measure.ablate import Ablation
from common.measure.control_rules import parse_controls
from common.measure.masks import Mask
from common.measure.rules import Score
from common.measure.scores import RECORDED, SelectivityMap
from common.measure.sites import Site
from common.measure.welch import WORDS
from common.study.experiment import Described, run_experiment
from common.study.folder import RunFolder
from common.study.plan import DEFAULT_CONTROLS, Plan, parse_ablation, parse_percents
from common.study.results import SCHEMA, read_items
from tests.common.answering import answering
from tests.common.conftest import MapMaker

N_FACES, N_OBJECTS = 40, 60
PLAN = Plan((1.0, 5.0), parse_controls("random:2,layer-matched:3,bottom"), seed=3)
ORDER = [
    "intact",
    *("top-1", "random-1-s03", "random-1-s04"),
    *("layer-matched-1-s03", "layer-matched-1-s04", "layer-matched-1-s05", "bottom-1"),
    *("top-5", "random-5-s03", "random-5-s04"),
    *("layer-matched-5-s03", "layer-matched-5-s04", "layer-matched-5-s05", "bottom-5"),
]


class Killed(Exception):
    """Stands for whatever ends a process."""


@dataclass
class Bench:
    """A front end whose model needs its top units for faces and nothing else."""

    found: SelectivityMap
    localized: int = 0
    evaluated: list[str] = field(default_factory=list)
    dies_at: int | None = None

    def __post_init__(self) -> None:
        self.tested = answering(ITEMS, self.evaluate)

    def localize(self) -> SelectivityMap:
        self.localized += 1
        return self.found

    def evaluate(self, mask: Mask | None, found: SelectivityMap) -> Outcome:
        if len(self.evaluated) == self.dies_at:
            raise Killed
        self.evaluated.append("intact" if mask is None else mask.name)
        rng = np.random.default_rng(0)
        strength = np.where(ITEMS.groups == "face", 2.0, 1.5) + rng.normal(size=len(ITEMS.names))
        if mask is not None:
            strength -= np.where(ITEMS.groups == "face", found.t[mask.units].mean(), 0.1)
        margin = strength.astype(np.float32)
        return Outcome((margin > 0).astype(np.int64), margin > 0, margin)

    def run(self, path: Path, plan: Plan = PLAN, **more: Any) -> Results:
        with RunFolder(path, {"seed": plan.seed}, {}) as folder:
            return run_experiment(folder, plan, self.tested, DESCRIBED, self.localize, **more)


ITEMS = Items(
    [f"picture{i}.png" for i in range(N_FACES + N_OBJECTS)],
    np.repeat(["face", "object"], [N_FACES, N_OBJECTS]),
    "face",
    "object",
    labels=np.arange(N_FACES + N_OBJECTS) % 7,
)
DESCRIBED = Described(
    DescribedModel(
        name="phantom/cnn", fingerprint="f", phantom=True, n_parameters=9, dtype="float32"
    ),
    DescribedLocalizer(
        name="phantom:faces", target=("face",), control=("object",), n_target=9, n_control=9
    ),
    DescribedEvaluation(name="phantom"),
)


@pytest.fixture
def bench(make_map: MapMaker) -> Callable[..., Bench]:
    """Front ends over one and the same map, each with its own count of calls."""
    return lambda dies_at=None: Bench(make_map((200, 100)), dies_at=dies_at)


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


# --- what results say ---


@pytest.mark.parametrize(
    ("percents", "headline"), [((5.0, 1.0), 1.0), ((0.5, 2.0), 0.5), ((2.0,), 2.0)]
)
def test_the_headline_is_one_percent_or_the_first(percents: tuple, headline: float) -> None:
    assert Plan(percents, []).headline == headline


@pytest.mark.parametrize(
    ("ablation", "text"),
    [("zero", "zero"), ("mean", "mean"), (0.5, "scale:0.5"), (-2.0, "scale:-2")],
)
def test_the_ablation_is_in_the_results(
    bench, tmp_path: Path, ablation: Ablation, text: str
) -> None:
    assert bench().run(tmp_path, Plan((1.0,), [], ablation=ablation)).ablation == text


def test_a_run_without_controls_has_no_p(bench, tmp_path: Path) -> None:
    results = bench().run(tmp_path, Plan((1.0,), []))
    assert results.judgement.adjusted.p is None
    assert results.judgement.outcome == "cannot tell"
    assert "no matched control was drawn" in results.verdict


def test_the_map_is_described_by_its_units_in_favour_of_the_target(make_map: MapMaker) -> None:
    q = np.full(100, 0.5)
    q[:10], q[10] = 0.01, 0.05
    t = np.where(np.arange(100) < 6, 4.0, -4.0)
    found = make_map()
    described = describe_map(replace(found, score=replace(found.score, q=q, value=t)))
    assert described.n_selective_q05 == 6
    assert described.t_max == 4.0
    assert (described.n_units, described.n_sites) == (100, 2)
    assert (described.n_target, described.n_control) == (12, 15)
    assert described.model_fingerprint == "model-a"


def test_units_are_counted_from_the_thresholds_on(make_map: MapMaker) -> None:
    found = make_map()
    plain = describe_map(found)
    assert plain.n_d_prime == (found.d_prime >= 1).sum()
    assert plain.n_index == (found.column("index") >= 1 / 3).sum()
    assert plain.thresholds == ("d′ ≥ 1", "index ≥ 1/3")
    asked = {"least_d_prime": float(np.sort(found.d_prime)[-7]), "least_index": 0.02}
    told = describe_map(replace(found, about=asked))
    assert told.n_d_prime == 7  # the threshold itself counts
    assert told.n_index == (found.column("index") >= 0.02).sum() > plain.n_index
    assert (told.as_json()["least_index"], told.thresholds[1]) == (0.02, "index ≥ 0.02")
    assert told.effect_sizes.startswith("7 with d′ ≥ ")
    assert plain.as_json()["least_d_prime"] == 1.0


def test_the_share_of_a_built_in_area_is_counted_both_ways(bench, tmp_path: Path) -> None:
    one = bench()
    # All of the top 1 % (three units), and as many units again that are never chosen.
    area = np.concatenate([one.found.ranking[:3], one.found.ranking[-3:]])
    first = {"layer0": area[area < 200], "layer1": area[area >= 200] - 200}
    described = replace(DESCRIBED, area=first)
    with RunFolder(tmp_path, {}, {}) as folder:
        results = run_experiment(folder, PLAN, one.tested, described, one.localize)
    assert results.area is not None
    assert results.area.as_json() == {
        "n_units": 6,
        "percent": 2.0,
        "share": {
            "1": {"of_top": 1.0, "of_area": 0.5},
            "5": {"of_top": 3 / 15, "of_area": 0.5},
        },
    }


def test_an_area_of_channels_holds_all_their_neurons(tmp_path: Path) -> None:
    site = Site("layer", axis=2, shape=(4, 5))
    t = np.zeros((4, 5))
    t[:, 3] = 1.0  # one channel at its four tokens
    zeros = {name: np.zeros(20) for name in RECORDED}
    score = Score(WORDS, t.ravel())
    found = SelectivityMap((site,), "neuron", "none", "magnitude", 4, 4, score=score, **zeros)
    one = Bench(found)
    described = replace(DESCRIBED, area={"layer": np.array([3])})
    with RunFolder(tmp_path, {}, {}) as folder:
        plan = Plan((20.0,), [])
        results = run_experiment(folder, plan, one.tested, described, one.localize)
    assert results.area == Area(
        n_units=4, percent=20.0, share={"20": AreaShare(of_top=1.0, of_area=1.0)}
    )


def test_a_run_without_a_built_in_area_says_nothing_of_one(bench, tmp_path: Path) -> None:
    assert "area" not in bench().run(tmp_path).as_json()


# --- options ---


@pytest.mark.parametrize("missing", ["target", "other"])
def test_an_empty_group_is_refused_and_named(missing: str) -> None:
    names = {"target": "face", "other": "object", missing: "dog"}
    with pytest.raises(DataError, match="evaluation group 'dog' is empty"):
        Items(["a", "b"], np.array(["face", "object"]), **names)


@pytest.mark.parametrize(
    ("text", "percents"),
    [("1", (1.0,)), ("0.125, 1,100", (0.125, 1.0, 100.0)), ("5,1", (5.0, 1.0))],
)
def test_percentages_are_read(text: str, percents: tuple[float, ...]) -> None:
    assert parse_percents(text) == percents


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "101", "nan", "inf", "1,", "one", "1;2", "1,0", "1 2", "1,1.0"]
)
def test_percentages_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(SettingError) as caught:
        parse_percents(text)
    assert str(caught.value).startswith(f"`top` {text}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "ablation"),
    [("zero", "zero"), ("mean", "mean"), ("scale:0.5", 0.5), ("scale:-2", -2.0), ("scale:0", 0.0)],
)
def test_an_ablation_is_read(text: str, ablation: Ablation) -> None:
    assert parse_ablation(text) == ablation


@pytest.mark.parametrize(
    "text",
    ["", "none", "Zero", "zero:1", "2", "size:2", "scale", "scale:", "scale:nan", "scale:1:2"],
)
def test_an_ablation_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(SettingError) as caught:
        parse_ablation(text)
    assert str(caught.value).startswith(f"`ablation` {text}: ")


def test_the_default_controls_can_be_read() -> None:
    plans = {plan.rule: plan.draws for plan in parse_controls(DEFAULT_CONTROLS)}
    assert plans == {"random": 10, "layer-matched": 199, "magnitude-matched": 199, "bottom": 1}
