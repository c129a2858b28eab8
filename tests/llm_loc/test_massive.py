"""Massive units of a language model: the peak over all tokens, and runs without them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.base.errors import SettingError
from common.measure.masks import load_masks
from common.measure.massive import massive_units
from common.measure.scores import SelectivityMap
from common.study.settings import read_controls
from llm_loc.experiment import Settings, evaluate_map, localize_only, run
from llm_loc.localize import find_sites, localize
from tests.llm_loc.conftest import ModelMaker
from tests.llm_loc.test_sinks import STIMULI, outputs

LEAST = 1.6  # times the median: some units of the tiny model are


@pytest.mark.parametrize("batch_size", [1, 4])
def test_the_peak_is_the_largest_at_any_token_of_any_text(
    batch_size: int, make_model: ModelMaker
) -> None:
    model = make_model()
    found = localize(model, STIMULI, find_sites(model), batch_size=batch_size)
    for site in found.sites:
        texts = outputs(model, site, (*STIMULI.target, *STIMULI.control))
        by_hand = np.abs(np.concatenate(texts)).max(axis=0)
        np.testing.assert_allclose(found.at(site, "peak"), by_hand, rtol=1e-5)


@pytest.fixture
def settings(folder_of: Callable[..., Path], own_files: tuple[Path, ...]) -> Settings:
    target, control, pairs, _ = own_files
    return Settings(
        model=f"local/{folder_of()}", target=target, control=control, evaluation=f"{pairs}",
        top=(20,), controls=read_controls("layer-matched:2,random:2,bottom:1"),
        untrained_seeds=0, device="cpu",
    )  # fmt: skip


def test_without_them_on_a_new_map_and_on_an_earlier_one(
    settings: Settings, tmp_path: Path
) -> None:
    quiet = replace(settings, exclude_massive=LEAST)
    results, folder, _ = run(quiet, tmp_path / "run")
    _, whole, source = localize_only(settings, tmp_path / "map")
    again, other, _ = evaluate_map(
        source, tmp_path / "evaluated",
        **{name: getattr(quiet, name) for name in ("evaluation", "controls", "exclude_massive")},
    )  # fmt: skip
    units = massive_units(whole.without(LEAST))
    assert 0 < len(units) < whole.n_units / 2
    assert np.isin(whole.ranking[:10], units).any()
    for told, path in ((results, folder), (again, other)):
        found = SelectivityMap.load(path / "selectivity.safetensors")
        assert told.massive is not None
        assert told.massive.excluded
        assert (told.massive.n, told.massive.threshold) == (len(units), LEAST)
        assert told.massive.in_top == {"20": 0}
        for mask in load_masks(path / "masks.safetensors", found).values():
            massive = np.isin(mask.units, units)
            assert massive.all() if mask.rule == "massive" else not massive.any()
        assert found.about["exclude_massive"] == LEAST
    tops = [each.top().groups for each in (results, again)]
    assert tops[0] == tops[1]
    with pytest.raises(SettingError, match="give a number above 1, or usual"):
        replace(settings, exclude_massive=0.5)
