"""What a notebook records of texts of unlike lengths: padding never counts, announced or not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from common import record, respond_each, sites
from common.measure.masks import top_percent
from common.measure.scores import SelectivityMap
from llm_loc.localize import localize
from llm_loc.models import LanguageModel
from llm_loc.notebook import batches, load_model, localizer
from llm_loc.stimuli import Localizer

TEXTS = ["the old girls sleep here", "two dogs see the boy in the old tree", "a tree grows"]


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return load_model("phantom/lm")


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "sum", "cls"])
def test_texts_that_are_read_together_give_what_each_gives_alone(
    model: LanguageModel, pooling: Any
) -> None:
    where = sites(model.module, example=model.example())
    found = []
    for batch_size in (3, 1):
        with record(model.module, where, pooling=pooling) as heard:
            for batch in batches(model, TEXTS, batch_size):
                model.logits(batch)
        found.append(heard.moments)
    together, alone = found
    for site in where:
        np.testing.assert_allclose(together[site].mean, alone[site].mean, atol=1e-5)


def test_what_is_announced_comes_before_what_the_model_is_told(model: LanguageModel) -> None:
    where = sites(model.module, example=model.example())[:1]
    (batch,) = batches(model, TEXTS[:1])
    first = torch.zeros_like(batch["attention_mask"])
    first[:, :2] = 1
    means = []
    for announced in (None, first):
        with record(model.module, where, pooling="last") as heard:
            if announced is not None:
                heard.expect([0], announced)
            model.logits(batch)
        means.append(heard.moments[where[0]].mean)
    assert not np.allclose(*means)


def test_units_answer_alike_however_the_model_is_called(model: LanguageModel) -> None:
    read = localizer("phantom-lm:language")
    some = Localizer(read.name, read.target[:6], read.control[:6])
    found: SelectivityMap = localize(model, some, sites(model.module, example=model.example()))
    (batch,) = batches(model, TEXTS)
    mask = top_percent(found, 5)
    with respond_each(model.module, mask, found) as answers, torch.inference_mode():
        model.module(**batch)
        model.module(batch["input_ids"], attention_mask=batch["attention_mask"])
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-6)
