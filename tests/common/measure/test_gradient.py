"""Scores by attribution: against torch.autograd unit by unit, and whatever the batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from common import Site, ablate
from common.base.errors import DataError, ModelError, SettingError
from common.measure.contrast import Batch, Loss, contrast
from common.measure.gradient import residual
from common.measure.masks import Mask
from common.measure.scores import SelectivityMap
from tests.common.measure.hooked import BLOCKS, FIRST, SECOND, Shown, Small, hooks_of, images, small

N = 14
PIXELS = images(N)


def losses(model: nn.Module, pixels: Tensor, right: Tensor | None = None) -> Loss:
    logits = model(pixels).double()
    right = logits.detach().argmax(1) if right is None else right
    return Loss(cross_entropy(logits, right, reduction="none"), right)


def localized(
    score: str = "gradient", size: int = 5, model: nn.Module | None = None, **how
) -> SelectivityMap:
    net = small() if model is None else model
    stimuli = [Shown(f"s{i}", "one" if i < N // 2 else "two") for i in range(N)]

    def batches(_groups: np.ndarray) -> Iterator[Batch]:
        for start in range(0, N, size):
            where = np.arange(start, min(start + size, N))
            shown = PIXELS[where]
            yield Batch(
                where,
                lambda shown=shown: net(shown),
                loss=lambda right, shown=shown: losses(net, shown, right),
            )

    half = N // 2
    return contrast(net, BLOCKS, stimuli[:half], stimuli[half:], batches, score=score, **how)


def slopes(model: Small, pixels: Tensor) -> dict[Site, tuple[Tensor, Tensor]]:
    """Activation and gradient of each stimulus at both blocks, stage by stage and by autograd."""
    rows: dict[Site, list[tuple[Tensor, Tensor]]] = {site: [] for site in BLOCKS}
    for pixel in pixels:
        one = model.block1(model.stem(pixel[None])).detach().requires_grad_()
        two = model.block2(model.trap(one))
        logits = model.head(two.mean((2, 3))).double()
        loss = cross_entropy(logits, logits.argmax(1))
        for site, where in ((FIRST, one), (SECOND, two)):
            (slope,) = torch.autograd.grad(loss, where, retain_graph=True)
            rows[site].append((where.detach()[0], slope[0]))
    return {site: tuple(map(torch.stack, zip(*each, strict=True))) for site, each in rows.items()}


def by_hand(replacement: np.ndarray | float = 0.0, unit: str = "channel") -> np.ndarray:
    """The first-order effect of every stimulus and unit, unit by unit; shape (N, n_units)."""
    fill = np.broadcast_to(replacement, 12)
    columns = []
    for number, (value, slope) in enumerate(slopes(small(), PIXELS).values()):
        if unit == "neuron":
            columns += [*(-value * slope).flatten(1).T]
            continue
        for channel in range(6):
            moved = fill[6 * number + channel] - value[:, channel]
            columns.append((moved * slope[:, channel]).sum((1, 2)))
    return torch.stack(columns, dim=1).double().numpy()


def differences(effects: np.ndarray) -> np.ndarray:
    return effects[: N // 2].mean(0) - effects[N // 2 :].mean(0)


def test_the_score_is_that_of_autograd_unit_by_unit() -> None:
    found, wanted = localized(), by_hand()
    np.testing.assert_allclose(found.score.value, differences(wanted), rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(found.column("dL_target"), wanted[:7].mean(0), rtol=1e-4, atol=1e-9)
    test = stats.ttest_ind(wanted[:7], wanted[7:], equal_var=False)
    np.testing.assert_allclose(found.t, test.statistic, rtol=1e-3)
    np.testing.assert_allclose(found.p, test.pvalue, rtol=1e-3)
    np.testing.assert_allclose(
        found.q, stats.false_discovery_control(test.pvalue, method="bh"), rtol=1e-3
    )


def test_specific_is_what_least_squares_leave() -> None:
    wanted = by_hand()
    one, two = wanted[:7].mean(0), wanted[7:].mean(0)
    line = stats.linregress(two, one)
    left = one - line.slope * two - line.intercept
    for score in ("gradient", "gradient-specific"):
        found = localized(score)
        np.testing.assert_allclose(found.column("specific"), left, rtol=1e-3, atol=1e-8)
    assert found.ranking[0] == left.argmax()
    assert found.score.q is None
    np.testing.assert_allclose(residual(one, np.ones(12)), one - one.mean())  # nothing in common


def test_the_mean_of_the_control_may_replace_a_unit() -> None:
    found = localized("gradient-mean")
    wanted = by_hand(found.output_control)
    np.testing.assert_allclose(found.score.value, differences(wanted), rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(localized().column("dL_mean"), found.score.value)


def test_neurons_have_an_effect_each() -> None:
    found = localized(unit="neuron")
    wanted = differences(by_hand(unit="neuron"))
    np.testing.assert_allclose(found.score.value, wanted, rtol=1e-3, atol=1e-9)


def test_heads_have_the_effect_of_their_slice() -> None:
    heads = [replace(site, width=2) for site in BLOCKS]
    model, stimuli = small(), [Shown(str(i), "c") for i in range(N)]

    def batches(_groups: np.ndarray) -> Iterator[Batch]:
        yield Batch(np.arange(N), lambda: None, loss=lambda right: losses(model, PIXELS, right))

    def found(score: str) -> SelectivityMap:
        return contrast(model, heads, stimuli[:7], stimuli[7:], batches, score=score)

    slices = by_hand().reshape(N, 6, 2).sum(2)
    np.testing.assert_allclose(
        found("gradient").score.value, differences(slices), rtol=1e-4, atol=1e-9
    )
    assert "dL_mean" not in found("gradient").score.columns
    with pytest.raises(SettingError, match="a head is a slice of channels"):
        found("gradient-mean")


@pytest.mark.parametrize("score", ["gradient", "gradient-specific", "gradient-mean"])
def test_it_does_not_depend_on_the_batch_size_and_leaves_nothing_behind(score: str) -> None:
    model = small()
    model.head.requires_grad_()
    before = hooks_of(model)
    whole, single = localized(score, N, model), localized(score, 1, model)
    for name, values in whole.score.arrays.items():
        np.testing.assert_allclose(single.column(name), values, rtol=1e-3, atol=1e-8)
    assert hooks_of(model) == before
    assert all(each.grad is None for each in model.parameters())
    learning = {name for name, each in model.named_parameters() if each.requires_grad}
    assert learning == {"head.weight", "head.bias"}


def test_a_batch_that_runs_out_of_memory_counts_once() -> None:
    model, stimuli, tries = small(), [Shown(str(i), "c") for i in range(N)], []

    def batch(where: np.ndarray) -> Batch:
        def loss(right: Tensor | None) -> Loss:
            found = losses(model, PIXELS[where], right)
            tries.append(len(where))
            if len(where) > 3:
                raise torch.OutOfMemoryError("out of memory")  # behind the recorder's last site
            return found

        return Batch(where, lambda: None, part=lambda which: batch(where[which]), loss=loss)

    found = contrast(
        model, BLOCKS, stimuli[:7], stimuli[7:], lambda _: [batch(np.arange(N))], score="gradient"
    )
    assert tries[:3] == [14, 7, 3]
    assert (found.n_target, found.n_control) == (7, 7)
    np.testing.assert_allclose(found.magnitude, localized().magnitude, rtol=1e-5)
    np.testing.assert_allclose(found.score.value, localized().score.value, rtol=1e-3, atol=1e-9)


def test_other_columns_are_those_of_every_map() -> None:
    found, plain = localized(), localized("welch")
    for name in ("mean_target", "mean_control", "output_control", "magnitude"):
        np.testing.assert_allclose(found.column(name), plain.column(name), rtol=1e-5)


def test_of_a_model_without_bends_it_is_the_true_effect() -> None:
    """Of a loss that is linear in a site, first order is all there is."""
    model = small()

    def linear(_right: Tensor | None) -> Loss:
        return Loss(model(PIXELS)[:, 0].double())

    stimuli = [Shown(str(i), "c") for i in range(N)]
    found = contrast(
        model, [SECOND], stimuli[:7], stimuli[7:],
        lambda _: [Batch(np.arange(N), lambda: None, loss=linear)], score="gradient",
    )  # fmt: skip
    intact = linear(None).each
    for unit in range(6):
        mask = Mask("top", 1.0, None, (SECOND,), "channel", np.array([unit]))
        with ablate(model, mask):
            rise = (linear(None).each - intact).numpy()
        assert found.score.value[unit] == pytest.approx(rise[:7].mean() - rise[7:].mean(), abs=1e-6)


def test_it_comes_back_from_its_file(tmp_path: Path) -> None:
    found = localized()
    found.save(tmp_path / "map")
    again = SelectivityMap.load(tmp_path / "map")
    assert again.score.name == "gradient"
    assert again.fingerprint == found.fingerprint
    np.testing.assert_array_equal(again.column("specific"), found.column("specific"))


# --- what cannot be scored so ---


def test_stimuli_without_a_loss_are_refused() -> None:
    model, stimuli = small(), [Shown(str(i), "c") for i in range(4)]

    def batches(_groups: np.ndarray) -> list[Batch]:
        return [Batch(np.arange(8), lambda: model(PIXELS[:8]))]

    with pytest.raises(SettingError, match="`score` gradient: needs a loss"):
        contrast(model, BLOCKS, stimuli, stimuli, batches, score="gradient")


class Closed(Small):
    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return super().forward(x)


def test_a_model_that_keeps_gradients_out_is_refused() -> None:
    model = Closed().eval()
    with pytest.raises(ModelError, match="operations that have a gradient"):
        localized(model=model)
    assert not model.stem._forward_hooks


def test_a_gradient_that_is_not_finite_names_its_site() -> None:
    model, stimuli = small(), [Shown(str(i), "c") for i in range(4)]

    def broken(_right: Tensor | None) -> Loss:
        return Loss(model(PIXELS[:8]).double().sum(1) * torch.inf)

    batches = [Batch(np.arange(8), lambda: None, loss=broken)]
    with pytest.raises(DataError, match="block1:output: gradients of the loss are NaN"):
        contrast(model, BLOCKS, stimuli, stimuli, lambda _: batches, score="gradient")
