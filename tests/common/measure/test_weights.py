"""Weights as units: scored against a plain loop, chosen by name, masked and matched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from common import SelectivityMap, control, load_masks, save_masks, top_percent
from common.base.errors import DataError, MaskError, ModelError, SettingError, SiteError
from common.measure import weight_map
from common.measure.contrast import Batch, Loss, contrast
from common.measure.contrasts import Sides, contrasts
from common.measure.control_rules import parse_controls, plan_masks
from common.measure.matching import CALIPER, PARTS, matched_part
from common.measure.saliency import Saliencies
from common.measure.sites import WEIGHT, Site
from common.measure.weights import parameters_of, weight_sites
from tests.common.measure.hooked import BLOCKS, Shown, Small, Tied, images, small

N = 14
PIXELS = images(N)


STIMULI = [Shown(f"s{i}", "one" if i < N // 2 else "two") for i in range(N)]
EVERY = [Sides(STIMULI[: N // 2], STIMULI[N // 2 :], np.arange(N))]


def batch(net: nn.Module, where: np.ndarray) -> Batch:
    shown = PIXELS[where]

    def loss(right: Tensor | None) -> Loss:
        logits = net(shown).double()
        right = logits.detach().argmax(1) if right is None else right
        return Loss(cross_entropy(logits, right, reduction="none"), right)

    return Batch(where, lambda: net(shown), part=lambda which: batch(net, where[which]), loss=loss)


def scored(
    net: nn.Module | None = None, size: int = 5, score: str = "saliency", pattern: str = "*:all"
) -> SelectivityMap:
    model = small() if net is None else net

    def batches(_places: np.ndarray, _groups: np.ndarray) -> Iterator[Batch]:
        for start in range(0, N, size):
            yield batch(model, np.arange(start, min(start + size, N)))

    sites = weight_sites(model, pattern)
    (found,) = contrasts(model, sites, EVERY, batches, score=score, percents=(5.0,))
    return found


@pytest.fixture(scope="module")
def found() -> SelectivityMap:
    return scored()


def by_hand() -> tuple[np.ndarray, np.ndarray]:
    """|weight · gradient| of each stimulus, by a plain loop over stimuli and parameters."""
    net = small().requires_grad_(True)
    rows = []
    for pixel in PIXELS:
        net.zero_grad()
        logits = net(pixel[None]).double()
        cross_entropy(logits, logits.argmax(1)).backward()
        slopes = [p.grad if p.grad is not None else torch.zeros_like(p) for p in net.parameters()]
        rows.append(
            np.concatenate(
                [
                    np.array([abs(w * g) for w, g in zip(*pair, strict=True)])
                    for pair in (
                        (p.detach().flatten().tolist(), slope.flatten().tolist())
                        for p, slope in zip(net.parameters(), slopes, strict=True)
                    )
                ]
            )
        )
    half = N // 2
    return np.mean(rows[:half], axis=0), np.mean(rows[half:], axis=0)


# --- the score ---


def test_the_score_is_that_of_a_plain_loop(found: SelectivityMap) -> None:
    one, two = by_hand()
    np.testing.assert_allclose(found.mean_target, one, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(found.mean_control, two, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(found.score.value, one - two, rtol=1e-4, atol=1e-8)
    own = scored(score="saliency-specific").score.value
    slope, level = np.polyfit(two, one, 1)
    np.testing.assert_allclose(own, one - slope * two - level, rtol=1e-3, atol=1e-8)
    sizes = np.concatenate([p.flatten().abs().numpy() for p in small().parameters()])
    assert np.array_equal(found.magnitude, sizes)


def test_batches_do_not_count_to_the_last_bit(found: SelectivityMap) -> None:
    for size in (1, N):
        other = scored(size=size)
        assert other.score.value.tobytes() == found.score.value.tobytes()
        assert other.about == found.about
        assert other.fingerprint == found.fingerprint


def test_the_absolute_value_is_taken_stimulus_by_stimulus() -> None:
    """Two stimuli that pull a weight in opposite ways both hang on it."""
    net = nn.Linear(1, 1, bias=False)
    sums = Saliencies(net, weight_sites(net, "*:all"))
    for sign in (1.0, -1.0):
        sums.add(0, sign * net(torch.ones(1, 1)).sum())
    (size,) = net.weight.detach().abs().flatten().tolist()
    assert sums.mean((0,)) == pytest.approx([size])


def test_the_model_is_left_as_it_was(found: SelectivityMap) -> None:
    net = small()
    net.head.weight.requires_grad_(True)
    scored(net)
    assert [n for n, p in net.named_parameters() if p.requires_grad] == ["head.weight"]
    assert all(p.grad is None for p in net.parameters())
    assert found.about["split_half"]["dice_chance"]["5"] == pytest.approx(0.05, abs=0.001)
    assert (found.at(found.sites[-3]) == 0).all()  # `unused`, on which no loss hangs


def test_what_cannot_be_scored_is_said() -> None:
    net = small()
    with pytest.raises(SettingError, match="`score` saliency: is of `level` parameter; at"):
        contrast(net, BLOCKS, STIMULI[:7], STIMULI[7:], lambda _: [], score="saliency")
    with pytest.raises(SettingError, match="`score` gradient: is of `level` unit; at `level` para"):
        scored(net, score="gradient")
    with pytest.raises(SettingError, match="needs stimuli one by one"):
        [*weight_map.singly(Batch(np.arange(2), lambda: None))]
    sums = Saliencies(net, weight_sites(net))
    with pytest.raises(ModelError, match="does not depend on any of these weights"):
        sums.add(0, torch.ones(()))
    with pytest.raises(DataError, match="no stimulus in one of its halves"):
        sums.mean((0,))
    net.trap.poisoned = True
    with pytest.raises(DataError, match="gradients of the loss are NaN"):
        scored(net)


def test_what_does_not_fit_is_refused_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    n = 135_000_000
    monkeypatch.setattr(weight_map, "free_memory", lambda _device: weight_map.BYTES * n)
    weight_map.check_room(n, lambda step, *_: told.append(step))
    gigabytes = f"{weight_map.BYTES * n / 1e9:.1f}"
    assert told[0].startswith(
        f"note: `level` parameter: scoring 135,000,000 weights takes about {gigabytes} GB"
    )
    with pytest.raises(SettingError, match="are free; name fewer tensors by `sites`"):
        weight_map.check_room(n + 1)


# --- which ---


def test_matrices_and_kernels_are_considered_and_the_rest_by_choice() -> None:
    def named(pattern: str | None) -> list[str]:
        return [*map(str, weight_sites(small(), pattern))]

    assert named(None)[:3] == ["stem.weight", "block1.conv1.weight", "block1.conv2.weight"]
    assert not any("bias" in name for name in named(None))
    assert named("block2.*, head") == ["block2.conv1.weight", "block2.conv2.weight", "head.weight"]
    assert named("block2.conv1:all") == ["block2.conv1.weight", "block2.conv1.bias"]
    assert named("*.bias:all") == [name for name in named("*:all") if name.endswith("bias")]
    with pytest.raises(SiteError, match="`sites` block9: no such one"):
        named("head,block9")
    with pytest.raises(SiteError, match=r"`sites` \*.bias: names no weight matrix; \*.bias:all"):
        named("*.bias")
    with pytest.raises(SiteError, match="of weights only all comes after the colon"):
        named("head:input")
    with pytest.raises(SiteError, match="the model has no weight matrix"):
        weight_sites(nn.BatchNorm2d(3))


def test_a_tied_weight_is_one_site() -> None:
    assert [*map(str, weight_sites(Tied()))] == ["first.weight", "inner.weight"]


def test_a_mask_of_another_model_is_refused(found: SelectivityMap) -> None:
    with pytest.raises(SiteError, match="no parameter of that name"):
        parameters_of(nn.Linear(2, 2), found.sites)
    with pytest.raises(SiteError, match=r"head.weight: is of shape \(4, 6\) in this model, not"):
        parameters_of(small(), [Site("head.weight", WEIGHT, shape=(4, 7))])
    with torch.device("meta"):
        away = Small()
    with pytest.raises(ModelError, match="is not in memory"):
        parameters_of(away.eval(), weight_sites(away))


# --- masks and controls ---


def test_masks_are_exactly_k_and_come_back_from_their_file(
    found: SelectivityMap, tmp_path: Path
) -> None:
    masks = plan_masks(found, [1.0, 5.0], parse_controls("random:2,layer-matched:2,bottom:1"), 0)
    sizes = {len(mask) for mask in masks if mask.rule not in PARTS}
    assert sizes == {round(found.n_units * p / 100) for p in (1, 5)}
    save_masks(tmp_path / "masks.safetensors", masks)
    again = load_masks(tmp_path / "masks.safetensors", found)
    for mask in masks:
        assert np.array_equal(again[mask.name].units, mask.units)
        chosen = np.concatenate([mask.at(site) for site in mask.sites])
        assert np.array_equal(np.flatnonzero(chosen), np.sort(mask.units))
        assert sum(mask.counts().values()) == len(mask)


def test_the_map_comes_back_from_its_file(found: SelectivityMap, tmp_path: Path) -> None:
    found.save(tmp_path / "map.safetensors")
    again = SelectivityMap.load(tmp_path / "map.safetensors")
    assert again.fingerprint == found.fingerprint
    assert again.unit == WEIGHT
    assert again.score.value.dtype == np.float32
    assert np.array_equal(again.at(again.sites[0]), found.at(found.sites[0]))


def test_controls_are_matched_by_tensor_and_by_the_size_of_the_weight(
    found: SelectivityMap,
) -> None:
    top = top_percent(found, 5.0)
    drawn = control(found, "layer-matched", 5.0, 3)
    assert drawn.counts() == top.counts()
    assert set(drawn.units.tolist()) != set(top.units.tolist())
    part = matched_part(found, top)
    assert part is not None
    like = control(found, "magnitude-matched", 5.0, 3)
    assert like.counts() == part.counts()
    for site in part.touched:
        sizes = np.log(found.at(site, "magnitude").ravel())
        own, other = (np.sort(sizes[mask.inside(site)]) for mask in (part, like))
        assert np.abs(own - other).max() <= CALIPER + 1e-6
    assert len(np.intersect1d(control(found, "bottom", 5.0).units, top.units)) == 0


def test_a_magnitude_matched_control_needs_partners(found: SelectivityMap) -> None:
    with pytest.raises(MaskError, match="no masked unit has an equally loud partner"):
        control(found, "magnitude-matched", 100.0, 0)
