"""A model that is spread over devices, or lies on the disk, is the same model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from common.base.errors import SettingError
from common.measure.ablate import ablate
from common.measure.masks import top_percent
from llm_loc.generate import Sampling, continuations
from llm_loc.load import load_model
from llm_loc.localize import find_sites, localize, survey_of
from tests.llm_loc.conftest import SENTENCES, ModelMaker, hooks_of
from tests.llm_loc.test_localize import STIMULI

CAUSAL = ("llama", "gpt2")


HERE_AND_THERE = {
    "llama": {
        "model.embed_tokens": "cpu", "model.layers.0": "disk", "model.layers.1": "disk",
        "model.layers.2": "cpu", "model.norm": "disk", "model.rotary_emb": "cpu",
        "lm_head": "cpu",
    },
    "gpt2": {
        "transformer.wte": "cpu", "transformer.wpe": "disk", "transformer.drop": "cpu",
        "transformer.h": "disk", "transformer.ln_f": "disk", "lm_head": "cpu",
    },
}  # fmt: skip


@pytest.fixture(params=["auto", {"": "cpu"}, "disk"], ids=["auto", "cpu", "disk"])
def spread(request: pytest.FixtureRequest) -> Callable[[str], Any]:
    """The device map of a kind of model: on its own, all of it here, or most of it on disk."""
    pytest.importorskip("accelerate")
    return lambda kind: HERE_AND_THERE[kind] if request.param == "disk" else request.param


@pytest.mark.parametrize("kind", CAUSAL)
def test_a_model_that_is_spread_over_devices_is_the_same_model(
    kind: str, spread: Callable[[str], Any], folder_of: Callable[..., Path], make_model: ModelMaker
) -> None:
    one, two = make_model(kind), load_model(f"local/{folder_of(kind)}", device_map=spread(kind))
    assert any(p.is_meta for p in two.module.parameters()) == (spread(kind) == HERE_AND_THERE[kind])
    assert two.device == torch.device("cpu")
    assert two.describe() == {**one.describe(), "name": two.name}
    batches = [model.batch(model.tokens(SENTENCES), "left") for model in (one, two)]
    assert torch.equal(one.logits(batches[0]), two.logits(batches[1]))
    assert survey_of(two).of_kind("op") == survey_of(one).of_kind("op")
    maps = [localize(model, STIMULI, find_sites(model)) for model in (one, two)]
    np.testing.assert_array_equal(maps[0].t, maps[1].t)
    mask = top_percent(maps[0], 20)
    ablated = []
    for model, batch in zip((one, two), batches, strict=True):
        with ablate(model.module, mask):
            ablated.append(model.logits(batch))
    assert torch.equal(*ablated)
    assert not torch.equal(ablated[0], one.logits(batches[0]))
    sampling = Sampling(temperature=1, max_new_tokens=6)
    texts = [continuations(model, "the old farmer", sampling, mask) for model in (one, two)]
    assert texts[0] == texts[1]
    assert hooks_of(two.module) == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"device_map": "everywhere"}, "`device_map` everywhere: choose one of auto, balanced"),
        ({"device_map": "auto", "untrained": True}, "not with `untrained`"),
    ],
)
def test_device_maps_that_make_no_sense(
    changed: dict[str, Any], message: str, folder_of: Callable[..., Path]
) -> None:
    with pytest.raises(SettingError, match=message):
        load_model(f"local/{folder_of()}", **changed)


def test_without_accelerate_a_device_map_says_what_to_install(
    folder_of: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm_loc.load.find_spec", lambda _: None)
    with pytest.raises(SettingError, match=r"needs accelerate; pip install 'funcloc\[big\]'"):
        load_model(f"local/{folder_of()}", device_map="auto")
