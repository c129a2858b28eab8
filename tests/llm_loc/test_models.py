"""Loading, tokens, batches; and that reading a model leaves it as it was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from common.base.errors import DataError, ModelError
from common.measure.record import record
from common.measure.sites import KINDS
from llm_loc.load import load_model
from llm_loc.localize import find_sites, survey_of
from tests.llm_loc.conftest import CONTEXT, SENTENCES, ModelMaker, hooks_of

CAUSAL = ("llama", "gpt2")


@pytest.mark.parametrize("kind", CAUSAL)
def test_every_kind_of_site_is_found_under_the_whole_models_paths(
    kind: str, make_model: ModelMaker
) -> None:
    model = make_model(kind)
    paths = dict(model.module.named_modules())
    n_blocks = {"llama": 3, "gpt2": 2}[kind]
    survey = survey_of(model)
    for each in KINDS:
        sites = survey.of_kind(each)
        assert all(site.module in paths and site.module.startswith(model.through) for site in sites)
        if each != "op":
            assert len(sites) == n_blocks
        assert all(site.axis == 2 for site in sites)
    assert "lm_head" in survey.left_out


@pytest.mark.parametrize("kind", CAUSAL)
def test_recording_leaves_logits_bit_identical_and_no_hook(
    kind: str, make_model: ModelMaker
) -> None:
    model = make_model(kind)
    batch = model.batch(model.tokens(SENTENCES))
    sites = [site for each in KINDS for site in find_sites(model, each)]
    sites = list(dict.fromkeys(sites))
    before = model.logits(batch)
    with record(model.module, sites, pooling="last") as recorder:
        recorder.expect([0] * len(SENTENCES), batch["attention_mask"])
        during = model.logits(batch)
    assert torch.equal(before, during)
    assert hooks_of(model.module) == 0


def test_a_pass_of_the_base_is_a_batch_and_computes_no_vocabulary(make_model: ModelMaker) -> None:
    model = make_model()
    asked: list[int] = []
    handle = model.module.lm_head.register_forward_hook(lambda *_: asked.append(1))  # type: ignore[union-attr]
    batch = model.batch(model.tokens(SENTENCES))
    sites = find_sites(model)
    with record(model.module, sites, pooling="last", through=model.through) as recorder:
        recorder.expect([0] * len(SENTENCES), batch["attention_mask"])
        model.base(**batch, **model.quiet)
    handle.remove()
    assert not asked
    assert recorder.moments[sites[0]].count == len(SENTENCES)


def test_a_model_without_a_pad_token_keeps_having_none(make_model: ModelMaker) -> None:
    model = make_model("gpt2", pad=False)
    batch = model.batch(model.tokens(SENTENCES), "left")
    assert model.tokenizer.pad_token is None
    assert batch["attention_mask"].sum() < batch["attention_mask"].numel()


@pytest.mark.parametrize("kind", CAUSAL)
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side_changes_no_logit_of_a_real_token(
    kind: str, side: str, make_model: ModelMaker
) -> None:
    model = make_model(kind)
    ids = model.tokens(SENTENCES)
    batch = model.batch(ids, side)  # type: ignore[arg-type]
    together = model.logits(batch)
    for row, text in enumerate(ids):
        alone = model.logits(model.batch([text]))[0]
        torch.testing.assert_close(
            together[row][batch["attention_mask"][row].bool()], alone, atol=1e-5, rtol=1e-5
        )


def test_random_weights_follow_their_seed(folder_of: Callable[..., Path]) -> None:
    name = f"local/{folder_of()}"
    prints = [
        load_model(name, untrained=True, seed=seed).describe()["fingerprint"] for seed in (0, 0, 1)
    ]
    assert prints[0] == prints[1] != prints[2]
    assert load_model(name).describe()["fingerprint"] not in prints


def test_the_tokenizer_is_part_of_what_a_model_is(folder_of: Callable[..., Path]) -> None:
    one, two = (load_model(f"local/{folder_of('gpt2', bos=bos)}") for bos in (True, False))
    assert one.describe()["fingerprint"] == two.describe()["fingerprint"]
    assert one.describe()["preprocessing"] != two.describe()["preprocessing"]


def test_the_configuration_is_part_of_what_a_model_is(
    folder_of: Callable[..., Path], tmp_path: Path
) -> None:
    """The same weights with another norm are another model; who wrote them down makes none."""

    def described(**changed: object) -> tuple[object, object]:
        folder = tmp_path / str(changed)
        shutil.copytree(folder_of(), folder)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **changed}))
        told = load_model(f"local/{folder}").describe()
        return told["fingerprint"], told["config"]

    weights, config = described()
    assert described(rms_norm_eps=0.1)[0] == weights
    assert described(transformers_version="1.2.3", use_cache=False) == (weights, config)
    assert len({config, described(rms_norm_eps=0.2)[1], described(hidden_act="relu")[1]}) == 3
    assert "config" not in load_model("phantom/lm").describe()  # a part of the program


def test_a_tokenizer_that_just_cut_a_text_is_the_same_one(folder_of: Callable[..., Path]) -> None:
    model = load_model(f"local/{folder_of()}")
    before = model.describe()
    model.tokens(SENTENCES, longest=3)
    assert model.describe() == before


def test_an_encoder_is_localized_and_not_evaluated(make_model: ModelMaker) -> None:
    model = make_model("bert")
    assert len(find_sites(model)) == 3
    with pytest.raises(ModelError, match="is an encoder"):
        model.logits(model.batch(model.tokens(["birds sing"])))


def test_texts_that_do_not_fit_are_named(make_model: ModelMaker) -> None:
    with pytest.raises(DataError, match=f"reads {CONTEXT} at most"):
        make_model().tokens(["birds sing " * CONTEXT])
    with pytest.raises(DataError, match="no token"):
        make_model("llama", bos=False).tokens([""])


def test_half_floats_leave_rotary_positions_as_they_are(folder_of: Callable[..., Path]) -> None:
    model = load_model(f"local/{folder_of()}", dtype=torch.bfloat16)
    assert model.dtype == torch.bfloat16
    assert model.base.rotary_emb.inv_freq.dtype == torch.float32  # type: ignore[union-attr]
    random = load_model(f"local/{folder_of()}", dtype=torch.bfloat16, untrained=True)
    assert random.dtype == torch.bfloat16
