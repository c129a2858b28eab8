"""The tour, read: the sites of every stop, and that recording and padding change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from common.measure.record import record
from common.measure.sites import Kind
from llm_loc.localize import localize
from llm_loc.stimuli import Localizer
from tests.llm_loc.conftest import CONTEXT, SENTENCES
from tests.llm_loc.test_localize import STIMULI
from tests.llm_loc.tour import (
    BLOCKS,
    CAUSAL,
    HEADS,
    TOUR,
    WIDTH,
    all_sites,
    are_bare,
    model_of,
    survey,
    whole,
)


@pytest.fixture(autouse=True)
def no_hook_is_left() -> Iterator[None]:
    """Whatever a test does, every model that it met is left bare."""
    yield
    assert are_bare()


@pytest.mark.parametrize("name", TOUR)
def test_the_tour_finds_what_the_source_says(name: str) -> None:
    stop = TOUR[name]
    block, *inner = stop.places
    wanted: dict[Kind, tuple[str | None, str, int]] = {
        "block": ("", "output", WIDTH),
        "attn": (inner[0], "output", WIDTH),
        "mlp": (inner[1], "output", WIDTH),
        "mlp_hidden": (inner[2], "input", stop.hidden),
    }
    projection = HEADS.get(name)
    paths = [] if projection is None else [block.format(i) + projection for i in range(BLOCKS)]
    found = survey(name).offered("head")
    assert [(s.module, s.end, s.n_units("channel")) for s in found] == [
        (path, "input", 4) for path in paths
    ]
    for kind, (below, end, channels) in wanted.items():
        paths = [] if below is None else [block.format(i) + below for i in range(BLOCKS)]
        found = survey(name).offered(kind)
        assert [(s.module, s.end, s.channels) for s in found] == [(p, end, channels) for p in paths]
    assert model_of(name).module.config.num_hidden_layers == len(survey(name).of_kind("block"))
    assert len(survey(name).offered("op")) > 3 * BLOCKS
    assert all(path in survey(name).left_out for path in stop.refused)
    assert not {site.module for site in all_sites(name)} & {*stop.refused}


@pytest.mark.parametrize("name", TOUR)
def test_every_site_fires_and_the_logits_stay_bit_identical(name: str) -> None:
    model = model_of(name)
    batch = model.batch(model.tokens(SENTENCES))
    before = whole(model, batch)
    with record(model.module, all_sites(name), pooling="last") as recorder:
        recorder.expect([0] * len(SENTENCES), batch["attention_mask"])
        during = whole(model, batch)
    assert torch.equal(before, during)
    moments = recorder.moments
    for site in all_sites(name):
        assert moments[site].count == len(SENTENCES)
        assert moments[site].mean.shape == (site.n_units("channel"),)
        # A text has no second part here, so what stands for the first is always the same.
        assert moments[site].variance.any() or "token_type" in site.module


FEWER = Localizer(STIMULI.name, STIMULI.target[::2], STIMULI.control[::2])


@pytest.mark.parametrize("name", TOUR)
@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_t_does_not_depend_on_batches_or_padding(pooling: Any, name: str) -> None:
    model = model_of(name)
    # What never changes is told apart by the rounding of its mean over more or fewer tokens.
    sites = [site for site in all_sites(name) if "token_type" not in site.module]
    one, *others = (
        localize(model, FEWER, sites, pooling=pooling, batch_size=size, padding=side)  # type: ignore[arg-type]
        for size, side in ((1, "right"), (16, "right"), (16, "left"))
    )
    assert np.abs(one.t).max() > 1
    for other in others:
        np.testing.assert_allclose(other.t, one.t, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", CAUSAL)
@pytest.mark.parametrize("side", ["right", "left"])
def test_filling_up_changes_no_logit_of_a_real_token(side: Any, name: str) -> None:
    model = model_of(name)
    ids = model.tokens(SENTENCES)
    batch = model.batch(ids, side)
    together = whole(model, batch)
    for row, text in enumerate(ids):
        real = together[row][batch["attention_mask"][row].bool()]
        torch.testing.assert_close(real, whole(model, model.batch([text]))[0], atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("name", CAUSAL)
def test_localizing_never_computes_the_vocabulary(name: str) -> None:
    model = model_of(name)
    asked: list[int] = []
    head: Any = model.module.get_output_embeddings()  # type: ignore[operator]
    handle = head.register_forward_hook(lambda *_: asked.append(1))
    try:
        localize(model, STIMULI, survey(name).of_kind("block"))
        assert not asked
        whole(model, model.batch([[3, 4, 5]]))
        assert asked
    finally:
        handle.remove()


@pytest.mark.parametrize("name", ["Llama", "RoBERTa"])
def test_a_text_as_long_as_the_context_is_read(name: str) -> None:
    model = model_of(name)
    assert model.context == CONTEXT
    assert whole(model, model.batch([[5] * CONTEXT])).shape[1] == CONTEXT
