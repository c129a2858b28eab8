"""Single weights of language models: against transformers' own loss, text by text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from common import ablate
from common.measure.masks import top_percent
from common.study.settings import read_controls
from llm_loc.evaluate import log_probabilities
from llm_loc.experiment import Settings, generate_under, run
from llm_loc.generate import Sampling
from llm_loc.localize import find_sites, localize, tokenized
from llm_loc.stimuli import localizer
from tests.llm_loc.conftest import ModelMaker
from tests.llm_loc.test_localize import STIMULI

N = len(STIMULI.target)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_saliency_is_that_of_the_models_own_loss(kind: str, make_model: ModelMaker) -> None:
    """Its tied embedding among the weights, with the gradients of both of its places."""
    model = make_model(kind)
    sites = find_sites(model, level="parameter")
    named = dict(model.module.named_parameters())
    rows = []
    model.module.requires_grad_(True)
    for ids in tokenized(model, STIMULI):
        row = torch.tensor([ids])
        loss = model.module(input_ids=row, labels=row, use_cache=False).loss
        slopes = torch.autograd.grad(loss, [named[site.module] for site in sites])
        effects = [named[site.module] * slope for site, slope in zip(sites, slopes, strict=True)]
        rows.append(torch.cat([each.abs().flatten() for each in effects]).detach().numpy())
    model.module.requires_grad_(False)
    wanted = np.mean(rows[:N], axis=0) - np.mean(rows[N:], axis=0)
    found = localize(model, STIMULI, sites, score="saliency", batch_size=4)
    np.testing.assert_allclose(found.score.value, wanted, rtol=2e-3, atol=1e-6)
    other = localize(model, STIMULI, sites, score="saliency", batch_size=16)
    assert other.score.value.tobytes() == found.score.value.tobytes()


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """With a few of the phantom's own texts."""
    folder, stimuli = tmp_path_factory.mktemp("texts"), localizer("phantom-lm:language")
    for name, texts in (("target", stimuli.target), ("control", stimuli.control)):
        rows = ["text", *(f'"{each.text}"' for each in texts[:10])]
        (folder / f"{name}.csv").write_text("\n".join(rows))
    return Settings(
        "phantom/lm", target=folder / "target.csv", control=folder / "control.csv",
        evaluation="phantom-lm", level="parameter", sites="*.mlp.*", items=2,
        controls=read_controls("layer-matched:2"), device="cpu",
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights") / "run"
    results, _, _ = run(settings, folder)
    assert results.selectivity.unit == "weight"
    assert results.selectivity.protocol == "full"
    assert "weights" in results.verdict
    return folder


def test_what_the_model_writes_without_weights(finished: Path) -> None:
    said = generate_under(finished, "the old girls", Sampling(max_new_tokens=3), top=(1.0, 50.0))
    assert {"intact", "top-1", "top-50"} <= {*said}
    assert said["intact"] != said["top-50"]


def test_a_run_that_was_stopped_goes_on_to_the_same_numbers(
    settings: Settings, finished: Path, tmp_path: Path
) -> None:
    def stopping(step: str, done: int, _total: int) -> None:
        if step == "evaluate" and done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(settings, tmp_path / "run", stopping)
    assert (tmp_path / "run" / "selectivity.safetensors").exists()
    assert not run(settings, tmp_path / "run")[2]
    for name in ("results.json", "items.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (finished / name).read_bytes()
    assert run(settings, tmp_path / "run")[2]


def test_what_comes_after_is_intact(make_model: ModelMaker) -> None:
    model = make_model()
    found = localize(model, STIMULI, find_sites(model, level="parameter"), score="saliency")
    ids = tokenized(model, STIMULI)
    before = log_probabilities(model, ids)
    with ablate(model.module, top_percent(found, 1.0)):
        assert not np.array_equal(log_probabilities(model, ids), before)
    assert np.array_equal(log_probabilities(model, ids), before)
