"""The response profile: the numbers of plain hooks, on every text at hand, own texts marked."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from common.base.errors import DataError
from common.measure.control_rules import control
from common.measure.masks import Mask, top_percent
from common.measure.scores import SelectivityMap
from llm_loc.localize import find_sites, localize
from llm_loc.models import LanguageModel
from llm_loc.profile import MOST_TEXTS, TextKind, profile, responses, save_profile, text_kinds
from llm_loc.stimuli import Localizer, Text
from tests.llm_loc.conftest import NONWORDS, SENTENCES

ModelMaker = Callable[..., LanguageModel]
USED = Localizer(
    "words:sense",
    tuple(Text(f"s{i}", "sentence", text) for i, text in enumerate(SENTENCES)),
    tuple(Text(f"n{i}", "nonword", text) for i, text in enumerate(NONWORDS)),
)


@pytest.fixture(scope="module")
def model(make_model: ModelMaker) -> LanguageModel:
    return make_model("llama")


@pytest.fixture(scope="module", params=["last", "mean"])
def found(request: pytest.FixtureRequest, model: LanguageModel) -> SelectivityMap:
    return localize(model, USED, find_sites(model), pooling=request.param)


@pytest.fixture(autouse=True)
def nothing_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No stimuli but those that the test brings and those that the program writes."""
    monkeypatch.setenv("FUNCLOC_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FUNCLOC_DATA", raising=False)


def by_hand(model: LanguageModel, text: str, mask: Mask, found: SelectivityMap) -> float:
    """Mean of |pooled activation| over the unit's loudness, from plain hooks and one text."""
    shares = []
    for site in found.sites:
        kept: list[torch.Tensor] = []
        module = model.module.get_submodule(site.module)
        handle = module.register_forward_hook(
            lambda _m, _a, out, kept=kept: kept.append(out[0] if isinstance(out, tuple) else out)
        )
        with torch.inference_mode():
            model.module(torch.tensor(model.tokens([text])))
        handle.remove()
        (output,) = (tensor.reshape(-1, site.channels).double() for tensor in kept)
        pooled = output[-1] if found.pooling == "last" else output[1:].mean(dim=0)
        chosen = mask.at(site)
        shares += list(pooled.abs().numpy()[chosen] / found.at(site, "magnitude")[chosen])
    return float(np.mean(shares))


def test_responses_are_those_of_plain_hooks_on_one_text_at_a_time(
    model: LanguageModel, found: SelectivityMap
) -> None:
    masks = [top_percent(found, 10), control(found, "layer-matched", 10, 0)]
    texts = [*SENTENCES[:4], *NONWORDS[:4]]
    for size in (1, 64):
        answers = responses(model, model.tokens(texts), masks, found, size)
        expected = [[by_hand(model, text, mask, found) for text in texts] for mask in masks]
        np.testing.assert_allclose(answers, expected, rtol=1e-4)


def test_the_table_has_a_row_for_every_kind_and_mask(
    model: LanguageModel, found: SelectivityMap, tmp_path: Path
) -> None:
    masks = [top_percent(found, 10), control(found, "layer-matched", 10, 0)]
    kinds = [
        TextKind("words", "sentence", USED.target, own=True),
        TextKind("words", "nonword", USED.control, own=True),
    ]
    table = profile(model, kinds, masks, found)
    assert table["rule"].tolist() == ["top", "layer-matched"] * 2
    assert table["condition"].tolist() == ["sentence"] * 2 + ["nonword"] * 2
    assert (table["low"] < table["response"]).all()
    assert (table["response"] < table["high"]).all()
    top = table[table["rule"] == "top"].set_index("condition")
    # The units were chosen for it, and the two sides together are what they are measured by.
    assert top.loc["sentence", "response"] > 1 > top.loc["nonword", "response"]
    assert top["response"].mean() == pytest.approx(1)
    assert top.loc["sentence", "tokens"] == np.mean([len(i) for i in model.tokens(SENTENCES)])
    save_profile(tmp_path / "profile.csv", table)
    again = profile(model, kinds, masks, found, batch_size=3)
    np.testing.assert_allclose(again["response"], table["response"], rtol=1e-5)


def test_what_can_be_had_without_a_download_is_read_and_own_texts_are_marked(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "data" / "emotion"
    folder.mkdir(parents=True)
    rows = [f"i am angry {i},1" for i in range(275)] + [f"i am calm {i},0" for i in range(275)]
    (folder / "anger.csv").write_text("text,angry\n" + "\n".join(rows) + "\n")
    kinds = {(k.source, k.condition): k for k in text_kinds(USED, tmp_path / "data")}
    assert [*kinds][:2] == [("words", "sentence"), ("words", "nonword")]
    assert kinds["words", "sentence"].own
    assert {("emotion", "anger"), ("emotion", "other"), ("multiple-demand", "hard")} <= {*kinds}
    assert ("langloc", "sentence") not in kinds  # it would have to be downloaded
    assert ("phantom", "face") not in kinds  # pictures
    angry = kinds["emotion", "anger"]
    assert len(angry.texts) == MOST_TEXTS
    assert not angry.own
    again = text_kinds(USED, tmp_path / "data")
    assert {(k.source, k.condition): k for k in again} == kinds
    other = text_kinds(USED, tmp_path / "data", seed=1)
    assert angry.texts not in [kind.texts for kind in other]


def test_a_set_that_shares_texts_with_the_localizer_is_its_own(tmp_path: Path) -> None:
    shared = text_kinds(USED, tmp_path)
    hard = next(kind for kind in shared if kind.condition == "hard")
    sums = tuple(Text(f"own:{i}", "sums", text.text) for i, text in enumerate(hard.texts))
    kinds = text_kinds(Localizer("own", sums, USED.control), tmp_path)
    assert {(k.source, k.condition) for k in kinds if k.own} == {
        ("own", "sums"),
        ("own", "nonword"),
        ("multiple-demand", "hard"),
    }


def test_a_localizer_of_the_list_is_not_read_twice(tmp_path: Path) -> None:
    hard, easy = (
        next(kind.texts for kind in text_kinds(USED, tmp_path) if kind.condition == name)
        for name in ("hard", "easy")
    )
    kinds = text_kinds(Localizer("multiple-demand:difficulty", hard, easy), tmp_path)
    names = [(kind.source, kind.condition) for kind in kinds]
    assert len(names) == len(set(names))
    assert names[:2] == [("multiple-demand", "hard"), ("multiple-demand", "easy")]
    assert len(kinds[0].texts) == 100


def test_a_kind_that_the_tokenizer_does_not_know_is_left_out(
    model: LanguageModel, found: SelectivityMap
) -> None:
    model = replace(model, tokenizer=deepcopy(model.tokenizer))
    model.tokenizer.unk_token = "x"
    strange = tuple(Text(f"x{i}", "strange", "xxxx"[: i + 1]) for i in range(4))
    mine = TextKind("words", "sentence", USED.target, own=True)
    kinds = [mine, TextKind("far", "strange", strange, own=False)]
    table = profile(model, kinds, [top_percent(found, 10)], found)
    assert table["set"].tolist() == ["words"]


def test_a_text_is_cut_where_the_model_reads_no_more_and_by_the_papers_protocol(
    model: LanguageModel, found: SelectivityMap
) -> None:
    long = TextKind("long", "long", (Text("a", "long", "the old farmer " * 200),), own=False)
    for protocol, tokens in (("full", model.context), ("paper", 12)):
        table = profile(model, [long], [top_percent(found, 10)], found, protocol=protocol)
        assert table["tokens"].tolist() == [tokens]


def test_an_answer_that_is_not_finite_is_named(make_model: ModelMaker) -> None:
    model = make_model("gpt2")
    found = localize(model, USED, find_sites(model))
    weight = model.module.get_submodule(f"{found.sites[-1].module}.mlp.c_proj").weight
    saved = weight.clone()
    kind = TextKind("words", "sentence", USED.target, own=True)
    try:
        with torch.no_grad():
            weight.fill_(float("nan"))
        with pytest.raises(DataError, match=r"^s0: .*NaN"):
            profile(model, [kind], [top_percent(found, 10)], found)
    finally:
        with torch.no_grad():
            weight.copy_(saved)
