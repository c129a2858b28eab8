"""Continuations under ablation: the cache changes nothing, and all draws start alike."""

from __future__ import annotations

import pytest
import torch

from common.errors import DataError, ModelError, SettingError
from common.hooks import ablate
from common.masks import top_percent
from llm_loc.generate import Sampling, continuations
from llm_loc.localize import find_sites, localize
from tests.llm_loc.conftest import CONTEXT, ModelMaker
from tests.llm_loc.test_localize import STIMULI

PROMPT = "the old farmer"


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_with_and_without_the_cache_the_text_is_that_of_the_plain_loop(
    kind: str, make_model: ModelMaker
) -> None:
    model = make_model(kind)
    found = localize(model, STIMULI, find_sites(model))
    mask = top_percent(found, 20)
    (ids,) = model.tokens([PROMPT])
    grown = [*ids]
    with torch.inference_mode(), ablate(model.module, mask):
        while len(grown) < len(ids) + 12 and grown[-1] != model.tokenizer.eos_token_id:
            grown.append(int(model.module(torch.tensor([grown])).logits[0, -1].argmax()))
    wanted = model.tokenizer.decode(grown[len(ids) :], skip_special_tokens=True)
    sampling = Sampling(max_new_tokens=12)
    for use_cache in (True, False):
        assert continuations(model, PROMPT, sampling, mask, use_cache=use_cache) == [wanted]
    assert continuations(model, PROMPT, sampling) != [wanted]
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.module.modules())


def test_draws_follow_their_seed_and_leave_the_generator_alone(make_model: ModelMaker) -> None:
    model = make_model()
    before = torch.random.get_rng_state()
    texts = [
        continuations(model, PROMPT, Sampling(temperature=1, top_p=0.9, n=3, seed=seed))
        for seed in (0, 0, 1)
    ]
    assert texts[0] == texts[1] != texts[2]
    assert len(set(texts[0])) == 3
    assert torch.equal(torch.random.get_rng_state(), before)


def test_what_cannot_be_continued(make_model: ModelMaker) -> None:
    with pytest.raises(DataError, match="lower --max-new-tokens"):
        continuations(make_model(), PROMPT, Sampling(max_new_tokens=CONTEXT))
    with pytest.raises(DataError, match="at most"):
        continuations(make_model(), PROMPT * 60, Sampling())
    with pytest.raises(ModelError, match="is an encoder"):
        continuations(make_model("bert"), PROMPT, Sampling())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"temperature": -1}, "--temperature"),
        ({"top_p": 0}, "--top-p"),
        ({"max_new_tokens": 0}, "--max-new-tokens"),
        ({"n": 3}, "all would be the same"),
    ],
)
def test_sampling_that_makes_no_sense(changed: dict[str, float], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        Sampling(**changed)  # type: ignore[arg-type]
