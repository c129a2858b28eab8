"""Scores by the loss of texts: against transformers' own loss and autograd, text by text."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch

from common import ablate
from common.base.errors import DataError, ModelError
from common.measure.masks import Mask
from common.measure.probe import gather
from common.measure.rules import Watching
from common.measure.scores import SelectivityMap
from common.measure.sinks import FIRST
from llm_loc.localize import find_sites, localize, own_loss, read, tokenized
from llm_loc.models import LanguageModel
from tests.llm_loc.conftest import ModelMaker
from tests.llm_loc.test_localize import STIMULI

N = len(STIMULI.target)


def by_hand(model: LanguageModel, path: str) -> tuple[np.ndarray, list[float]]:
    """First-order effect of zero of every text and channel, and each text's loss."""
    kept: list[torch.Tensor] = []

    def keep(_module, _args, out):
        value = out[0] if isinstance(out, tuple) else out
        value.requires_grad_() if value.is_leaf else value.retain_grad()
        kept.append(value)

    handle = model.module.get_submodule(path).register_forward_hook(keep)
    rows, told = [], []
    for ids in tokenized(model, STIMULI):
        row = torch.tensor([ids])
        loss = model.module(input_ids=row, labels=row, use_cache=False).loss
        loss.backward()
        value = kept.pop()
        rows.append((-value * value.grad)[0].sum(0).detach().double().numpy())
        told.append(loss.item())
    handle.remove()
    return np.stack(rows), told


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_gradient_is_that_of_the_models_own_loss(kind: str, make_model: ModelMaker) -> None:
    model = make_model(kind)
    sites = find_sites(model)
    effects, told = by_hand(model, sites[1].module)
    found = localize(model, STIMULI, sites, score="gradient", batch_size=4)
    wanted = effects[:N].mean(0) - effects[N:].mean(0)
    np.testing.assert_allclose(found.at(sites[1]), wanted, rtol=2e-3, atol=1e-6)
    for ids, nats in zip(tokenized(model, STIMULI), told, strict=True):
        with torch.no_grad():
            assert own_loss(model, model.batch([ids])).each.item() == pytest.approx(nats, abs=1e-5)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.module.modules())


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_neither_batches_nor_padding_count(kind: str, make_model: ModelMaker) -> None:
    model = make_model(kind)
    sites = find_sites(model)

    def found(size: int, side: str) -> SelectivityMap:
        return localize(model, STIMULI, sites, score="gradient", batch_size=size, padding=side)

    one = found(1, "right")
    for size, side in ((16, "right"), (7, "left")):
        for name, values in found(size, side).score.arrays.items():
            if name not in ("t", "p", "q"):  # these divide by what may be rounding
                np.testing.assert_allclose(one.column(name), values, rtol=1e-3, atol=1e-5)


def test_the_mean_is_another_one_at_the_first_token(make_model: ModelMaker) -> None:
    model = make_model()
    (site,) = find_sites(model, pattern="model.layers.1")
    found = localize(model, STIMULI, [site], score="gradient-mean")
    seen: list[torch.Tensor] = []

    def keep(_module, _args, out):
        out.requires_grad_() if out.is_leaf else out.retain_grad()
        seen.append(out)

    handle = model.module.get_submodule(site.module).register_forward_hook(keep)
    effects = []
    for ids in tokenized(model, STIMULI):
        row = torch.tensor([ids])
        model.module(input_ids=row, labels=row, use_cache=False).loss.backward()
        value = seen.pop()
        fill = torch.from_numpy(found.output_control).repeat(value.shape[1], 1)
        fill[0] = torch.from_numpy(found.output_first)
        effects.append(((fill - value[0]) * value.grad[0]).sum(0).detach().numpy())
    handle.remove()
    wanted = np.mean(effects[:N], axis=0) - np.mean(effects[N:], axis=0)
    np.testing.assert_allclose(found.score.value, wanted, rtol=2e-3, atol=1e-6)


def test_an_encoder_has_no_loss(make_model: ModelMaker) -> None:
    model = make_model("bert")
    with pytest.raises(ModelError, match="is an encoder, which predicts no next token"):
        localize(model, STIMULI, find_sites(model), score="gradient")


def test_a_text_of_one_token_has_no_loss(make_model: ModelMaker) -> None:
    model = make_model()
    with pytest.raises(DataError, match="one token, so there is no next one"):
        own_loss(model, model.batch([[3, 4], [3]]))


def test_causal_is_what_each_unit_costs_by_the_models_own_loss(make_model: ModelMaker) -> None:
    model = make_model()
    sites = find_sites(model, pattern="model.layers.1,model.layers.2")
    found = localize(model, STIMULI, sites, score="causal", batch_size=7)

    def nats(mask: Mask | None) -> np.ndarray:
        told = []
        for ids in tokenized(model, STIMULI):
            row = torch.tensor([ids])
            with torch.no_grad(), nullcontext() if mask is None else ablate(model.module, mask):
                told.append(model.module(input_ids=row, labels=row, use_cache=False).loss.item())
        return np.array(told)

    intact = nats(None)
    for unit in (0, 5, 16, 31):
        rise = nats(Mask("top", 1.0, None, tuple(sites), "channel", np.array([unit]))) - intact
        assert found.score.value[unit] == pytest.approx(rise[:N].mean() - rise[N:].mean(), abs=2e-6)


def test_probes_read_texts_as_the_map_does(make_model: ModelMaker) -> None:
    model = make_model()
    sites = find_sites(model)
    found = localize(model, STIMULI, sites, score="probe", pooling="mean")
    where = Watching(
        model.module, sites, "channel", "mean", left_out=FIRST, groups=np.zeros(2 * N),
        batches=lambda: read(model, tokenized(model, STIMULI), "full", 7),
    )  # fmt: skip
    for site, values in gather(where, sites).items():
        means = found.by_site("mean_target")[site], found.by_site("mean_control")[site]
        np.testing.assert_allclose(values[:N].mean(0), means[0], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(values[N:].mean(0), means[1], rtol=1e-4, atol=1e-6)
