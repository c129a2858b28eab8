"""Recording: moments, groups and padding, and that reading changes nothing."""

from __future__ import annotations

import gc
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from scipy import stats
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef

from common import Site, Survey, record, welch
from common.base.errors import DataError, SettingError, SiteError
from common.measure.record import Recorder
from tests.common.measure.hooked import (
    BLOCKS,
    FIRST,
    images,
    plain,
    small,
)
from vision_loc.localize import find_sites, localize
from vision_loc.models import load_model
from vision_loc.stimuli import Localizer, localizer

# --- record: the numbers ---


@pytest.mark.parametrize("statistic", ["signed", "magnitude"])
@pytest.mark.parametrize(
    ("unit", "pooling"), [("channel", "mean"), ("channel", "max"), ("neuron", None)]
)
def test_moments_and_t_are_those_of_the_plain_activations(statistic, unit, pooling) -> None:
    model, pixels = small(torch.float64), images(24, torch.float64)
    group = np.arange(24) % 3 == 0
    with record(model, BLOCKS, unit=unit, pooling=pooling, statistic=statistic) as recorder:
        for start in range(0, 24, 7):
            recorder.expect(group[start : start + 7].astype(int))
            model(pixels[start : start + 7])
    found = welch(recorder.group(1), recorder.group(0), statistic=statistic, unit=unit)
    for site in BLOCKS:
        raw = plain(model, site.module, pixels)
        units = {"mean": raw.mean((2, 3)), "max": raw.amax((2, 3)), None: raw.flatten(1)}[pooling]
        values = (units if statistic == "signed" else units.abs()).numpy()
        level = raw.flatten(1) if unit == "neuron" else raw.mean((2, 3))
        moments = recorder.moments[site]
        assert moments.count == 24
        np.testing.assert_allclose(moments.mean, values.mean(0), rtol=1e-10)
        np.testing.assert_allclose(moments.variance, values.var(0, ddof=1), rtol=1e-10)
        np.testing.assert_allclose(moments.output, level.mean(0), rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(moments.magnitude, units.abs().mean(0), rtol=1e-10)
        right = stats.ttest_ind(values[group], values[~group], equal_var=False)
        np.testing.assert_allclose(found.at(site, "t").ravel(), right.statistic, rtol=1e-10)
        np.testing.assert_allclose(found.at(site, "p").ravel(), right.pvalue, rtol=1e-10)


def test_the_input_of_a_module_is_recorded_as_it_comes() -> None:
    model, pixels = small(torch.float64), images(5, torch.float64)
    place = Site("block2", "input", shape=(6, 8, 8))
    with record(model, [place], statistic="signed") as recorder:
        model(pixels)
    expected = plain(model, "trap", pixels).mean((2, 3)).mean(0)
    np.testing.assert_allclose(recorder.moments[place].mean, expected, rtol=1e-10)


def t_of(order: np.ndarray, batch_size: int) -> np.ndarray:
    model, pixels = small(), images(130)
    groups = (np.arange(130) >= 50).astype(int)
    pixels[:50] += 0.2
    with record(model, BLOCKS) as recorder:
        for start in range(0, 130, batch_size):
            batch = order[start : start + batch_size]
            recorder.expect(groups[batch])
            model(pixels[torch.from_numpy(batch)])
    return welch(recorder.group(0), recorder.group(1)).t


def test_t_depends_on_neither_batch_size_nor_order() -> None:
    in_order, shuffled = np.arange(130), np.random.default_rng(0).permutation(130)
    reference = t_of(in_order, 64)
    assert np.abs(reference).max() > 2
    for order in (in_order, shuffled):
        for batch_size in (1, 7, 64):
            np.testing.assert_allclose(t_of(order, batch_size), reference, rtol=0, atol=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "max", "cls"])
def test_a_localizer_depends_on_neither_batch_size_nor_order(pooling: str) -> None:
    model = load_model("phantom/planted")
    where = find_sites(model)
    shown = localizer("phantom-planted")
    few = Localizer("few", shown.target[:20], shown.control[:20])
    turned = Localizer("turned", few.target[::-1], few.control[::-1])
    show = partial(localize, model, sites=where, pooling=pooling)
    reference = show(few, batch_size=64)
    for other in (show(few, batch_size=1), show(few, batch_size=7), show(turned, batch_size=7)):
        np.testing.assert_allclose(other.t, reference.t, rtol=1e-6, atol=1e-6)
        assert (other.n_target, other.n_control) == (20, 20)


# --- record: groups ---


def test_each_stimulus_goes_into_its_own_group() -> None:
    model, pixels = small(torch.float64), images(6, torch.float64)
    with record(model, [FIRST], statistic="signed") as recorder:
        recorder.expect([5, 2, 5])
        model(pixels[:3])
        recorder.expect([2, 2, 2])
        model(pixels[3:])
    pooled = plain(model, "block1", pixels).mean((2, 3)).numpy()
    for group, members in ((5, [0, 2]), (2, [1, 3, 4, 5])):
        moments = recorder.group(group)[FIRST]
        assert moments.count == len(members)
        np.testing.assert_allclose(moments.mean, pooled[members].mean(0), rtol=1e-10)
    assert recorder.moments[FIRST].count == 6
    assert recorder.group(0) == {}


def test_what_is_not_announced_goes_into_group_0() -> None:
    model = small()
    with record(model, [FIRST]) as recorder:
        recorder.expect([1, 1])
        model(images(2))
        model(images(3))
    assert recorder.group(1)[FIRST].count == 2
    assert recorder.group(0)[FIRST].count == 3


def test_an_announcement_of_another_length_is_an_error() -> None:
    model = small()
    with record(model, [FIRST]) as recorder:
        recorder.expect([0, 1, 1])
        with pytest.raises(SiteError, match="block1:output: gave 2 stimuli where 3 were announced"):
            model(images(2))


def test_an_announcement_does_not_outlive_a_pass_that_failed() -> None:
    model = small()
    with record(model, [FIRST]) as recorder:
        recorder.expect([1, 1])
        model.trap.armed = True
        with pytest.raises(RuntimeError, match="trap"):
            model(images(2))
        model.trap.armed = False
        model(images(2))
    assert recorder.group(1) == {}
    assert recorder.group(0)[FIRST].count == 2


def test_padding_is_left_out_of_the_moments() -> None:
    model = nn.Sequential(nn.Linear(3, 4, dtype=torch.float64)).requires_grad_(False)
    place = Site("0", axis=2, shape=(5, 4))
    words = torch.randn(2, 5, 3, dtype=torch.float64)
    tokens = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 0, 0, 0]])
    with record(model, [place], statistic="signed", pooling="last") as recorder:
        recorder.expect([0, 1], tokens)
        model(words)
    out = model(words)
    np.testing.assert_allclose(recorder.group(0)[place].mean, out[0, 4], rtol=1e-10)
    np.testing.assert_allclose(recorder.group(1)[place].mean, out[1, 1], rtol=1e-10)
    np.testing.assert_allclose(recorder.group(0)[place].output, out[0, 2:].mean(0), rtol=1e-10)
    np.testing.assert_allclose(recorder.group(1)[place].output, out[1, :2].mean(0), rtol=1e-10)


def test_a_stimulus_that_is_all_padding_is_an_error() -> None:
    recorder = Recorder([Site("0", axis=2, shape=(5, 4))])
    tokens = torch.tensor([[1, 1, 0, 0, 0], [0, 0, 0, 0, 0]])
    with pytest.raises(DataError, match="b: nothing but padding"):
        recorder.expect([0, 0], tokens, ["a", "b"])


def test_a_recorder_that_saw_nothing_says_so() -> None:
    with record(small(), [FIRST]) as recorder:
        pass
    with pytest.raises(DataError, match="nothing was recorded"):
        _ = recorder.moments


@pytest.mark.parametrize("settings", [{"statistic": "median"}, {"unit": "pixel"}])
def test_a_setting_that_does_not_exist_is_an_error(settings: dict[str, Any]) -> None:
    with (
        pytest.raises(SettingError, match=next(iter(settings.values()))),
        record(small(), [FIRST], **settings),
    ):
        pass


# --- reading changes nothing ---

FAMILIES: dict[str, Callable[[], nn.Module]] = {
    **{
        name: partial(timm.create_model, name)
        for name in ("test_resnet", "test_vit", "test_convnext", "test_efficientnet")
    },
    "test_vit4": partial(timm.create_model, "test_vit4"),
    "resnet18": torchvision.models.resnet18,
    "mobilenet_v3_small": torchvision.models.mobilenet_v3_small,
    "phantom/planted": lambda: load_model("phantom/planted").module,
}


@pytest.mark.parametrize("guard", [torch.no_grad, torch.inference_mode, torch.enable_grad])
@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_bit_identical_under_recording(family: str, guard: Callable) -> None:
    torch.manual_seed(0)
    model = FAMILIES[family]().eval()
    pixels = torch.randn(2, 3, 64, 64)
    survey = Survey(model, pixels[:1])
    everywhere = [*survey.offered("op"), *survey.offered("block"), *survey.offered("mlp_hidden")]
    with guard():
        intact = model(pixels)
        with record(model, everywhere) as recorder:
            under = model(pixels)
        assert torch.equal(under, intact)
        assert torch.equal(model(pixels), intact)
    assert all(moments.count == 2 for moments in recorder.moments.values())


def test_gradients_flow_through_a_recorded_pass() -> None:
    model = small().requires_grad_(True)
    with record(model, BLOCKS):
        model(images(2)).sum().backward()
    assert all(p.grad is not None for p in model.block1.parameters())


# --- memory ---


def held_after(n_batches: int) -> tuple[int, int]:
    """Number of batches whose activations still live, and the size of what the recorder keeps."""
    model, outputs = small(), []
    with torch.inference_mode(), record(model, BLOCKS, unit="neuron") as recorder:
        model.block1.register_forward_hook(
            lambda _m, _i, out: outputs.append(StorageWeakRef(out.untyped_storage()))
        )
        for number in range(n_batches):
            recorder.expect([number % 2] * 4, names=["a.jpg"] * 4)
            model(images(4))
        gc.collect()
        assert len(outputs) == n_batches
        return sum(not out.expired() for out in outputs), len(pickle.dumps(vars(recorder)))


def test_memory_does_not_grow_with_the_number_of_batches() -> None:
    alive, size = held_after(3)
    assert alive == 0
    assert held_after(30) == (0, size)
