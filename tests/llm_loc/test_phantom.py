"""The language phantom: what ships, what it knows, and the area that is built into it."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from common.measure.control_rules import control
from common.measure.masks import Mask, top_percent
from common.measure.scores import SelectivityMap
from common.measure.sites import Pooling
from llm_loc import cli, phantom
from llm_loc.evaluate import Tokenized, evaluate, evaluate_masks
from llm_loc.load import load_model
from llm_loc.localize import find_sites, localize
from llm_loc.models import LanguageModel
from llm_loc.phantom import lexicon as lx
from llm_loc.phantom.nets import make_tokenizer
from llm_loc.phantom.train import made_with, train
from llm_loc.settings import BROUGHT
from llm_loc.stimuli import Benchmark, benchmark, localizer

pytestmark = pytest.mark.draws_report

DOSES = BROUGHT["phantom/lm"].top
LM_PLAIN = "acf405b25945b62c663954cb606869c3d3c1cf1972271161c09c2bfc4f59c239"


@pytest.fixture(scope="module")
def items() -> Benchmark:
    return benchmark("phantom-lm")


@pytest.fixture(scope="module", params=phantom.NAMES)
def model(request: pytest.FixtureRequest) -> LanguageModel:
    return load_model(f"phantom/{request.param}")


@pytest.fixture(scope="module")
def lm() -> LanguageModel:
    return load_model("phantom/lm")


@pytest.fixture(scope="module")
def found(lm: LanguageModel) -> SelectivityMap:
    return map_of(lm)


def map_of(model: LanguageModel, pooling: Pooling = "last") -> SelectivityMap:
    return localize(model, localizer("phantom-lm"), find_sites(model), pooling=pooling)


def in_area(found: SelectivityMap) -> np.ndarray:
    """Which units of a map are of the language area."""
    return np.concatenate(
        [
            np.isin(np.arange(site.channels), phantom.AREA.get(site.module, range(0)))
            for site in found.sites
        ]
    )


def drops(
    model: LanguageModel, items: Benchmark, masks: list[Mask]
) -> tuple[np.ndarray, np.ndarray]:
    """Shares of the items of language and of sequences that are lost, each mask a row.

    Returns
    -------
    (array of shape (n_masks, 2), array of shape (n_masks, 2))
        Of accuracy, and of the margin in nats.
    """
    outcomes = evaluate_masks(model, Tokenized(model, items), [None, *masks])
    fields = [items.groups == field for field in (phantom.LANGUAGE, phantom.SEQUENCE)]
    right = np.array([[each.correct[field].mean() for field in fields] for each in outcomes])
    margin = np.array([[each.margin[field].mean() for field in fields] for each in outcomes])
    return right[0] - right[1:], margin[0] - margin[1:]


def correct(model: LanguageModel, items: Benchmark) -> np.ndarray:
    return evaluate(model, Tokenized(model, items)).correct


@pytest.mark.slow
def test_the_tokenizer_that_ships_is_the_one_that_is_made(lm: LanguageModel) -> None:
    made = make_tokenizer()
    assert made.get_vocab() == lm.tokenizer.get_vocab()
    texts = [*phantom.draw("sentence", 20, "eval"), *phantom.draw("nonword", 20, "localizer")]
    assert made(texts)["input_ids"] == lm.tokens(texts)
    both = {(phantom.WEIGHTS / name / "tokenizer.json").read_bytes() for name in phantom.NAMES}
    assert len(both) == 1


def test_a_text_comes_back_from_its_tokens(model: LanguageModel) -> None:
    texts = [text for kind in phantom.TEXTS for text in phantom.draw(kind, 20, "localizer")]
    for text, ids in zip(texts, model.tokens(texts), strict=True):
        assert model.tokenizer.decode(ids, skip_special_tokens=True).strip() == text
    words = sorted(lx.WORDS)
    assert {len(ids) for ids in model.tokens(words, special=False)} == {1}


def test_weights_are_small_on_disk_and_read_in_full_precision(model: LanguageModel) -> None:
    folder = phantom.WEIGHTS / model.name.removeprefix("phantom/")
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1_500_000
    with safe_open(folder / "model.safetensors", "pt") as shipped:
        assert {shipped.get_tensor(name).dtype for name in shipped.keys()} == {torch.float16}  # noqa: SIM118
    assert model.dtype == torch.float32
    assert model.describe()["phantom"]


def test_the_phantom_knows_its_language_and_its_sequences(
    model: LanguageModel, items: Benchmark
) -> None:
    right = correct(model, items)
    for field in (phantom.LANGUAGE, phantom.SEQUENCE):
        assert right[items.groups == field].mean() >= 0.95
    for phenomenon in phantom.PHENOMENA:
        assert right[items.levels["phenomenon"] == phenomenon].mean() >= 0.90


def test_untrained_it_knows_nothing(model: LanguageModel, items: Benchmark) -> None:
    first, again = (load_model(model.name, untrained=True, seed=3) for _ in range(2))
    other = load_model(model.name, untrained=True, seed=4)
    assert first.describe()["fingerprint"] == again.describe()["fingerprint"]
    prints = {each.describe()["fingerprint"] for each in (first, other, model)}
    assert len(prints) == 3
    assert correct(first, items).mean() < 0.65


def test_a_phantom_that_does_not_exist_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["llm-loc", "sites", "--model", "phantom/cnn"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 1
    assert "the phantoms are lm, lm-plain" in capsys.readouterr().err


def test_the_plain_one_is_the_one_that_it_always_was() -> None:
    weights = (phantom.WEIGHTS / "lm-plain" / "model.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == LM_PLAIN
    assert not load_model("phantom/lm-plain").area


def test_random_weights_have_no_area() -> None:
    assert not load_model("phantom/lm", untrained=True, seed=0).area


def test_words_are_read_from_the_area_alone_and_all_else_from_what_is_beside_it(
    lm: LanguageModel,
) -> None:
    area = next(iter(phantom.AREA.values()))
    assert all(np.array_equal(channels, area) for channels in lm.area.values())
    weights = dict(lm.weights())
    words = np.unique([ids[0] for ids in lm.tokens(sorted(lx.WORDS), special=False)])
    others = np.setdiff1d(np.arange(lm.vocabulary), words)
    projection = weights["lm_head.weight"]
    assert (projection[words, area.stop :] == 0).all()
    assert (projection[others, : area.stop] == 0).all()
    assert (projection[words, : area.stop] != 0).all()
    for block in range(2):
        for path in ("self_attn.o_proj", "mlp.down_proj"):
            written = weights[f"model.layers.{block}.{path}.weight"]
            assert (written[: area.stop] == 0).all()


@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_the_localizer_finds_the_area(lm: LanguageModel, pooling: Pooling) -> None:
    found = map_of(lm, pooling)
    area = in_area(found)
    assert area.sum() == sum(map(len, phantom.AREA.values()))
    for dose in DOSES:
        assert len(top_percent(found, dose)) <= area.sum()
        assert area[top_percent(found, dose).units].mean() >= 0.9


def test_the_area_is_no_louder_than_what_is_beside_it(found: SelectivityMap) -> None:
    area = in_area(found)
    for number, site in enumerate(found.sites):
        if site.module in phantom.AREA:
            here = found.site_of_unit == number
            inside, beside = (found.magnitude[here & part] for part in (area, ~area))
            assert 0.8 * beside.mean() <= inside.mean() <= beside.mean()
            assert inside.max() <= np.quantile(beside, 0.8)
            # Each has partners of equal loudness that are not of the area.
            apart = np.abs(np.log(inside[:, None] / beside[None]))
            assert ((apart <= 0.25).sum(axis=1) >= 5).all()


def test_without_the_area_language_is_lost_and_sequences_are_not(
    lm: LanguageModel, found: SelectivityMap, items: Benchmark
) -> None:
    right, margin = drops(lm, items, [top_percent(found, dose) for dose in DOSES])
    assert (right[:, 0] >= 0.25).all()
    assert right[-1, 0] >= 0.4
    assert (margin[:, 0] >= 3.0).all()
    assert (np.abs(right[:, 1]) <= 0.01).all()
    assert (np.abs(margin[:, 1]) <= 0.1).all()


def test_pairs_that_no_choice_has_seen_are_lost_alike(
    lm: LanguageModel, found: SelectivityMap
) -> None:
    pairs = phantom.draw_pairs(200, "eval", seed=1)
    levels = {"field": np.array([pair.field for pair in pairs])}
    names = tuple(map(str, range(len(pairs))))
    choices = tuple((pair.good, pair.bad) for pair in pairs)
    fresh = Benchmark("fresh", names, choices, levels, levels["field"], "language", "sequence")
    right, _ = drops(lm, fresh, [top_percent(found, DOSES[-1])])
    assert right[0, 0] >= 0.4
    assert abs(right[0, 1]) <= 0.01


@pytest.mark.parametrize("rule", ["layer-matched", "magnitude-matched"])
def test_equally_many_units_beside_the_area_cost_nothing(
    lm: LanguageModel, found: SelectivityMap, items: Benchmark, rule: str
) -> None:
    area = in_area(found)
    # Controls are drawn from all units, so some hold part of the area.
    masks = [control(found, rule, DOSES[-1], seed) for seed in range(4)]
    beside = [replace(mask, units=mask.units[~area[mask.units]]) for mask in masks]
    right, _ = drops(lm, items, beside)
    assert (right.mean(axis=0) <= 0.05).all()


def test_the_plain_one_has_no_such_area(items: Benchmark) -> None:
    plain = load_model("phantom/lm-plain")
    found = map_of(plain)
    right, _ = drops(plain, items, [top_percent(found, dose) for dose in DOSES])
    assert (np.abs(right) <= 0.05).all()


def test_the_experiment_runs_offline_from_the_command_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("FUNCLOC_DATA", raising=False)
    monkeypatch.setenv("FUNCLOC_CACHE", str(tmp_path / "cache"))
    words = [
        "llm-loc", "run", "--model", "phantom/lm", "--localizer", "phantom-lm",
        "--eval", "phantom-lm", "--top", "5", "--controls", "random:1,layer-matched:2",
        "--items", "12", "--device", "cpu", "--out", str(tmp_path / "run"), "--quiet",
    ]  # fmt: skip
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 0
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["model"]["phantom"]
    assert results["area"]["n_units"] == sum(map(len, phantom.AREA.values()))
    assert results["area"]["share"]["5"]["of_top"] >= 0.9
    assert any("phantom" in warning for warning in results["warnings"])
    assert {part["part"] for part in results["breakdown"]} >= set(phantom.PHENOMENA)
    assert "The model is a phantom" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", phantom.NAMES)
def test_training_again_makes_what_ships(name: str, tmp_path: Path, items: Benchmark) -> None:
    shipped, made = (folder / name / "model.safetensors" for folder in (phantom.WEIGHTS, tmp_path))
    with safe_open(shipped, "pt") as file:
        facts = file.metadata()
    for phenomenon, share in train(name, tmp_path / name).items():
        assert share == pytest.approx(float(facts[f"accuracy_{phenomenon}"]), abs=0.03)
    if facts.get("made_with") == made_with():
        again = load_file(made)
        for path, weight in load_file(shipped).items():
            torch.testing.assert_close(again[path], weight, rtol=2e-3, atol=1e-4)
    if name == "lm":
        model = load_model(f"local/{tmp_path / name}")
        found = map_of(model)
        top = top_percent(found, DOSES[-1])
        right, _ = drops(model, items, [top])
        assert in_area(found)[top.units].mean() >= 0.9
        assert right[0, 0] >= 0.4
        assert right[0, 1] <= 0.02
