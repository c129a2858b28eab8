"""A language run by resampling: rows, batches and the cache agree; it goes on as it began."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from common.base.errors import RunError, SettingError
from common.measure.ablate import under
from common.measure.control_rules import control
from common.measure.masks import units_mask
from common.report.words import method
from common.study.settings import read_controls
from llm_loc.donors import text_donors
from llm_loc.evaluate import Tokenized, evaluate_masks
from llm_loc.experiment import Settings, generate_under, localize_only, run, tasks_under
from llm_loc.generate import Sampling, continuations
from llm_loc.localize import find_sites, localize
from llm_loc.stimuli import benchmark
from tests.llm_loc.conftest import ModelMaker
from tests.llm_loc.test_sinks import STIMULI, outputs


def test_a_token_takes_what_stands_at_its_place_in_the_donor(make_model: ModelMaker) -> None:
    model = make_model()
    found = localize(model, STIMULI, find_sites(model))
    donors = text_donors(model, STIMULI, [], found)
    site, mask = found.sites[1], units_mask(found, found.offsets[1] + np.array([2, 5]))
    whole = outputs(model, site, STIMULI.control)
    by_name = dict(zip((text.name for text in STIMULI.control), whole, strict=True))
    names, kept = ["x", "y", "z"], []
    batch = model.batch(model.tokens([text.text for text in STIMULI.target[:3]]))
    with torch.inference_mode(), under(model.module, mask, "resample", found, donors.to(names)):
        handle = model.module.get_submodule(site.module).register_forward_hook(
            lambda _m, _a, out: kept.append(out[0] if isinstance(out, tuple) else out)
        )
        model.module(**batch)
    handle.remove()
    for row, donor in enumerate(donors.chosen(names)):
        given = by_name[donors.names[donor]]
        for place in range(int(batch["attention_mask"][row].sum())):
            at = place if place < len(given) else 1 + (place - 1) % (len(given) - 1)
            np.testing.assert_allclose(kept[0][row, place, [2, 5]], given[at, [2, 5]], atol=1e-6)


def test_rows_batches_and_the_cache_agree(
    make_model: ModelMaker, own_files: tuple[Path, ...]
) -> None:
    model = make_model()
    found = localize(model, STIMULI, find_sites(model))
    donors = text_donors(model, STIMULI, [], found)
    masks = [None, *(control(found, "layer-matched", 20, seed) for seed in range(4))]
    tokens = Tokenized(model, benchmark(f"{own_files[2]},{own_files[3]}"))
    how = {"by": "resample", "found": found, "donors": donors}
    together = evaluate_masks(model, tokens, masks, **how)  # type: ignore[arg-type]
    assert tokens.in_rows
    tokens.in_rows = False
    apart = evaluate_masks(model, tokens, masks, batch_size=5, **how)  # type: ignore[arg-type]
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_allclose(one.margin, other.margin, atol=1e-4)
        np.testing.assert_allclose(one.beside["prose"], other.beside["prose"], atol=1e-5)
    assert np.abs(together[1].margin - together[0].margin).max() > 0.01
    said = [
        continuations(model, "the old", Sampling(max_new_tokens=12), masks[1], use_cache=cached,
                      **how)  # type: ignore[arg-type]
        for cached in (True, False)
    ]  # fmt: skip
    assert said[0] == said[1]


@pytest.fixture
def settings(folder_of: Callable[..., Path], own_files: tuple[Path, ...]) -> Settings:
    target, control_texts, pairs, prose = own_files
    return Settings(
        model=f"local/{folder_of()}", target=target, control=control_texts,
        evaluation=f"{pairs},{prose}", top=(10,), controls=read_controls("layer-matched:3"),
        ablation="resample", untrained_seeds=0, device="cpu",
    )  # fmt: skip


def test_a_run_says_whose_values_it_took(settings: Settings, tmp_path: Path) -> None:
    results, folder, _ = run(settings, tmp_path / "run")
    assert results.ablation == "resample"
    assert sorted(results.donors) == sorted(set(results.donors))
    assert len(results.donors) == results.localizer.n_control
    said = " ".join(method(results, json.loads((folder / "run.json").read_text())))
    assert f"for each item one of {len(results.donors)} of the control condition" in said
    assert "is read again from its second token" in said
    again, *_ = run(replace(settings, batch_size=3), tmp_path / "other")
    for one, other in zip(results.ablations, again.ablations, strict=True):
        assert [*one.groups] == [*other.groups]
        for group, effect in one.groups.items():
            assert effect.accuracy == other.groups[group].accuracy
    texts = generate_under(folder, "the old", Sampling(max_new_tokens=3))
    assert set(texts) == {"intact", *(entry.mask for entry in results.ablations
                                      if "part" not in entry.rule)}  # fmt: skip


def test_what_cannot_be_resampled_is_said(
    settings: Settings, tmp_path: Path, make_model: ModelMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "map"
    localize_only(replace(settings, ablation="zero"), folder)
    monkeypatch.setattr("llm_loc.experiment.check_installed", lambda: None)
    with pytest.raises(SettingError, match="does not say which item"):
        tasks_under(folder, ["blimp"], ablation="resample")
    model = make_model()
    found = localize(model, STIMULI, find_sites(model))
    digests = [text.digest() for text in STIMULI.control]
    with pytest.raises(SettingError, match="none is left"):
        text_donors(model, STIMULI, digests, found)
    with pytest.raises(RunError, match="the map was made of 7"):
        text_donors(model, STIMULI, [], replace(found, n_control=7))
