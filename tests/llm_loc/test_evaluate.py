"""Log-probabilities against the plain loop, and what a mask does to them."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from common.base.errors import DataError, ModelError
from common.base.progress import PART
from common.measure.ablate import under
from common.measure.masks import top_percent
from llm_loc.evaluate import Tokenized, evaluate, log_probabilities
from llm_loc.localize import find_sites, localize
from llm_loc.stimuli import RunningText, benchmark
from llm_loc.stimuli.benchmarks import FEWEST_WINDOWS
from llm_loc.windows import window_bytes, windows
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


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("partly", [True, False])
def test_margins_are_those_of_the_whole_sentences(
    kind: str, partly: bool, make_model: ModelMaker, own_files: tuple[Path, ...]
) -> None:
    """What is left out (shared beginnings, projections that nobody reads) cancels in the margin."""
    model = make_model(kind)
    assert model.projects_a_part
    model = dataclasses.replace(model)  # its own memory of whether the model projects a part
    model.__dict__["projects_a_part"] = partly
    items = benchmark(f"{own_files[2]},{own_files[3]}")
    tokens = Tokenized(model, items)
    assert max(tokens.starts) > 2
    found = localize(model, STIMULI, find_sites(model))
    for mask in (None, top_percent(found, 20)):
        with torch.inference_mode(), under(model.module, mask, "zero", found):
            whole = log_probabilities(model, tokens.sentences)
        good, bad = whole[::2], whole[1::2]
        outcome = evaluate(model, tokens, mask, found=found)
        np.testing.assert_allclose(outcome.margin, good - bad, atol=1e-4)
        assert np.array_equal(outcome.correct, good > bad)


def test_the_vocabulary_is_projected_where_it_counts(make_model: ModelMaker) -> None:
    model = make_model()
    seen: list[int] = []
    head = model.module.get_output_embeddings()
    ids = [[0, 5, 6, 7, 8, 9], [0, 5, 6, 7, 8]]
    assert model.projects_a_part
    handle = head.register_forward_hook(lambda _head, _args, out: seen.append(out.shape[1]))
    try:
        log_probabilities(model, ids, starts=[4, 4])
        log_probabilities(model, ids)
    finally:
        handle.remove()
    assert seen == [2, 5]  # tokens 4 and 5; tokens 1 to 5


def test_a_model_whose_logits_to_keep_means_something_else_projects_all(
    make_model: ModelMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = dataclasses.replace(make_model())
    plain = model.module.forward

    def off_by_one(*args: Any, logits_to_keep: Any = 0, **given: Any) -> Any:
        shifted = logits_to_keep - 1 if isinstance(logits_to_keep, torch.Tensor) else 0
        return plain(*args, logits_to_keep=shifted, **given)

    monkeypatch.setattr(model.module, "forward", off_by_one)
    assert not model.projects_a_part
    ids = model.tokens(SENTENCES)
    found = log_probabilities(model, ids, starts=[3] * len(ids))
    monkeypatch.undo()
    wanted = log_probabilities(make_model(), ids, starts=[3] * len(ids))
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_whether_a_part_can_be_projected_is_tried_on_the_intact_model(
    make_model: ModelMaker, own_files: tuple[Path, ...]
) -> None:
    model = dataclasses.replace(make_model())
    tokens = Tokenized(model, benchmark(f"{own_files[2]},{own_files[3]}"))
    found = localize(model, STIMULI, find_sites(model))
    with pytest.raises(DataError, match="NaN"):
        evaluate(model, tokens, top_percent(found, 20), by=float("nan"), found=found)
    assert model.projects_a_part


def test_a_model_that_takes_no_index_projects_all(
    make_model: ModelMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = dataclasses.replace(make_model())
    plain = model.module.forward

    def numbers_only(*args: Any, logits_to_keep: int = 0, **given: Any) -> Any:
        return plain(*args, logits_to_keep=slice(-logits_to_keep, None), **given)

    monkeypatch.setattr(model.module, "forward", numbers_only)
    assert not model.projects_a_part


def test_a_sentence_that_only_goes_on_from_the_other_has_the_sum_0(make_model: ModelMaker) -> None:
    model = make_model()
    whole, begun = log_probabilities(model, [[0, 5, 6, 7], [0, 5]], starts=[2, 2])
    assert begun == 0
    parts = log_probabilities(model, [[0, 5, 6, 7], [0, 5]])
    np.testing.assert_allclose(whole, parts[0] - parts[1], atol=1e-4)


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


def test_every_batch_is_told_of_up_to_the_whole_once_a_mask(
    make_model: ModelMaker, own_files: tuple[Path, ...]
) -> None:
    model = make_model()
    tokens = Tokenized(model, benchmark(f"{own_files[2]},{own_files[3]}"))
    found = localize(model, STIMULI, find_sites(model))
    for mask in (None, top_percent(found, 20)):
        told: list[tuple[str, float]] = []
        evaluate(
            model, tokens, mask, batch_size=8,
            progress=lambda step, done, total, told=told: told.append((step, done / total)),  # type: ignore[misc]
        )  # fmt: skip
        steps, shares = zip(*told, strict=True)
        assert set(steps) == {PART}
        n_texts = len(tokens.sentences) + sum(map(len, tokens.texts.values()))
        assert len(told) >= n_texts / 8
        assert list(shares) == sorted(set(shares))
        assert shares[-1] == 1


@pytest.mark.parametrize("reached", [0.0, 0.8])  # among the sentences, among the windows
def test_a_stop_ends_it_within_a_mask_and_leaves_no_hook(
    reached: float, make_model: ModelMaker, own_files: tuple[Path, ...]
) -> None:
    model = make_model()
    tokens = Tokenized(model, benchmark(f"{own_files[2]},{own_files[3]}"))
    found = localize(model, STIMULI, find_sites(model))
    told: list[float] = []

    def stop(_step: str, done: int, total: int) -> None:
        told.append(done / total)
        if done / total > reached:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(model, tokens, top_percent(found, 20), batch_size=8, progress=stop)
    assert reached < told[-1] < 1
    modules = list(model.module.modules())
    assert not any(each._forward_hooks or each._forward_pre_hooks for each in modules)


def test_the_likeliest_of_all_choices_wins(make_model: ModelMaker, tmp_path: Path) -> None:
    path = tmp_path / "choices.csv"
    path.write_text(
        "prompt,answer,one,two,group\n"
        "the old farmer,sold his horse,his sold horse,horse,a\n"
        "the small girl,plays,,the piano very well,b\n"
        "birds,sing,gnis,sang,b\n"
    )
    model = make_model()
    items = benchmark(str(path))
    outcome = evaluate(model, Tokenized(model, items))
    for number, texts in enumerate(items.choices):
        ids = model.tokens(texts)
        scores = log_probabilities(model, ids)
        assert outcome.margin[number] == pytest.approx(scores[0] - max(scores[1:]), abs=1e-4)
        assert outcome.prediction[number] == int(scores.argmax())
        assert outcome.correct[number] == (scores.argmax() == 0)


def test_bytes_are_those_of_what_is_predicted(make_model: ModelMaker) -> None:
    model = make_model()
    text = RunningText("prose", "Déjà vu — " + " ".join(SENTENCES * 3), window=16)
    rows, found = windows(model, text), window_bytes(model, text)
    assert len(found) == len(rows)
    for row, n in zip(rows[1:].tolist(), found[1:], strict=True):
        assert len(model.tokenizer.decode(row[1:]).encode()) == n
    # All bytes but those of each window's first token and of the last incomplete window.
    first = sum(len(model.tokenizer.decode(row[:1]).encode()) for row in rows[1:].tolist())
    after = model.tokenizer(text.text, add_special_tokens=False)["input_ids"][rows.size :]
    rest = len(text.text.encode()) - first - len(model.tokenizer.decode(after).encode())
    assert 0 <= rest - found.sum() <= 4


def test_windows_are_consecutive_and_the_last_incomplete_one_is_dropped(
    make_model: ModelMaker,
) -> None:
    model = make_model()
    text = RunningText("prose", " ".join(SENTENCES * 3), window=16)
    whole = model.tokenizer(text.text, add_special_tokens=False)["input_ids"]
    found = windows(model, text)
    assert found.ravel().tolist() == whole[: found.size]
    assert 0 <= len(whole) - found.size < 16


def test_a_share_of_the_windows_is_spread_over_the_text(make_model: ModelMaker) -> None:
    model = make_model()
    text = RunningText("prose", " ".join(SENTENCES * 40), window=16)
    whole, sizes = windows(model, text), window_bytes(model, text)
    assert len(whole) > 2 * FEWEST_WINDOWS
    for share, n in ((0.01, FEWEST_WINDOWS), (0.6, math.ceil(0.6 * len(whole)))):
        part = replace(text, share=share)
        kept = np.arange(n) * len(whole) // n
        assert np.array_equal(windows(model, part), whole[kept])
        assert np.array_equal(window_bytes(model, part), sizes[kept])


def test_texts_that_cannot_be_measured(make_model: ModelMaker, own_files: tuple[Path, ...]) -> None:
    model = make_model()
    with pytest.raises(DataError, match="two windows of 16"):
        windows(model, RunningText("prose", "birds sing", 16))
    with pytest.raises(DataError, match=f"reads {CONTEXT} at most"):
        windows(model, RunningText("prose", "birds sing", CONTEXT + 1))
    with pytest.raises(ModelError, match="is an encoder"):
        Tokenized(make_model("bert"), benchmark(str(own_files[2])))
