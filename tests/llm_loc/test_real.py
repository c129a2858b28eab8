"""The real model on real stimuli: numbers that other people measured, met again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from llm_loc.evaluate import Tokenized, evaluate
from llm_loc.load import load_model
from llm_loc.stimuli import benchmark, localizer
from tests.wheels import fetched

pytestmark = pytest.mark.reference


def test_intact_numbers_are_the_published_ones(reference: Path) -> None:
    model = load_model(f"local/{reference / 'models' / 'llama-prose'}")
    items = benchmark("blimp,prose", reference / "data")
    outcome = evaluate(model, Tokenized(model, items))
    assert len(items.names) == 6700
    assert round(100 * outcome.correct.mean(), 2) == 58.25
    assert round(100 * outcome.correct[items.levels["field"] == "morphology"].mean(), 2) == 67.78
    nats = outcome.beside["prose"].mean()
    assert round(float(nats), 3) == 3.941
    assert round(float(np.exp(nats)), 1) == 51.5


def test_the_real_localizers_are_whole(reference: Path) -> None:
    langloc = localizer("langloc", reference / "data")
    assert len(langloc.target) == len(langloc.control) == 240
    for text in (*langloc.target, *langloc.control):
        assert len(text.text.split()) == 12
        assert text.text == text.text.lower()
    emotion = localizer("emotion", reference / "data")
    assert len(emotion.target) == len(emotion.control) == 275


def test_the_model_of_a_package_knows_the_capital_of_france() -> None:
    model = load_model(fetched("smollm2-135m-instruct", "llm-loc"))
    assert model.context == 8192
    ids = model.tokens(["The capital of France is"])
    with torch.inference_mode():
        best = model.logits(model.batch(ids))[0, -1].argmax()
    assert model.tokenizer.decode(best) == " Paris"
