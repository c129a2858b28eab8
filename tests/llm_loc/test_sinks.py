"""Means leave the first token out: against a mean that is taken by hand, and maps from before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from common.effects.localized import describe_map
from common.measure.ablate import under
from common.measure.control_rules import control
from common.measure.masks import units_mask
from common.measure.scores import SelectivityMap
from common.measure.sinks import FIRST, counted, without_first
from common.measure.sites import Pooling, Site
from common.measure.standing import places_of
from llm_loc.evaluate import Tokenized, evaluate, evaluate_masks
from llm_loc.experiment import FRONT, Settings
from llm_loc.generate import Sampling, continuations
from llm_loc.localize import find_sites, localize
from llm_loc.models import LanguageModel, Side
from llm_loc.stimuli import Localizer, Text, benchmark
from tests.llm_loc.conftest import NONWORDS, SENTENCES, ModelMaker

STIMULI = Localizer(
    "own",
    tuple(Text(f"s{i}", "sentence", text) for i, text in enumerate(SENTENCES)),
    tuple(Text(f"n{i}", "nonword", text) for i, text in enumerate(NONWORDS)),
)
POOLED = {"mean": lambda rest: rest.mean(0), "sum": lambda rest: rest.sum(0)}


def outputs(model: LanguageModel, site: Site, texts: tuple[Text, ...]) -> list[np.ndarray]:
    """What a site gives for each text, read by itself, shape (n_tokens, n_channels)."""
    kept: list[np.ndarray] = []

    def keep(_module, _args, out):
        tensor = out[0] if isinstance(out, tuple) else out
        kept.append(tensor[0].double().numpy())

    handle = model.module.get_submodule(site.module).register_forward_hook(keep)
    with torch.inference_mode():
        for ids in model.tokens([text.text for text in texts]):
            model.base(torch.tensor([ids]))
    handle.remove()
    return kept


@pytest.mark.parametrize("pooling", ["last", "mean", "sum"])
def test_the_first_token_is_in_no_mean(pooling: Pooling, make_model: ModelMaker) -> None:
    model = make_model()
    site = find_sites(model)[1]
    found = localize(model, STIMULI, [site], pooling=pooling, batch_size=3)
    control = outputs(model, site, STIMULI.control)
    by_hand = np.mean([text[1:].mean(0) for text in control], axis=0)
    np.testing.assert_allclose(found.output_control, by_hand, atol=1e-5)
    polluted = np.mean([text.mean(0) for text in control], axis=0)
    assert np.abs(polluted - by_hand).max() > 0.01
    of = POOLED.get(pooling)
    rows = [np.abs(of(text[1:]) if of else text[-1]) for text in control]
    np.testing.assert_allclose(found.mean_control, np.mean(rows, axis=0), rtol=1e-4, atol=1e-5)
    assert found.about["left_out"] == FIRST


def test_padding_on_either_side_and_texts_of_one_token() -> None:
    tokens = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 0, 0], [0, 0, 0, 0, 1], [1, 0, 0, 0, 0]])
    left = [[0, 0, 0, 1, 1], [0, 1, 1, 0, 0], [0, 0, 0, 0, 1], [1, 0, 0, 0, 0]]
    assert without_first(tokens).int().tolist() == left


def test_the_last_token_is_read_where_it_is_the_first_too() -> None:
    tokens = torch.tensor([[1, 1, 0]])
    assert counted(tokens, "last", FIRST) is tokens
    assert counted(tokens, "mean", None) is tokens
    assert counted(None, "mean", FIRST) is None


def test_a_map_from_before_keeps_its_meaning_and_says_so(
    make_model: ModelMaker, tmp_path: Path
) -> None:
    model = make_model()
    found = localize(model, STIMULI, find_sites(model))
    about = {name: value for name, value in found.about.items() if name != "left_out"}
    before = replace(found, about=about, output_first=None, peak=None)
    before.save(tmp_path / "map.safetensors")
    loaded = SelectivityMap.load(tmp_path / "map.safetensors")
    assert loaded.of_texts == ()
    assert loaded.fingerprint == before.fingerprint
    again = describe_map(loaded)
    assert again.left_out is None
    assert "before sinks were left out" in again.means_over
    assert "but the first token" in describe_map(found).means_over


@pytest.mark.parametrize(
    ("changed", "told"),
    [({}, False), ({"pooling": "mean"}, True), ({"ablation": "mean"}, True)],
)
def test_only_runs_whose_numbers_move_have_another_identity(
    changed: dict[str, str],
    told: bool,
    own_files: tuple[Path, ...],
    folder_of: Callable[..., Path],
) -> None:
    target, control, *_ = own_files
    settings = Settings(f"local/{folder_of()}", target=target, control=control, **changed)  # type: ignore[arg-type]
    assert ("left_out" in FRONT.localizing(settings).identity) == told


# --- a mean is put in where it was taken ---


@pytest.mark.parametrize("side", ["right", "left"])
def test_the_first_token_gets_its_own_mean(side: Side, make_model: ModelMaker) -> None:
    model = make_model()
    found = localize(model, STIMULI, find_sites(model))
    site = found.sites[1]
    mask = units_mask(found, found.offsets[1] + np.array([2, 5, 11]))
    firsts = [text[0] for text in outputs(model, site, STIMULI.control)]
    np.testing.assert_allclose(found.at(site, "output_first"), np.mean(firsts, 0), atol=1e-5)
    kept: list[torch.Tensor] = []
    batch = model.batch(model.tokens([text.text for text in STIMULI.target[:3]]), side)
    with torch.inference_mode(), under(model.module, mask, "mean", found):
        handle = model.module.get_submodule(site.module).register_forward_hook(
            lambda _m, _a, out: kept.append(out[0] if isinstance(out, tuple) else out)
        )
        model.module(**batch)
    handle.remove()
    for row, real in zip(kept[0].numpy(), batch["attention_mask"].bool().numpy(), strict=True):
        own = row[real][:, mask.at(site)]
        rest, first = (found.at(site, name)[mask.at(site)] for name in
                       ("output_control", "output_first"))  # fmt: skip
        np.testing.assert_allclose(own[0], first, rtol=1e-6)
        np.testing.assert_allclose(own[1:], np.broadcast_to(rest, own[1:].shape), rtol=1e-6)


def test_rows_and_texts_and_the_cache_agree_on_where_a_token_stands(
    make_model: ModelMaker, own_files: tuple[Path, ...]
) -> None:
    model = make_model()
    found = localize(model, STIMULI, find_sites(model))
    masks = [None, *(control(found, "layer-matched", 20, seed) for seed in range(4))]
    tokens = Tokenized(model, benchmark(f"{own_files[2]},{own_files[3]}"))
    together = evaluate_masks(model, tokens, masks, by="mean", found=found)
    assert tokens.in_rows
    tokens.in_rows = False
    for mask, outcome in zip(masks, together, strict=True):
        alone = evaluate(model, tokens, mask, by="mean", found=found, batch_size=5)
        np.testing.assert_allclose(alone.margin, outcome.margin, atol=1e-4)
    said = [
        continuations(model, "the old", Sampling(max_new_tokens=12), masks[1], by="mean",
                      found=found, use_cache=cached)
        for cached in (True, False)
    ]  # fmt: skip
    assert said[0] == said[1]


@pytest.mark.parametrize(
    ("given", "places"),
    [
        ({"input_ids": [[1, 2, 3]]}, [[0, 1, 2]]),
        ({"input_ids": [[1, 2]], "attention_mask": [[0, 1]]}, [[-1, 0]]),
        ({"input_ids": [[9]], "attention_mask": [[0, 1, 1]]}, [[1]]),
        ({"input_ids": [[9]], "cache_position": [4]}, [[4]]),
        ({"input_ids": [[9, 8, 7]], "position_ids": [[0, 1, 1]]}, [[0, 1, 1]]),
    ],
)
def test_where_tokens_stand(given: dict[str, list[list[int]]], places: list[list[int]]) -> None:
    found = places_of((), {name: torch.tensor(value) for name, value in given.items()})
    assert found is not None
    assert found.tolist() == places


def test_pixels_stand_nowhere() -> None:
    assert places_of((torch.zeros(2, 3, 4, 4),), {}) is None
