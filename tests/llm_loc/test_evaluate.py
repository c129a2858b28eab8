"""Log-probabilities against the plain loop, and what a mask does to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from common.errors import DataError, ModelError
from common.masks import top_percent
from llm_loc.evaluate import Tokenized, evaluate, log_probabilities, windows
from llm_loc.localize import find_sites, localize
from llm_loc.stimuli import RunningText, benchmark
from tests.llm_loc.conftest import CONTEXT, SENTENCES, ModelMaker
from tests.llm_loc.test_localize import STIMULI


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_the_sum_is_over_all_tokens_after_the_first(kind: str, make_model: ModelMaker) -> None:
    model = make_model(kind)
    ids = model.tokens(SENTENCES)
    wanted = []
    for text in ids:
        logits = model.module(torch.tensor([text])).logits[0]
        each = torch.log_softmax(logits.double(), dim=1)
        wanted.append(sum(float(each[i, token]) for i, token in enumerate(text[1:])))
    for size in (1, 4, 64):
        np.testing.assert_allclose(log_probabilities(model, ids, size), wanted, atol=1e-3)


def test_a_mask_changes_the_outcome_while_it_holds_and_no_longer(
    make_model: ModelMaker, own_files: tuple[Path, ...]
) -> None:
    model = make_model()
    tokens = Tokenized(model, benchmark(f"{own_files[2]},{own_files[3]}"))
    found = localize(model, STIMULI, find_sites(model))
    mask = top_percent(found, 20)
    intact = evaluate(model, tokens)
    for by in ("zero", "mean", 0.5):
        ablated = evaluate(model, tokens, mask, by=by, found=found)  # type: ignore[arg-type]
        assert np.abs(ablated.margin - intact.margin).max() > 0.01
        assert not np.allclose(ablated.beside["prose"], intact.beside["prose"])
    again = evaluate(model, tokens)
    assert np.array_equal(again.margin, intact.margin)
    assert np.array_equal(again.beside["prose"], intact.beside["prose"])
    assert np.array_equal(intact.correct, intact.margin > 0)
    assert np.array_equal(intact.prediction, 1 - intact.correct)


def test_windows_are_consecutive_and_the_last_incomplete_one_is_dropped(
    make_model: ModelMaker,
) -> None:
    model = make_model()
    text = RunningText("prose", " ".join(SENTENCES * 3), window=16)
    whole = model.tokenizer(text.text, add_special_tokens=False)["input_ids"]
    found = windows(model, text)
    assert found.ravel().tolist() == whole[: found.size]
    assert 0 <= len(whole) - found.size < 16


def test_texts_that_cannot_be_measured(make_model: ModelMaker, own_files: tuple[Path, ...]) -> None:
    model = make_model()
    with pytest.raises(DataError, match="two windows of 16"):
        windows(model, RunningText("prose", "birds sing", 16))
    with pytest.raises(DataError, match=f"reads {CONTEXT} at most"):
        windows(model, RunningText("prose", "birds sing", CONTEXT + 1))
    with pytest.raises(ModelError, match="is an encoder"):
        Tokenized(make_model("bert"), benchmark(str(own_files[2])))
