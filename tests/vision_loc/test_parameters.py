"""Single weights, from pictures to the report, on a network whose wiring is known."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import torch

from common.base.errors import FunclocError, SettingError, SiteError
from common.measure.masks import load_masks, top_percent
from common.measure.respond import respond
from common.measure.scores import SelectivityMap
from common.measure.unit_table import unit_table
from common.measure.weights import weight_sites
from common.study.declared import read_settings
from common.study.settings import read_controls
from vision_loc import phantom
from vision_loc.experiment import Settings, evaluate_map, run
from vision_loc.localize import find_sites, localize, localize_all
from vision_loc.models import VisionModel, load_model
from vision_loc.stimuli import Localizer, localizer

pytestmark = pytest.mark.draws_report

SETTINGS = Settings(
    model="phantom/planted",
    localizer="phantom-planted:pattern",
    evaluation="phantom-planted",
    level="parameter",
    top=(0.05, 0.2),
    controls=read_controls("random:2,layer-matched:2,magnitude-matched:2,bottom:1"),
    items=15,
    device="cpu",
)
WIRE = 0
LAST = phantom.PLANTED["blocks.3"]
AREA = len(phantom.AREA["stage3.0"])


@pytest.fixture(scope="module")
def model() -> VisionModel:
    return load_model("phantom/planted")


@pytest.fixture(scope="module")
def stimuli() -> Localizer:
    return localizer("phantom-planted:pattern")


@pytest.fixture(scope="module")
def found(model: VisionModel, stimuli: Localizer) -> SelectivityMap:
    return localize(model, stimuli, find_sites(model, level="parameter"), score="saliency")


def wired(found: SelectivityMap) -> dict[str, np.ndarray]:
    """The weights behind the filters that lead to the class: by tensor, which of them.

    The wire's way into the last block, from there to the channels that the head reads, and what the
    head reads. Whatever earlier blocks add is taken away again.
    """
    chosen = {str(site): np.zeros(site.shape, dtype=bool) for site in found.sites}
    chosen["blocks.3.fc1.weight"][0, WIRE] = True
    chosen["blocks.3.fc2.weight"][[*LAST[1:]], 0] = True
    chosen["head.weight"][1, [*LAST]] = True
    return chosen


def test_the_weights_that_wire_the_planted_units_rank_on_top(found: SelectivityMap) -> None:
    wanted = np.concatenate([each.ravel() for each in wired(found).values()])
    n = int(wanted.sum())
    assert n == 8
    assert wanted[found.ranking[:n]].all()
    assert (found.score.value > 0).sum() == n  # and no other is for the target
    filters = found.sites[0]
    wanted[: found.offsets[1]] = (
        np.isin(np.arange(64), LAST)[:, None] & np.ones(192, bool)
    ).ravel()
    assert ((found.mean_target > 0) == wanted).all()  # what the class hangs on at all
    assert (found.at(filters) <= 0).all()  # each pixel weighs as much in a control picture


def test_what_the_class_hangs_on_is_enough_for_it(
    found: SelectivityMap, model: VisionModel
) -> None:
    """Without all weights on which no loss hangs the class is told by the same numbers."""
    other = load_model("phantom/planted").module
    named = dict(other.named_parameters())
    with torch.no_grad():
        for site in found.sites:
            named[site.module] *= torch.from_numpy(found.at(site, "mean_target") > 0)
    pixels = torch.randint(0, 255, (8, 3, 64, 64), generator=torch.Generator().manual_seed(0))
    shown = model.preprocess.normalize(pixels.to(torch.uint8), torch.float32)
    with torch.inference_mode():
        torch.testing.assert_close(model.module(shown), other(shown), atol=1e-3, rtol=1e-4)


def test_several_localizers_have_the_maps_of_each_alone(
    model: VisionModel, found: SelectivityMap, stimuli: Localizer
) -> None:
    sites = weight_sites(model.module, "head")
    how = {"score": "saliency", "batch_size": 7}
    digests = [[str(i) for i in range(len(stimuli.target) + len(stimuli.control))]] * 2
    every = localize_all(model, [stimuli, stimuli], sites, digests=digests, **how)
    for each in every:
        assert np.array_equal(each.score.value, found.at(found.sites[-1]).ravel())


# --- runs ---


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights") / "run"
    results, _, was_done = run(SETTINGS, folder)
    assert not was_done
    assert results.baseline is None
    return folder


def test_a_run_of_weights_says_weights(finished: Path) -> None:
    told = json.loads((finished / "results.json").read_text())
    assert told["selectivity"]["unit"] == "weight"
    assert told["selectivity"]["score"] == "saliency"
    n = told["selectivity"]["n_units"]
    assert f"weights (0.05 % of {n:,}) most selective for" in told["verdict"]
    page = (finished / "report.html").read_text()
    text = unescape(re.sub(r"<style>.*?</style>|data:[^\"]*|<[^>]*>", " ", page, flags=re.DOTALL))
    text = text[: text.index("To repeat this run")].replace("units of the margin", "")
    words = [*re.finditer(r"[^.]*\b(units?|loud\w*|sites?)\b[^.]*", text, re.IGNORECASE)]
    assert [each[0] for each in words if "The localizer: |activ" not in each[0]] == []
    for said in (
        "Where the weights lie",
        "as many weights of every tensor",
        "whose log |weight| differs",
        "Is it large weights?",
        "got their bits back",
        "Optimal brain damage",
    ):
        assert said in text
    claims = [each["name"] for each in told["established"]]
    assert claims[:2] == ["selective", "reliable"]
    assert not {"decodable", "sufficient", "whatever the replacement"} & set(claims)


def test_the_masks_of_a_run_are_of_weights(finished: Path) -> None:
    found = SelectivityMap.load(finished / "selectivity.safetensors")
    masks = load_masks(finished / "masks.safetensors", found)
    top = masks["top-0.05"]
    assert masks["layer-matched-0.05-s00"].counts() == top.counts()
    assert len(masks["random-0.05-s01"]) == len(top)
    rows = unit_table(found, [top], top=3)
    assert {"site", "unit", "position", "saliency", "loudness"} <= {*rows.columns}
    row = rows.iloc[0]
    place = (int(row["unit"]), *map(int, row["position"].split()))
    weight = dict(load_model("phantom/planted").module.named_parameters())[row["site"]]
    assert abs(weight[place].item()) == pytest.approx(row["loudness"])


def test_a_list_of_weights_is_a_mask(finished: Path, tmp_path: Path) -> None:
    found = SelectivityMap.load(finished / "selectivity.safetensors")
    unit_table(found, top=12).to_csv(tmp_path / "mine.csv", index=False)
    results, _, _ = evaluate_map(
        finished, tmp_path / "run", units=tmp_path / "mine.csv",
        controls=read_controls("layer-matched:2"),
    )  # fmt: skip
    assert results.top().n_units == 12
    assert "12 weights" in results.verdict


# --- what weights have not ---


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kind", "attn"),
        ("unit", "neuron"),
        ("pooling", "max"),
        ("statistic", "signed"),
        ("ablation", "mean"),
        ("ablation", "scale:0.5"),
        ("least_d_prime", "0.5"),
        ("splits", "5"),
        ("sufficient", "5"),
        ("untrained_seeds", "2"),
        ("score", "gradient"),
        ("effort", "5"),
    ],
)
def test_what_does_not_apply_is_refused_by_its_name(name: str, value: str) -> None:
    given = {"model": "phantom/planted", "level": "parameter", name: value}
    with pytest.raises(SettingError, match=f"`{name}`.*"):
        read_settings(Settings, given)


def test_what_is_not_said_is_as_weights_have_it() -> None:
    given = Settings("phantom/planted", level="parameter")
    assert (given.score, given.pooling, given.ablation) == ("saliency", None, "zero")
    assert replace(given, seed=3).score == "saliency"
    with pytest.raises(SettingError, match="`score` saliency: is of `level` parameter"):
        Settings("phantom/planted", score="saliency")


def test_weights_answer_to_nothing(
    found: SelectivityMap, model: VisionModel, tmp_path: Path
) -> None:
    with (
        pytest.raises(SiteError, match="weights answer to nothing"),
        respond(model.module, top_percent(found, 1.0), found),
    ):
        pass
    with pytest.raises(FunclocError, match="`sites` block9: no such one"):
        run(replace(SETTINGS, sites="block9"), tmp_path / "run")


def test_the_weights_of_the_face_area_are_those_that_wire_it() -> None:
    """Where the phantom has an area, all top weights make its channels, or are read from them."""
    model, whole = load_model("phantom/cnn"), localizer("phantom:faces")
    few = replace(whole, target=whole.target[::24], control=whole.control[::24])
    found = localize(model, few, find_sites(model, level="parameter"), score="saliency")
    top = top_percent(found, 0.5)
    inside = []
    for site in top.touched:
        if site.module.startswith(("stage3", "fc")):
            rows, columns, *_ = np.unravel_index(top.inside(site), site.shape)
            inside += [*((columns if site.module == "fc.weight" else rows) < AREA)]
    assert len(inside) > 500
    assert np.mean(inside) > 0.98  # of all their weights one in sixteen
