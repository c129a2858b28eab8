"""Modules that see some of the tokens, or those of all texts in one long row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from common.base.errors import SiteError
from common.measure.masks import top_percent
from common.measure.record import record
from common.measure.respond import respond
from common.measure.survey import Survey
from llm_loc.localize import localize
from tests.llm_loc.conftest import SENTENCES, VOCABULARY
from tests.llm_loc.test_localize import STIMULI
from tests.llm_loc.tour import BLOCKS, HIDDEN, WIDTH, are_bare, model_of, survey, whole


@pytest.fixture(autouse=True)
def no_hook_is_left() -> Iterator[None]:
    """Whatever a test does, every model that it met is left bare."""
    yield
    assert are_bare()


class Expert(nn.Module):
    """An MLP that sees the tokens that are sent to it."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(WIDTH, HIDDEN), nn.Linear(HIDDEN, WIDTH)

    def forward(self, rows: Tensor) -> Tensor:
        """Rows of shape (n_tokens, WIDTH)."""
        return self.down(self.up(rows).relu())  # type: ignore[no-any-return]


class Mixture(nn.Module):
    """Sends even tokens to one expert and odd ones to the other, one expert after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList([Expert(), Expert()])

    def forward(self, states: Tensor, ids: Tensor) -> Tensor:
        """States of shape (n_texts, n_tokens, WIDTH)."""
        rows, out = states.flatten(0, 1), torch.zeros_like(states).flatten(0, 1)
        for number, expert in enumerate(self.experts):
            sent = ids.flatten() % 2 == number
            if sent.any():
                out[sent] = expert(rows[sent])
        return out.view_as(states)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.mlp = nn.LayerNorm(WIDTH), Mixture()

    def forward(self, states: Tensor, ids: Tensor) -> Tensor:
        """States of shape (n_texts, n_tokens, WIDTH)."""
        return states + self.mlp(self.norm(states), ids)  # type: ignore[no-any-return]


class ByHand(nn.Module):
    """Blocks whose experts are modules of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, WIDTH)
        self.layers = nn.ModuleList([Block() for _ in range(BLOCKS)])

    def forward(self, input_ids: Tensor) -> Tensor:
        """Ids of shape (n_texts, n_tokens)."""
        states = self.embed(input_ids)
        for layer in self.layers:
            states = layer(states, input_ids)
        return states  # type: ignore[no-any-return]


def test_experts_that_see_some_tokens_alone_are_refused_by_name() -> None:
    ids = torch.arange(3, 10)[None]
    found = Survey(ByHand().eval(), {"input_ids": ids})
    assert [site.module for site in found.of_kind("block")] == ["layers.0", "layers.1"]
    assert [site.module for site in found.of_kind("mlp")] == ["layers.0.mlp", "layers.1.mlp"]
    assert found.offered("mlp_hidden") == []
    for inner in ("", ".up", ".down"):
        path = f"layers.1.mlp.experts.1{inner}"
        with pytest.raises(SiteError, match=f"{path}: its output is not one row of units for each"):
            found.matching(path)
    never = Survey(ByHand().eval(), {"input_ids": ids - ids % 2}).left_out
    assert never["layers.0.mlp.experts.1"] == "never fires in a forward pass"


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_response_is_that_of_real_tokens(side: Any) -> None:
    model = model_of("OPT")
    found = localize(model, STIMULI, survey("OPT").of_kind("mlp"), pooling="mean")
    mask = top_percent(found, 20)
    ids = model.tokens(SENTENCES)
    batches = [model.batch(ids, side), *(model.batch([text]) for text in ids)]
    with torch.inference_mode(), respond(model.module, mask, found, model.through) as passes:
        for batch in batches:
            model.base(**batch, **model.quiet)
    np.testing.assert_allclose(passes[0], np.concatenate(passes[1:]), rtol=1e-4)


def test_a_row_a_token_needs_the_tokens() -> None:
    model = model_of("OPT")
    (site, _) = survey("OPT").of_kind("mlp")
    batch = {"input_ids": model.batch(model.tokens(SENTENCES[:2]))["input_ids"]}  # and no mask
    message = f"{site}: has a row a token, so it must be told the tokens"
    with pytest.raises(SiteError, match=message), record(model.module, [site]):
        whole(model, batch)


def test_a_row_a_token_is_told_by_the_mask_of_the_batch() -> None:
    model = model_of("OPT")
    (site, _) = survey("OPT").of_kind("mlp")
    ids = model.tokens(SENTENCES[:2])
    with torch.inference_mode():
        with record(model.module, [site], pooling="mean") as together:
            whole(model, model.batch(ids))
        with record(model.module, [site], pooling="mean") as apart:
            for text in ids:
                whole(model, model.batch([text]))
    np.testing.assert_allclose(
        together.moments[site].mean, apart.moments[site].mean, rtol=1e-4, atol=1e-6
    )
