"""Means leave the first token out: against a mean that is taken by hand, and maps from before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from common.measure.scores import SelectivityMap
from common.measure.sinks import FIRST, counted, without_first
from common.measure.sites import Pooling, Site
from llm_loc.experiment import FRONT, Settings
from llm_loc.localize import find_sites, localize
from llm_loc.models import LanguageModel
from llm_loc.stimuli import Localizer, Text
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
    from common.effects.localized import describe_map

    model = make_model()
    found = localize(model, STIMULI, find_sites(model))
    about = {name: value for name, value in found.about.items() if name != "left_out"}
    replace(found, about=about).save(tmp_path / "map.safetensors")
    again = describe_map(SelectivityMap.load(tmp_path / "map.safetensors"))
    assert again.left_out is None and "before sinks were left out" in again.means_over
    assert "but the first token" in describe_map(found).means_over


@pytest.mark.parametrize(
    ("changed", "told"),
    [({}, False), ({"pooling": "mean"}, True), ({"ablation": "mean"}, True)],
)
def test_only_runs_whose_numbers_move_have_another_identity(
    changed: dict[str, str],
    told: bool,
    own_files: tuple[Path, ...],
    folder_of,  # noqa: ANN001
) -> None:
    target, control, *_ = own_files
    settings = Settings(f"local/{folder_of()}", target=target, control=control, **changed)  # type: ignore[arg-type]
    assert ("left_out" in FRONT.localizing(settings).identity) == told
