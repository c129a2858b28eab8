"""Integrated gradients: against the integral itself, and what a site's units have to sum to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from common import Site, ablate
from common.base.errors import SettingError
from common.measure.batch import Batch, Loss
from common.measure.contrast import contrast
from common.measure.masks import Mask
from tests.common.measure.hooked import BLOCKS, FIRST, SECOND, Shown, hooks_of, small
from tests.common.measure.test_gradient import PIXELS, N, localized, losses


def on_the_way(site: Site, share: float) -> np.ndarray:
    """Minus value times slope with the site at a share of its value; shape (N, 6)."""
    model = small()
    intact = losses(model, PIXELS)
    value = model.block1(model.stem(PIXELS))
    value = value if site == FIRST else model.block2(model.trap(value))
    moved = (value.detach() * share).requires_grad_()
    rest = moved if site == SECOND else model.block2(model.trap(moved))
    logits = model.head(rest.mean((2, 3))).double()
    loss = torch.nn.functional.cross_entropy(logits, intact.right)
    loss.mul(N).backward()
    return (-value * moved.grad).sum((2, 3)).detach().double().numpy()


def difference(effects: np.ndarray) -> np.ndarray:
    return effects[: N // 2].mean(0) - effects[N // 2 :].mean(0)


@pytest.mark.parametrize("site", BLOCKS, ids=str)
def test_it_is_the_mean_slope_on_the_way_step_by_step(site: Site) -> None:
    shares = (np.arange(5) + 0.5) / 5
    wanted = np.mean([on_the_way(site, share) for share in shares], axis=0)
    found = localized("integrated", effort=5, size=N).at(site)
    np.testing.assert_allclose(found, difference(wanted), rtol=1e-4, atol=1e-8)


def test_the_units_of_a_site_sum_to_what_the_loss_gains_without_it() -> None:
    model = small()
    found = localized("integrated", effort=48, size=N)
    intact = losses(model, PIXELS)
    for number, site in enumerate(BLOCKS):
        mask = Mask("top", 50.0, None, tuple(BLOCKS), "channel", np.arange(6) + 6 * number)
        with ablate(model, mask):
            rise = (losses(model, PIXELS, intact.right).each - intact.each).numpy()
        assert found.at(site).sum() == pytest.approx(difference(rise), abs=2e-5)


def test_of_a_loss_without_bends_one_step_is_the_gradient() -> None:
    model, stimuli = small(), [Shown(str(i), "c") for i in range(N)]

    def linear(_right: Tensor | None) -> Loss:
        return Loss(model(PIXELS)[:, 0].double())

    one, other = (
        contrast(
            model, [SECOND], stimuli[:7], stimuli[7:],
            lambda _: [Batch(np.arange(N), lambda: model(PIXELS), loss=linear)], score=score,
        ).score.value
        for score in ("integrated", "gradient")
    )  # fmt: skip
    np.testing.assert_allclose(one, other, atol=1e-8)


def test_it_does_not_depend_on_the_batch_size_and_leaves_nothing_behind() -> None:
    model = small()
    model.head.requires_grad_()
    before = hooks_of(model)
    whole, single = (localized("integrated", size, model) for size in (N, 3))
    for name, values in whole.score.arrays.items():
        np.testing.assert_allclose(single.column(name), values, rtol=1e-3, atol=1e-7)
    assert hooks_of(model) == before
    assert all(each.grad is None for each in model.parameters())
    assert model.head.weight.requires_grad
    assert whole.about["effort"] == 8
    assert single.n_target == N // 2  # the passes for it are not recorded


def test_heads_are_summed_over_their_slice() -> None:
    model, stimuli = small(), [Shown(str(i), "c") for i in range(N)]
    heads = [replace(site, width=3) for site in BLOCKS]

    def batches(_groups: np.ndarray) -> list[Batch]:
        return [
            Batch(
                np.arange(N), lambda: model(PIXELS), loss=lambda right: losses(model, PIXELS, right)
            )
        ]

    found = contrast(model, heads, stimuli[:7], stimuli[7:], batches, score="integrated")
    channels = localized("integrated").score.value
    np.testing.assert_allclose(found.score.value, channels.reshape(4, 3).sum(1), atol=1e-7)


def test_an_effort_is_for_scores_that_have_one() -> None:
    with pytest.raises(SettingError, match="welch takes what it takes; integrated, causal"):
        localized("welch", effort=4)
