"""The real model on real stimuli: numbers that other people measured, met again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from llm_loc.evaluate import Tokenized, evaluate
from llm_loc.load import load_model
from llm_loc.models import LanguageModel
from llm_loc.stimuli import Benchmark, benchmark, localizer
from tests.wheels import fetched

pytestmark = pytest.mark.reference


def only(items: Benchmark, chosen: np.ndarray) -> Benchmark:
    """Some of the items."""
    return replace(
        items,
        names=tuple(items.names[i] for i in chosen),
        choices=tuple(items.choices[i] for i in chosen),
        levels={level: values[chosen] for level, values in items.levels.items()},
        groups=items.groups[chosen],
    )


@pytest.fixture(scope="module")
def model(reference: Path) -> LanguageModel:
    return load_model(f"local/{reference / 'models' / 'llama-prose'}")


def test_accuracy_on_morphology_is_the_published_one(model: LanguageModel, reference: Path) -> None:
    items = benchmark("blimp", reference / "data")
    chosen = only(items, np.flatnonzero(items.levels["field"] == "morphology"))
    outcome = evaluate(model, Tokenized(model, chosen))
    assert round(100 * outcome.correct.mean(), 2) == 67.78


def test_perplexity_is_the_published_one(model: LanguageModel, reference: Path) -> None:
    items = benchmark("blimp,prose", reference / "data")
    nats = evaluate(model, Tokenized(model, only(items, np.arange(2)))).beside["prose"].mean()
    assert round(float(nats), 3) == 3.941
    assert round(float(np.exp(nats)), 1) == 51.5


@pytest.mark.slow
def test_accuracy_on_all_pairs_is_the_published_one(model: LanguageModel, reference: Path) -> None:
    items = benchmark("blimp", reference / "data")
    assert len(items.names) == 6700
    outcome = evaluate(model, Tokenized(model, items))
    assert round(100 * outcome.correct.mean(), 2) == 58.25


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
