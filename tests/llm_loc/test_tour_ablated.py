"""The tour, ablated: what comes out changes, and what is written is that of a plain loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch

from common.measure.ablate import ablate
from common.measure.masks import top_percent
from common.measure.sites import KINDS
from llm_loc.generate import Sampling, continuations
from llm_loc.localize import localize
from llm_loc.models import LanguageModel
from tests.llm_loc.conftest import SENTENCES
from tests.llm_loc.test_localize import STIMULI
from tests.llm_loc.tour import CAUSAL, TOUR, WINDOW, all_sites, are_bare, model_of, survey, whole

NEW_TOKENS = 10
PROMPT = SENTENCES[-1]  # longer than the window of those that have one


@pytest.fixture(autouse=True)
def no_hook_is_left() -> Iterator[None]:
    """Whatever a test does, every model that it met is left bare."""
    yield
    assert are_bare()


@pytest.mark.parametrize("name", TOUR)
def test_ablation_changes_what_comes_out(name: str) -> None:
    model = model_of(name)
    batch = model.batch(model.tokens(SENTENCES))
    intact = whole(model, batch)
    for kind in KINDS:
        if not (sites := survey(name).offered(kind)):
            continue
        mask = top_percent(localize(model, STIMULI, sites), 20)
        with ablate(model.module, mask):
            assert (whole(model, batch) - intact).abs().max() > 1e-3, kind
    assert torch.equal(whole(model, batch), intact)


def plainly(model: LanguageModel, ids: Sequence[int]) -> str:
    """What the likeliest token, one after another, makes of a prompt, each time read from anew."""
    grown = [*ids]
    while len(grown) < len(ids) + NEW_TOKENS and grown[-1] != model.tokenizer.eos_token_id:
        grown.append(
            int(model.module(torch.tensor([grown]), use_cache=False).logits[0, -1].argmax())
        )
    return str(model.tokenizer.decode(grown[len(ids) :], skip_special_tokens=True))


@pytest.mark.parametrize("name", CAUSAL)
def test_what_is_written_under_ablation_is_that_of_the_plain_loop(name: str) -> None:
    model = model_of(name)
    mask = top_percent(localize(model, STIMULI, all_sites(name)), 10)
    (ids,) = model.tokens([PROMPT])
    assert len(ids) > WINDOW
    with torch.inference_mode(), ablate(model.module, mask):
        wanted = plainly(model, ids)
    sampling = Sampling(max_new_tokens=NEW_TOKENS)
    for use_cache in (True, False):
        assert continuations(model, PROMPT, sampling, mask, use_cache=use_cache) == [wanted]
    assert continuations(model, PROMPT, sampling) != [wanted]


@pytest.mark.parametrize("name", CAUSAL)
def test_the_cache_is_really_used(name: str) -> None:
    model = model_of(name)
    read: list[int] = []

    def note(_module: object, _args: object, given: dict[str, Any]) -> None:
        read.append(given["input_ids"].shape[1])

    handle = model.module.register_forward_pre_hook(note, with_kwargs=True)
    try:
        continuations(model, "the old", Sampling(max_new_tokens=3))
    finally:
        handle.remove()
    assert read[1:] == [1, 1]
