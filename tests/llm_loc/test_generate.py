"""Continuations under ablation: the cache changes nothing, and all draws start alike."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from common.base.errors import DataError, ModelError, SettingError
from common.measure.ablate import ablate
from common.measure.control_rules import control
from common.measure.masks import top_percent
from llm_loc.generate import Sampling, continuations, stream
from llm_loc.localize import find_sites, localize
from llm_loc.models import LanguageModel
from tests.llm_loc.conftest import CONTEXT, ModelMaker, hooks_of
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
    assert hooks_of(model.module) == 0


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


def test_all_masks_meet_the_same_draws(make_model: ModelMaker) -> None:
    model = make_model()
    found = localize(model, STIMULI, find_sites(model))
    sampling = Sampling(temperature=1.5, top_p=0.9, max_new_tokens=12, n=3)
    intact = continuations(model, PROMPT, sampling)
    # Replaced by themselves, the units give the intact text: nothing but the mask differs.
    assert continuations(model, PROMPT, sampling, top_percent(found, 20), by=1.0) == intact
    assert continuations(model, PROMPT, sampling, top_percent(found, 20)) != intact


def test_a_draw_is_from_the_likeliest_tokens_alone(make_model: ModelMaker) -> None:
    model = make_model()
    # So small a share is that of one token, and so cold a temperature leaves but one.
    greedy = continuations(model, PROMPT, Sampling(max_new_tokens=12))
    for narrow in (Sampling(1.0, 1e-6, 12, n=2), Sampling(1e-4, 1.0, 12, n=2)):
        assert continuations(model, PROMPT, narrow) == greedy * 2


@pytest.mark.parametrize("n", [1, 3])
def test_streams_take_turns_and_an_ablation_holds_for_its_own_passes(
    n: int, make_model: ModelMaker
) -> None:
    model = make_model()
    found = localize(model, STIMULI, find_sites(model))
    masks = [None, top_percent(found, 20), control(found, "layer-matched", 20, seed=0)]
    sampling = Sampling(temperature=1, top_p=0.9, max_new_tokens=8, n=n)
    before = torch.random.get_rng_state()
    batch = model.batch([[3, 4, 5]])
    intact = model.logits(batch)
    shown: list[list[list[str]]] = [[] for _ in masks]
    for texts in zip(*(stream(model, PROMPT, sampling, m) for m in masks), strict=True):
        assert hooks_of(model.module) == 0
        assert not torch.is_inference_mode_enabled()
        assert torch.equal(model.logits(batch), intact)
        for before_now, now in zip(shown, texts, strict=True):
            before_now.append(now)
    assert torch.equal(torch.random.get_rng_state(), before)
    for mask, grown in zip(masks, shown, strict=True):
        assert len(grown) == 8
        assert grown[-1] == continuations(model, PROMPT, sampling, mask)
        for one, two in pairwise(grown):
            assert all(later.startswith(text) for text, later in zip(one, two, strict=True))
    assert len({str(grown[-1]) for grown in shown}) == 3


def test_a_stream_left_half_way_leaves_nothing(make_model: ModelMaker) -> None:
    model = make_model()
    mask = top_percent(localize(model, STIMULI, find_sites(model)), 20)
    steps = stream(model, PROMPT, Sampling(max_new_tokens=9), mask)
    next(steps)
    assert hooks_of(model.module) == 0
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    assert hooks_of(model.module) == 0
    # One that was never begun, or whose model raises, neither.
    stream(model, PROMPT, Sampling(), mask)
    steps = stream(model, PROMPT, Sampling(), mask)
    next(steps)

    def burst(*_: object) -> None:
        raise RuntimeError("burst")

    handle = model.base.layers[1].register_forward_hook(burst)  # type: ignore[index, union-attr]
    with pytest.raises(RuntimeError, match="burst"):
        next(steps)
    handle.remove()
    assert hooks_of(model.module) == 0


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[list[int]]], None]:
    """Put tokens into a model's mouth, one row of them a pass."""

    def dictate(rows: list[list[int]]) -> None:
        left = iter(rows)

        def say(model: LanguageModel, *_: object) -> tuple[Tensor, dict[str, Any]]:
            return 100.0 * one_hot(torch.tensor(next(left)), model.vocabulary), {}

        monkeypatch.setattr(LanguageModel, "next_token", say)

    return dictate


def test_a_text_ends_where_its_model_ends_it(
    make_model: ModelMaker, says: Callable[[list[list[int]]], None]
) -> None:
    model = make_model()
    end = model.tokenizer.eos_token_id
    says([[5, 6], [end, 7], [8, end]])
    texts = list(stream(model, PROMPT, Sampling(temperature=1, max_new_tokens=9, n=2)))
    one, two, three = (model.tokenizer.decode([number]) for number in (5, 6, 7))
    assert texts[-1] == [one, two + three]
    assert len(texts) == 3


def test_a_character_is_shown_when_all_its_bytes_are_there(
    make_model: ModelMaker, says: Callable[[list[list[int]]], None]
) -> None:
    model = make_model()
    one, two = model.tokenizer("é", add_special_tokens=False)["input_ids"]
    says([[one], [two], [one]])
    # Cut off in the midst of one at the end, there is nothing to wait for.
    texts = list(stream(model, PROMPT, Sampling(max_new_tokens=3)))
    assert texts == [[""], ["é"], ["é\N{REPLACEMENT CHARACTER}"]]


def test_logits_that_are_nan_are_told(make_model: ModelMaker) -> None:
    model = make_model()
    found = localize(model, STIMULI, find_sites(model))
    with pytest.raises(DataError, match="the logits of the next token are NaN"):
        continuations(model, PROMPT, Sampling(), top_percent(found, 20), by=float("nan"))
    assert hooks_of(model.module) == 0


def test_what_cannot_be_continued(make_model: ModelMaker) -> None:
    with pytest.raises(DataError, match="lower `max_new_tokens`"):
        continuations(make_model(), PROMPT, Sampling(max_new_tokens=CONTEXT))
    with pytest.raises(DataError, match="at most"):
        continuations(make_model(), PROMPT * 60, Sampling())
    with pytest.raises(ModelError, match="is an encoder"):
        continuations(make_model("bert"), PROMPT, Sampling())
    # Told at once, not at the first token.
    with pytest.raises(DataError, match="no token"):
        stream(make_model("llama", bos=False), "", Sampling())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"temperature": -1}, "`temperature`"),
        ({"top_p": 0}, "`top_p`"),
        ({"max_new_tokens": 0}, "`max_new_tokens`"),
        ({"n": 3}, "all would be the same"),
    ],
)
def test_sampling_that_makes_no_sense(changed: dict[str, float], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        Sampling(**changed)  # type: ignore[arg-type]
