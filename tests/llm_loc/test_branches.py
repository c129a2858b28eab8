"""Items in rows: what their texts share is read once, and the numbers are those of the texts."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from common.base.errors import DataError
from common.measure.masks import top_percent
from common.measure.passes import Passes
from llm_loc.branches import RowPart, branches, parts_of_rows, pays, rows_of
from llm_loc.evaluate import (
    TextBatches,
    Tokenized,
    evaluate,
    evaluate_masks,
    log_probabilities,
)
from llm_loc.localize import find_sites, localize
from llm_loc.stimuli import benchmark
from tests.llm_loc.conftest import ModelMaker
from tests.llm_loc.test_localize import STIMULI

STEM = [0, 5, 6, 7, 8, 9, 10, 11]
IDS = [
    [*STEM, 12], [*STEM, 13, 14, 15], [*STEM, 16, 17],
    [0, 4], [0, 7, 8],
    [0, 9, 11, 12, 5], [0, 9, 11, 12], [0, 9, 11, 12, 6, 7],
    *([*STEM[:n], 3, 5, 8] for n in (4, 4, 5)),
]  # fmt: skip
IDS[9] = [*STEM[:4], 6]
SIZES = [3, 2, 3, 2, 1]
STARTS = np.repeat([8, 1, 4, 4, 1], SIZES)


def in_rows(model: Any, batch_size: int = 64, most: int = 10**6) -> np.ndarray:
    found = np.zeros(len(IDS))
    for part in parts_of_rows(rows_of(IDS, SIZES, STARTS), batch_size, most):
        found[part.where] = next(part.sums(model, IDS, Passes(model.module, [None])))
    return found


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize(("batch_size", "most"), [(1, 10**6), (5, 10**6), (64, 20), (64, 10**6)])
def test_sums_are_those_of_the_texts_by_themselves(
    kind: str, batch_size: int, most: int, make_model: ModelMaker
) -> None:
    model = make_model(kind)
    wanted = log_probabilities(model, IDS, 1, STARTS)
    assert branches(model, rows_of(IDS, SIZES, STARTS))
    np.testing.assert_allclose(in_rows(model, batch_size, most), wanted, atol=1e-4)
    assert wanted[6] == 0  # it ends where the others go on
    assert np.count_nonzero(wanted) == len(IDS) - 1


def test_rows_keep_to_the_batch_and_to_what_a_pass_may_give() -> None:
    rows = rows_of(IDS, SIZES, STARTS)
    for most, batch_size in ((20, 64), (10**6, 4), (10**6, 1)):
        parts = parts_of_rows(rows, batch_size, most)
        assert sorted(np.concatenate([part.where for part in parts])) == sorted(
            text for row in rows for text in row.texts
        )
        for part in parts:
            assert len(part.where) <= batch_size or len(part.rows) == 1


def seen_by(model: Any, work: Any) -> int:
    """Tokens that the model reads, padding among them."""
    seen: list[int] = []
    handle = model.module.get_input_embeddings().register_forward_hook(
        lambda _m, args, _out: seen.append(args[0].numel())
    )
    try:
        work()
    finally:
        handle.remove()
    return sum(seen)


def test_what_is_shared_is_read_once(make_model: ModelMaker) -> None:
    model = make_model()
    model.projects_a_part  # noqa: B018
    assert seen_by(model, lambda: in_rows(model, 1)) == sum(
        row.length for row in rows_of(IDS, SIZES, STARTS)
    )


def test_a_benchmark_is_read_in_rows_and_under_masks_too(
    make_model: ModelMaker, own_files: tuple[Path, ...]
) -> None:
    model = make_model()
    tokens = Tokenized(model, benchmark(f"{own_files[2]},{own_files[3]}"))
    shown = TextBatches(model, tokens)
    assert any(isinstance(part, RowPart) for _, part in shown.parts)
    found = localize(model, STIMULI, find_sites(model))
    masks = [None, *(top_percent(found, percent) for percent in (5, 10, 20, 40))]
    rows = [evaluate(model, tokens, mask, found=found) for mask in masks]
    together = evaluate_masks(model, tokens, masks, found=found, batch_size=7)
    tokens.in_rows = False
    for mask, one, other in zip(masks, rows, together, strict=True):
        apart = evaluate(model, tokens, mask, found=found)
        for each in (one, other):
            np.testing.assert_allclose(each.margin, apart.margin, atol=1e-4)
            assert np.array_equal(each.correct, apart.correct)


def test_a_model_that_does_not_go_by_positions_or_masks_reads_the_texts(
    make_model: ModelMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rows_of(IDS, SIZES, STARTS)
    for lost in ("position_ids", "attention_mask"):
        model = dataclasses.replace(make_model())
        plain = model.module.forward

        def without(*args: Any, plain: Any = plain, lost: str = lost, **given: Any) -> Any:
            return plain(*args, **{**given, lost: None})

        monkeypatch.setattr(model.module, "forward", without)
        assert not branches(model, rows)

    def refuses(*_: Any, attention_mask: torch.Tensor, **__: Any) -> Any:
        if attention_mask.ndim == 4:
            raise ValueError("two axes, please")
        return plain(*_, attention_mask=attention_mask, **__)

    monkeypatch.setattr(model.module, "forward", refuses)
    assert not branches(model, rows)
    monkeypatch.undo()
    assert branches(model, rows)
    half = dataclasses.replace(model, module=make_model().module.to(torch.bfloat16))
    assert not branches(half, rows)


def test_items_that_share_nothing_are_read_apart() -> None:
    assert pays(rows_of(IDS, SIZES, STARTS))
    apart = [[0, *[token] * 20] for token in (5, 6)]
    assert not pays(rows_of(apart, [2], np.array([1, 1])))


def test_numbers_that_are_none_are_an_error(make_model: ModelMaker) -> None:
    model = make_model()
    model.module.get_output_embeddings().weight.data[:] = torch.nan
    with pytest.raises(DataError, match="NaN"):
        in_rows(model)


def test_half_a_pass_gives_the_half(make_model: ModelMaker, own_files: tuple[Path, ...]) -> None:
    model = make_model()
    tokens = Tokenized(model, benchmark(f"{own_files[2]},{own_files[3]}"))
    intact = Passes(model.module, [None])
    for in_rows in (True, False):
        tokens.in_rows = in_rows
        shown = TextBatches(model, tokens)
        part = max(shown.parts, key=lambda each: len(each[1].where))
        halves = shown.halves(part)
        assert halves is not None
        assert [*halves[0][1].where, *halves[1][1].where] == [*part[1].where]
        (whole,) = shown.read(part, intact)
        both = [next(shown.read(half, intact))["sums"] for half in halves]
        assert np.allclose(np.concatenate(both), whole["sums"], rtol=1e-5)
