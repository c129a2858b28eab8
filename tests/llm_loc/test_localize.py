"""The map: against a reference written from the paper, and whatever the batches look like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from common.base.errors import DataError, SettingError
from common.measure.masks import top_percent
from common.measure.shares import n_chosen
from llm_loc.load import load_model
from llm_loc.localize import (
    PAPER_TOKENS,
    find_sites,
    localize,
    localize_all,
    passes_over,
    tokenized,
)
from llm_loc.models import LanguageModel
from llm_loc.stimuli import Localizer, Text, localizer
from tests.llm_loc.conftest import NONWORDS, SENTENCES, ModelMaker

STIMULI = Localizer(
    "own",
    tuple(Text(f"s{i}", "sentence", text) for i, text in enumerate(SENTENCES)),
    tuple(Text(f"n{i}", "nonword", text) for i, text in enumerate(NONWORDS)),
)


def papers_t(model: LanguageModel, stimuli: Localizer, blocks: list[str]) -> np.ndarray:
    """t of every unit after AlKhamissi et al. (2024): plain hooks, texts one by one, and scipy."""
    seen: dict[str, torch.Tensor] = {}
    modules = dict(model.module.named_modules())

    def keep(path: str):
        def hook(_module, _args, out):
            seen[path] = out[0] if isinstance(out, tuple) else out

        return hook

    handles = [modules[path].register_forward_hook(keep(path)) for path in blocks]
    sides = []
    for texts in (stimuli.target, stimuli.control):
        rows = []
        for text in texts:
            inputs = model.tokenizer(
                text.text, truncation=True, max_length=PAPER_TOKENS, return_tensors="pt"
            )
            inputs.pop("token_type_ids", None)
            with torch.no_grad():
                model.module(**inputs)
            rows.append(torch.cat([seen[path][0, -1].abs() for path in blocks]).double().numpy())
        sides.append(np.stack(rows))
    for handle in handles:
        handle.remove()
    return stats.ttest_ind(*sides, axis=0, equal_var=False).statistic


def assert_same_mask(model: LanguageModel, stimuli: Localizer, percent: float) -> None:
    sites = find_sites(model)
    found = localize(model, stimuli, sites, protocol="paper")
    t = papers_t(model, stimuli, [site.module for site in sites])
    np.testing.assert_allclose(found.t, t, atol=1e-6)
    k = n_chosen(len(t), percent, truncated=True)
    assert set(top_percent(found, percent).units) == set(np.argsort(-t, kind="stable")[:k])


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_the_papers_protocol_gives_the_papers_mask(kind: str, make_model: ModelMaker) -> None:
    assert_same_mask(make_model(kind), STIMULI, 20)


@pytest.mark.reference
def test_the_papers_mask_on_the_real_model(reference: Path) -> None:
    model = load_model(f"local/{reference / 'models' / 'llama-prose'}")
    whole = localizer("langloc", reference / "data")
    # The published loop takes a text at a time.
    assert_same_mask(model, Localizer(whole.name, whole.target[:80], whole.control[:80]), 1)


def test_the_papers_protocol_cuts_at_twelve_tokens(make_model: ModelMaker) -> None:
    model = make_model()
    whole, cut = (tokenized(model, STIMULI, protocol) for protocol in ("full", "paper"))
    assert max(map(len, whole)) > PAPER_TOKENS
    assert [ids[:PAPER_TOKENS] for ids in whole] == cut


def test_localizers_that_share_texts_are_read_in_one_pass(make_model: ModelMaker) -> None:
    model, few = make_model("llama"), STIMULI.control[:6]
    every = [STIMULI, Localizer("back", few, STIMULI.target)]
    read, sites = list[int](), find_sites(model)
    handle = model.module.get_input_embeddings().register_forward_hook(
        lambda _module, args, _out: read.append(len(args[0]))
    )
    found = localize_all(model, every, sites, pooling="mean")
    handle.remove()
    assert sum(read) == len(SENTENCES) + len(NONWORDS)
    for stimuli, each in zip(every, found, strict=True):
        own = localize(model, stimuli, sites, pooling="mean")
        np.testing.assert_allclose(each.t, own.t, atol=1e-4)
        np.testing.assert_allclose(each.peak, own.peak, rtol=1e-4)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert"])
@pytest.mark.parametrize("pooling", ["last", "mean", "sum"])
def test_t_does_not_depend_on_batches_or_padding(
    kind: str, pooling: str, make_model: ModelMaker
) -> None:
    model = make_model(kind)
    sites = find_sites(model)
    one, *others = (
        localize(model, STIMULI, sites, pooling=pooling, batch_size=size, padding=side)  # type: ignore[arg-type]
        for size, side in ((1, "right"), (16, "right"), (16, "left"), (7, "left"))
    )
    assert np.abs(one.t).max() > 1
    for other in others:
        np.testing.assert_allclose(other.t, one.t, atol=1e-4)
        np.testing.assert_allclose(other.output_control, one.output_control, atol=1e-5)


def test_localizing_leaves_no_hook_even_if_the_model_raises(make_model: ModelMaker) -> None:
    model = make_model()
    sites = find_sites(model)

    def burst(*_: object) -> None:
        raise RuntimeError("burst")

    handle = model.base.layers[1].register_forward_hook(burst)  # type: ignore[index, union-attr]
    with pytest.raises(RuntimeError, match="burst"):
        localize(model, STIMULI, sites)
    handle.remove()
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.module.modules())


def test_activations_that_are_nan_are_named(make_model: ModelMaker) -> None:
    model = make_model()
    model.base.layers[1].mlp.down_proj.weight[0, 0] = float("nan")  # type: ignore[index, union-attr]
    with pytest.raises(DataError, match=r"model\.layers\.1:output: activations are NaN"):
        localize(model, STIMULI, find_sites(model))


def test_the_unit_and_the_text_that_give_nan_are_named(make_model: ModelMaker) -> None:
    model = make_model()
    texts = [*STIMULI.target, *STIMULI.control]
    ids = [set(tokens) for tokens in model.tokens([text.text for text in texts])]
    number, alone = next(
        (number, token)
        for number, tokens in enumerate(ids)
        for token in sorted(tokens)
        if sum(token in other for other in ids) == 1
    )
    with torch.no_grad():
        model.base.get_input_embeddings().weight[alone, 5] = float("nan")  # type: ignore[operator]
    embeddings = find_sites(model, pattern="model.embed_tokens")
    for pooling in ("mean", "sum"):
        with pytest.raises(DataError) as caught:
            localize(model, STIMULI, embeddings, pooling=pooling)  # type: ignore[arg-type]
        assert str(caught.value).startswith(
            "model.embed_tokens:output: activations are NaN or infinite for "
            f"{texts[number].name}; are the weights whole (unit 5 is the first)"
        )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"protocol": "loose"}, "choose one of full, paper"),
        ({"pooling": "cls"}, "choose last, mean, sum for text"),
        ({"protocol": "paper", "pooling": "mean"}, "takes the last token"),
    ],
)
def test_settings_that_make_no_sense(
    changed: dict[str, str], message: str, make_model: ModelMaker
) -> None:
    with pytest.raises(SettingError, match=message):
        localize(make_model(), STIMULI, [], **changed)  # type: ignore[arg-type]


def test_passes_are_of_like_lengths_with_little_padding() -> None:
    rng = np.random.default_rng(0)
    ids = [[0] * size for size in rng.integers(5, 60, 480)]
    passes = passes_over(ids, "full", 64)
    assert sorted(np.concatenate(passes).tolist()) == list(range(480))
    assert max(map(len, passes)) <= 64
    assert len(passes) < 30
    tokens = sum(map(len, ids))
    padded = sum(len(where) * max(len(ids[i]) for i in where) for where in passes)
    assert padded / tokens - 1 < 0.05
    assert [len(where) for where in passes_over(ids, "paper", 64)] == [1] * 480
    assert [len(where) for where in passes_over([[0] * 7] * 130, "full", 64)] == [64, 64, 2]
    assert [len(where) for where in passes_over([[0], [0] * 3, [0] * 2], "full", 64)] == [3]
