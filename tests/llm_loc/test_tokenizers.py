"""Tokenizers as people bring them: with an end behind each text, or with tokens too many."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import processors

from common.base.errors import DataError
from llm_loc.generate import Sampling, continuations
from llm_loc.load import load_model
from llm_loc.models import LanguageModel
from llm_loc.stimuli import RunningText
from llm_loc.windows import windows
from tests.llm_loc.conftest import CONTEXT, VOCABULARY, ModelMaker

TEXTS = ["the old farmer sold his horse", "birds sing"]


def ending(model: LanguageModel, folder: Path) -> LanguageModel:
    """The same with a tokenizer that puts an end behind each text."""
    model.tokenizer.save_pretrained(folder)
    tokenizer = type(model.tokenizer).from_pretrained(folder)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    return replace(model, tokenizer=tokenizer)


def test_a_text_that_goes_on_has_no_end(make_model: ModelMaker, tmp_path: Path) -> None:
    plain = make_model()
    model = ending(plain, tmp_path)
    assert model.tokenizer(TEXTS[1])["input_ids"][-1] == 1
    assert model.tokens(TEXTS) == plain.tokens(TEXTS)
    assert model.tokens(TEXTS, special=False) == plain.tokens(TEXTS, special=False)
    assert model.tokens(TEXTS, longest=3) == plain.tokens(TEXTS, longest=3)
    long = "@" * (CONTEXT - 1)
    assert len(plain.tokens([long])[0]) == CONTEXT
    assert model.tokens([long]) == plain.tokens([long])  # and its end is not counted
    asked = Sampling(max_new_tokens=4)
    written = [continuations(each, TEXTS[1], asked) for each in (model, plain)]
    assert written[0] == written[1]
    assert "without the end that it puts behind each text" in model.describe()["preprocessing"]
    assert "without the end" not in plain.describe()["preprocessing"]


def test_what_an_encoder_reads_has_its_end(make_model: ModelMaker, tmp_path: Path) -> None:
    model = ending(make_model("bert"), tmp_path)
    assert [ids[-1] for ids in model.tokens(TEXTS)] == [1, 1]


def test_a_token_that_the_model_does_not_know_is_named(
    folder_of: Callable[..., Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(folder_of(), tmp_path / "added")
    tokenizer = load_model(f"local/{folder}").tokenizer
    n_known = len(tokenizer)
    tokenizer.add_tokens([f"<new{number}>" for number in range(VOCABULARY - n_known + 1)])
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    tokenizer.save_pretrained(folder)
    model = load_model(f"local/{folder}")
    assert model.tokenizer.pad_token_id > VOCABULARY
    assert model.pad < VOCABULARY
    last = f"<new{VOCABULARY - n_known}>"
    said = f"the token {last!r} has the number {VOCABULARY}, but .* has embeddings of 300 tokens"
    with pytest.raises(DataError, match=said):
        model.tokens(["birds sing", f"birds {last}"])
    with pytest.raises(DataError, match=said):
        windows(model, RunningText("prose", f"birds {last} " * 40, window=8))


def test_an_encoder_without_its_pooler_is_read(
    folder_of: Callable[..., Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(folder_of("bert"), tmp_path / "masked")
    weights = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if "pooler" not in name}
    assert len(kept) < len(weights)
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    model = load_model(f"local/{folder}")
    assert not any("pooler" in name for name, _ in model.module.named_parameters())
    whole = dict(load_model(f"local/{folder_of('bert')}").weights())
    assert all(torch.equal(tensor, whole[name]) for name, tensor in model.weights())
