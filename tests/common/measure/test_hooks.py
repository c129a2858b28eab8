"""Hooks: what is recorded, what is replaced, and that nothing is left behind."""

from __future__ import annotations

import gc
import pickle
import threading
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image
from scipy import stats
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from transformers.modeling_outputs import BaseModelOutput

from common import Mask, Site, Survey, ablate, record, sites, trace, welch
from common.base.errors import DataError, FunclocError, SettingError, SiteError
from common.measure.record import Recorder
from vision_loc.evaluate import evaluate
from vision_loc.localize import find_sites, localize
from vision_loc.models import Preprocess, VisionModel, load_model
from vision_loc.stimuli import Localizer, Picture, localizer

# --- models ---


class Trap(nn.Module):
    """Hands its input on, and raises or spoils it once it is armed."""

    armed = False
    poisoned = False

    def forward(self, x: Tensor) -> Tensor:
        if self.armed:
            raise RuntimeError("the trap went off")
        return x * torch.nan if self.poisoned else x * 1


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv2(self.relu(self.conv1(x)))
        inner += x
        return inner


class Small(nn.Module):
    """Two residual blocks, a trap between them, and a module that never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.block1 = Residual(6)
        self.trap = Trap()
        self.block2 = Residual(6)
        self.unused = nn.Linear(6, 6)
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block2(self.trap(self.block1(self.stem(x))))
        return self.head(x.mean((2, 3)))


def small(dtype: torch.dtype = torch.float32) -> Small:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Small().eval().requires_grad_(False).to(dtype)


BLOCKS = [Site(f"block{i}", kind="block", shape=(6, 8, 8)) for i in (1, 2)]
FIRST, SECOND = BLOCKS
NOWHERE = Site("block3", shape=(6, 8, 8))
SILENT = Site("unused", shape=(6,))


def images(n: int, dtype: torch.dtype = torch.float32, seed: int = 1) -> Tensor:
    return torch.randn(n, 3, 8, 8, generator=torch.Generator().manual_seed(seed)).to(dtype)


def mask_of(*places: Site, units: tuple[int, ...] = (0, 3), unit: str = "channel") -> Mask:
    """These units in each of the places."""
    width = [place.n_units(unit) for place in places]
    starts = np.cumsum([0, *width[:-1]])
    chosen = np.concatenate([start + np.array(units) for start in starts])
    return Mask("top", 1.0, None, places, unit, chosen)


@contextmanager
def watched(model: nn.Module, path: str, end: str = "output") -> Iterator[list[Tensor]]:
    """What a module really gave or took, read by a hook of the test's own."""
    seen: list[Tensor] = []
    module = model.get_submodule(path)
    if end == "output":
        handle = module.register_forward_hook(lambda _m, _i, out: seen.append(out.clone()))
    else:
        handle = module.register_forward_pre_hook(lambda _m, args: seen.append(args[0].clone()))
    try:
        yield seen
    finally:
        handle.remove()


def plain(model: nn.Module, path: str, pixels: Tensor) -> Tensor:
    with watched(model, path) as seen:
        model(pixels)
    return seen[0]


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


# --- no hook is left behind ---


def drawn(seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def vision(model: Small) -> VisionModel:
    return VisionModel("small", model, Preprocess(np.asarray, (0.5,) * 3, (0.5,) * 3), n_classes=4)


PICTURES = [Picture(str(i), "ab"[i // 4], partial(drawn, i), label=i % 4) for i in range(8)]
CONTRAST = Localizer("small", tuple(PICTURES[:4]), tuple(PICTURES[4:]))
PIXELS = np.stack([np.asarray(picture.open()).transpose(2, 0, 1) for picture in PICTURES])
LABELS = np.array([picture.label for picture in PICTURES])


def places(bad: bool) -> list[Site]:
    return [*BLOCKS, NOWHERE] if bad else BLOCKS


def run_trace(model: Small, bad: bool) -> None:
    trace(model, torch.zeros(1, 5) if bad else images(1))


def run_sites(model: Small, bad: bool) -> None:
    sites(model, "attn" if bad else "block", example=images(1))


def run_survey(model: Small, bad: bool) -> None:
    Survey(model, torch.zeros(1, 5) if bad else images(1))


def run_record(model: Small, bad: bool) -> None:
    with record(model, places(bad)):
        model(images(2))


def run_ablate(model: Small, bad: bool) -> None:
    with ablate(model, mask_of(*places(bad))):
        model(images(2))


def run_ablate_mean(model: Small, bad: bool) -> None:
    with ablate(model, mask_of(*BLOCKS), "mean", {FIRST: np.zeros(6)} if bad else MEANS):
        model(images(2))


def run_nested(model: Small, bad: bool) -> None:
    with record(model, BLOCKS), ablate(model, mask_of(FIRST)), record(model, places(bad)):
        model(images(2))


def run_localize(model: Small, bad: bool) -> None:
    localize(vision(model), CONTRAST, places(bad), batch_size=3)


def run_evaluate(model: Small, bad: bool) -> None:
    evaluate(vision(model), PIXELS, LABELS, mask_of(*places(bad)), batch_size=3)


MEANS = {site: np.arange(6.0) for site in BLOCKS}
ENTRIES = {
    "trace": run_trace,
    "sites": run_sites,
    "Survey": run_survey,
    "record": run_record,
    "ablate": run_ablate,
    "ablate by mean": run_ablate_mean,
    "nested": run_nested,
    "localize": run_localize,
    "evaluate": run_evaluate,
}


def hooks_of(model: nn.Module) -> dict[str, int]:
    """Number of entries in every table of hooks of every module, and in torch's global ones."""
    tables = {
        f"{path}.{name}": len(table)
        for path, module in model.named_modules()
        for name, table in vars(module).items()
        if "hook" in name and isinstance(table, Mapping)
    }
    shared = vars(torch.nn.modules.module)
    return tables | {
        name: len(table)
        for name, table in shared.items()
        if name.startswith("_global") and isinstance(table, Mapping)
    }


def test_the_count_of_hooks_sees_each_kind() -> None:
    model = small()
    before = hooks_of(model)
    handles = [
        model.stem.register_forward_hook(lambda *_: None),
        model.stem.register_forward_hook(lambda *_, **__: None, with_kwargs=True),
        model.stem.register_forward_pre_hook(lambda *_: None, with_kwargs=True),
        model.stem.register_full_backward_hook(lambda *_: None),
    ]
    changed = {name for name, count in hooks_of(model).items() if count != before[name]}
    assert {name.removeprefix("stem.") for name in changed} == {
        "_forward_hooks",
        "_forward_hooks_with_kwargs",
        "_forward_pre_hooks",
        "_forward_pre_hooks_with_kwargs",
        "_backward_hooks",
    }
    for handle in handles:
        handle.remove()
    assert hooks_of(model) == before


@pytest.mark.parametrize("ending", ["normal", "bad argument", "raising module"])
@pytest.mark.parametrize("entry", ENTRIES)
def test_no_hook_is_left_behind(entry: str, ending: str) -> None:
    model = small()
    own = model.block1.register_forward_hook(lambda *_: None)
    before, intact = hooks_of(model), model(images(2))
    model.trap.armed = ending == "raising module"
    if ending == "normal":
        ENTRIES[entry](model, bad=False)
    else:
        expected = RuntimeError if ending == "raising module" else (FunclocError, RuntimeError)
        with pytest.raises(expected):
            ENTRIES[entry](model, bad=ending == "bad argument")
    model.trap.armed = False
    assert hooks_of(model) == before
    assert own.id in model.block1._forward_hooks
    assert torch.equal(model(images(2)), intact)


def test_hooks_attach_on_entering_and_not_before() -> None:
    model = small()
    before = hooks_of(model)
    contexts = record(model, BLOCKS), ablate(model, mask_of(*BLOCKS))
    assert hooks_of(model) == before
    for context in contexts:
        with context:
            assert hooks_of(model) != before
    assert hooks_of(model) == before


@pytest.mark.parametrize("act", ["record", "ablate"])
def test_a_bad_second_name_attaches_nothing_and_is_named(act: str) -> None:
    model = small()
    before = hooks_of(model)
    bad = [FIRST, NOWHERE]
    context = record(model, bad) if act == "record" else ablate(model, mask_of(*bad))
    with pytest.raises(SiteError, match="block3:output: this model has no module"), context:
        pytest.fail("the context was entered")
    assert hooks_of(model) == before


# --- a hook that does nothing, or too much ---


class Twice(nn.Module):
    """Runs one of its modules twice and names it in no other way."""

    def __init__(self) -> None:
        super().__init__()
        self.again = nn.Linear(6, 6)
        self.once = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.once(self.again(self.again(x)))


AGAIN, ONCE = (Site(name, shape=(6,)) for name in ("again", "once"))


@pytest.mark.parametrize("act", ["record", "ablate"])
@pytest.mark.parametrize("also", [(), (FIRST,)])
def test_a_site_that_never_fires_is_an_error_that_names_it(act: str, also: tuple) -> None:
    model = small()
    intact, where = model(images(2)), [*also, SILENT]
    context = record(model, where) if act == "record" else ablate(model, mask_of(*where))
    with context, pytest.raises(SiteError, match="unused:output: never fired"):
        model(images(2))
    assert torch.equal(model(images(2)), intact)


@pytest.mark.parametrize("act", ["record", "ablate"])
@pytest.mark.parametrize("end", ["output", "input"])
def test_a_site_that_fires_twice_is_an_error_that_names_it(act: str, end: str) -> None:
    model, vectors = Twice(), torch.randn(3, 6)
    intact, where = model(vectors), [Site("again", end, shape=(6,)), ONCE]
    context = record(model, where) if act == "record" else ablate(model, mask_of(*where))
    with context, pytest.raises(SiteError, match=f"again:{end}: fires more than once"):
        model(vectors)
    assert torch.equal(model(vectors), intact)


def test_a_site_without_masked_units_need_not_fire() -> None:
    model = small()
    mask = Mask("top", 1.0, None, (FIRST, SILENT), "channel", np.array([0]))
    with ablate(model, mask):
        assert not torch.equal(model(images(2)), small()(images(2)))


@pytest.mark.parametrize("act", ["record", "ablate"])
def test_each_pass_counts_anew_even_after_one_that_failed(act: str) -> None:
    model = small()
    with record(model, BLOCKS) if act == "record" else ablate(model, mask_of(*BLOCKS)):
        first = model(images(2))
        model.trap.armed = True
        with pytest.raises(RuntimeError, match="trap"):
            model(images(2))
        model.trap.armed = False
        assert torch.equal(model(images(2)), first)


def test_a_failed_pass_leaves_no_trace_in_the_moments() -> None:
    model = small()
    with record(model, BLOCKS) as recorder:
        model(images(2))
        model.trap.armed = True
        with pytest.raises(RuntimeError, match="trap"):
            model(images(2))
    assert [recorder.moments[site].count for site in BLOCKS] == [2, 2]


@pytest.mark.parametrize("unit", ["channel", "neuron"])
def test_nan_activations_name_the_site_and_the_stimuli(unit: str) -> None:
    model = small()
    with record(model, BLOCKS, unit=unit) as recorder:
        model(images(2))
        model.trap.poisoned = True
        recorder.expect([0, 1], names=["a.jpg", "b.jpg"])
        with pytest.raises(DataError, match=r"block2:output: .*NaN.* a\.jpg and 1 others"):
            model(images(2))
    assert [recorder.moments[site].count for site in BLOCKS] == [2, 2]


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_nan_activations_name_the_very_stimulus(value: float, pooling: str) -> None:
    model, pixels = small(), images(5)
    pixels[3, :, 0, 0] = value
    names = [f"{letter}.jpg" for letter in "abcde"]
    with record(model, BLOCKS, pooling=pooling) as recorder:
        recorder.expect([0, 1, 0, 1, 0], names=names)
        with pytest.raises(DataError, match=r"block1:output: .*for d\.jpg; are"):
            model(pixels)
        with pytest.raises(DataError, match="for stimulus 3 of the batch; are"):
            model(pixels)


def test_loud_half_floats_are_not_taken_for_infinite_ones() -> None:
    model, pixels = small().to(torch.float16), images(4).to(torch.float16)
    with torch.no_grad():
        model.block1.conv2.bias.fill_(3e4)  # finite, but not their sum
    pixels[2] = torch.nan
    with record(model, BLOCKS[:1]) as recorder:
        recorder.expect([0, 0, 0, 0], names=["a", "b", "c", "d"])
        with pytest.raises(DataError, match="for c; are"):
            model(pixels)


# --- ablate: what is put in ---

SHAPES = {"channel": (6, 1, 1), "neuron": (6, 8, 8)}
REPLACEMENTS = {"zero": "zero", "mean": "mean", "scale": -1.5}


def replaced(before: Tensor, unit: str, by: str, units: list[int], means: np.ndarray) -> Tensor:
    """What the site must give, worked out unit by unit."""
    after = before.clone()
    rows = after.flatten(1) if unit == "neuron" else after
    for index in units:
        if by == "zero":
            rows[:, index] = 0
        elif by == "mean":
            rows[:, index] = float(means[index])
        else:
            rows[:, index] *= -1.5
    return rows.view_as(before)


@pytest.mark.parametrize("end", ["output", "input"])
@pytest.mark.parametrize("unit", SHAPES)
@pytest.mark.parametrize("by", REPLACEMENTS)
def test_ablation_puts_in_what_it_says_and_leaves_the_rest(end: str, unit: str, by: str) -> None:
    model, pixels = small(), images(4)
    place = Site("block2", end, shape=(6, 8, 8))
    units = [0, 3] if unit == "channel" else [1, 70, 383]
    means = np.linspace(-2, 2, place.n_units(unit))
    before = plain(model, "block2" if end == "output" else "trap", pixels)
    mask = mask_of(place, units=tuple(units), unit=unit)
    with (
        ablate(model, mask, REPLACEMENTS[by], {place: means}),
        watched(model, "block2", end) as seen,
    ):
        logits = model(pixels)
    assert torch.equal(seen[0], replaced(before, unit, by, units, means))
    assert not torch.equal(logits, model(pixels))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_ablation_keeps_the_precision(dtype: torch.dtype) -> None:
    model = small(dtype)
    for by in REPLACEMENTS.values():
        with ablate(model, mask_of(FIRST), by, MEANS), watched(model, "block1") as seen:
            assert model(images(2, dtype)).dtype == dtype
        assert seen[0].dtype == dtype


def test_ablation_follows_batches_of_any_size() -> None:
    model = small()
    for unit in ("channel", "neuron"):
        with ablate(model, mask_of(FIRST, unit=unit)), watched(model, "block1") as seen:
            for n in (4, 1, 4, 2):
                model(images(n))
        assert [len(out) for out in seen] == [4, 1, 4, 2]
        for out in seen:
            rows = out.flatten(1) if unit == "neuron" else out
            assert (rows[:, [0, 3]] == 0).all()
            assert (rows[:, 1] != 0).any()


def test_scaling_by_one_changes_nothing() -> None:
    model, pixels = small(), images(4)
    with ablate(model, mask_of(*BLOCKS), by=1.0):
        under = model(pixels)
    assert torch.equal(under, model(pixels))


def test_ablation_by_the_mean_needs_means() -> None:
    with (
        pytest.raises(SettingError, match="needs the units' means"),
        ablate(small(), mask_of(FIRST), "mean"),
    ):
        pass


def test_ablation_by_the_mean_names_a_site_without_means() -> None:
    with (
        pytest.raises(SettingError, match="block2:output"),
        ablate(small(), mask_of(*BLOCKS), "mean", {FIRST: np.zeros(6)}),
    ):
        pass


def test_a_replacement_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(SettingError, match="median"), ablate(small(), mask_of(FIRST), "median"):
        pass


def test_a_mask_of_another_width_is_an_error_that_names_the_site() -> None:
    model = small()
    wide = Site("block1", shape=(7, 8, 8))
    with (
        ablate(model, mask_of(wide)),
        pytest.raises(SiteError, match="block1:output: 6 channels, not 7"),
    ):
        model(images(2))


# --- ablate: what modules give ---

Pair = namedtuple("Pair", ["values", "extra"])


class Wrapping(nn.Module):
    """Gives its answer in one of the structures that modules use."""

    def __init__(self, wrap: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.wrap = wrap

    def forward(self, x: Tensor) -> Any:
        return self.wrap(x * 2)


class Unwrapping(nn.Module):
    def __init__(self, wrap: Callable[[Tensor], Any], unwrap: Callable[[Any], Tensor]) -> None:
        super().__init__()
        self.inner, self.unwrap = Wrapping(wrap), unwrap

    def forward(self, x: Tensor) -> Tensor:
        self.given = self.inner(x)
        return self.unwrap(self.given)


STRUCTURES: dict[str, tuple[Callable[[Tensor], Any], Callable[[Any], Tensor]]] = {
    "tensor": (lambda x: x, lambda out: out),
    "tuple": (lambda x: (x, "b"), lambda out: out[0]),
    "tuple, tensor second": (lambda x: (None, x, x + 1), lambda out: out[1]),
    "list": (lambda x: [x, x + 1], lambda out: out[0]),
    "namedtuple": (lambda x: Pair(x, 7), lambda out: out.values),
    "dict": (lambda x: {"note": "b", "values": x}, lambda out: out["values"]),
    "nested": (lambda x: ({"values": [x]}, 7), lambda out: out[0]["values"][0]),
    "structseq": (lambda x: torch.max(x[:, None], 1), lambda out: out.values),
    "ModelOutput": (
        lambda x: BaseModelOutput(last_hidden_state=x, attentions=(x + 1,)),
        lambda out: out.last_hidden_state,
    ),
}


@pytest.mark.parametrize("structure", STRUCTURES)
def test_ablation_reaches_into_any_structure_and_keeps_it(structure: str) -> None:
    wrap, unwrap = STRUCTURES[structure]
    model, vectors = Unwrapping(wrap, unwrap), torch.randn(3, 6)
    intact, kind = model(vectors), type(model.given)
    with ablate(model, mask_of(Site("inner", shape=(6,)))):
        under = model(vectors)
    expected = intact.clone()
    expected[:, [0, 3]] = 0
    assert torch.equal(under, expected)
    assert type(model.given) is kind
    assert torch.equal(model(vectors), intact)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_recording_reads_out_of_any_structure(structure: str) -> None:
    wrap, unwrap = STRUCTURES[structure]
    model, vectors = Unwrapping(wrap, unwrap), torch.randn(3, 6, dtype=torch.float64)
    place = Site("inner", shape=(6,))
    with record(model, [place], statistic="signed") as recorder:
        out = model(vectors)
    np.testing.assert_allclose(recorder.moments[place].mean, out.mean(0), rtol=1e-10)


def test_the_rest_of_a_structure_is_kept() -> None:
    model = Unwrapping(*STRUCTURES["namedtuple"])
    with ablate(model, mask_of(Site("inner", shape=(6,)))):
        model(torch.randn(3, 6))
    assert model.given.extra == 7


class Taking(nn.Module):
    """Takes its tensor by keyword, or inside a dictionary that its caller goes on using."""

    def forward(self, *args: Any, values: Any = None) -> Tensor:
        values = args[0] if args else values
        return values["values"] * 2 if isinstance(values, dict) else values * 2


class Giving(nn.Module):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.inner, self.how = Taking(), how

    def forward(self, x: Tensor) -> Tensor:
        if self.how == "keyword":
            return self.inner(values=x) + x
        state = {"values": x}
        return self.inner(state) + state["values"]


@pytest.mark.parametrize("how", ["keyword", "dict"])
def test_an_ablated_input_is_the_modules_own_and_not_its_callers(how: str) -> None:
    model, vectors = Giving(how), torch.randn(3, 6)
    with ablate(model, mask_of(Site("inner", "input", shape=(6,)))):
        under = model(vectors)
    expected = vectors * 3
    expected[:, [0, 3]] = vectors[:, [0, 3]]
    assert torch.equal(under, expected)


def test_a_dictionary_that_a_module_keeps_is_not_written_into() -> None:
    kept = {"values": torch.ones(3, 6)}
    model = Unwrapping(lambda _: kept, lambda out: out["values"])
    with ablate(model, mask_of(Site("inner", shape=(6,)))):
        assert model(torch.zeros(3, 6))[:, 0].sum() == 0
    assert torch.equal(model(torch.zeros(3, 6)), torch.ones(3, 6))


# --- ablate: where and when it holds ---


def test_inner_ablations_see_what_outer_ones_left() -> None:
    model, pixels = small(), images(3)
    before = plain(model, "block1", pixels)
    outer, inner = mask_of(FIRST, units=(0, 1)), mask_of(FIRST, units=(1, 2))
    with (
        ablate(model, outer, "mean", MEANS),
        ablate(model, inner, by=10.0),
        watched(model, "block1") as seen,
    ):
        model(pixels)
    expected = before.clone()
    expected[:, 0], expected[:, 1], expected[:, 2] = 0.0, 10.0, before[:, 2] * 10
    assert torch.equal(seen[0], expected)


def test_leaving_an_inner_ablation_leaves_the_outer_one() -> None:
    model, pixels = small(), images(3)
    with ablate(model, mask_of(FIRST)):
        outer = model(pixels)
        with ablate(model, mask_of(SECOND)):
            both = model(pixels)
        assert torch.equal(model(pixels), outer)
    with ablate(model, mask_of(FIRST, SECOND)):
        assert torch.equal(model(pixels), both)
    assert not torch.equal(outer, both)


def test_recording_inside_an_ablation_reads_what_is_left() -> None:
    model, pixels = small(torch.float64), images(3, torch.float64)
    before = plain(model, "block1", pixels).mean((2, 3)).mean(0)
    with (
        record(model, [FIRST], statistic="signed") as outside,
        ablate(model, mask_of(FIRST)),
        record(model, BLOCKS, statistic="signed") as inside,
    ):
        model(pixels)
    np.testing.assert_allclose(outside.moments[FIRST].mean, before, rtol=1e-10)
    assert (inside.moments[FIRST].mean[[0, 3]] == 0).all()
    np.testing.assert_allclose(inside.moments[FIRST].mean[[1, 2, 4, 5]], before[[1, 2, 4, 5]])


def test_ablation_holds_inside_the_context_and_nowhere_else() -> None:
    model, pixels = small(), images(3)
    before = model(pixels)
    context = ablate(model, mask_of(*BLOCKS))
    assert torch.equal(model(pixels), before)
    with context:
        assert not torch.equal(model(pixels), before)
    assert torch.equal(model(pixels), before)


def test_ablation_holds_for_that_model_object_alone() -> None:
    model, pixels = small(), images(3)
    twin, before = deepcopy(model), model(pixels)
    with ablate(model, mask_of(*BLOCKS)):
        assert torch.equal(twin(pixels), before)
        assert not torch.equal(model(pixels), before)


@pytest.mark.parametrize("raised", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_ablation_is_undone_on_any_exception(raised: type[BaseException]) -> None:
    model, pixels = small(), images(3)
    before, hooks = model(pixels), hooks_of(model)
    with pytest.raises(raised), ablate(model, mask_of(*BLOCKS)), record(model, BLOCKS):
        raise raised
    assert hooks_of(model) == hooks
    assert torch.equal(model(pixels), before)


def test_two_threads_with_two_copies_do_not_meet() -> None:
    models = [small(), small()]
    masks = [mask_of(FIRST, units=(0,)), mask_of(*BLOCKS, units=(4, 5))]
    batches = [images(3, seed=seed) for seed in range(20)]
    expected = [under_mask(small(), mask, batches) for mask in masks]
    found: dict[int, tuple[list[Tensor], Recorder]] = {}
    start = threading.Barrier(2)

    def work(number: int) -> None:
        start.wait()
        found[number] = under_mask(models[number], masks[number], batches)

    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, (logits, recorder) in enumerate(expected):
        assert all(map(torch.equal, found[number][0], logits))
        for site in BLOCKS:
            assert np.array_equal(found[number][1].moments[site].mean, recorder.moments[site].mean)


def under_mask(
    model: nn.Module, mask: Mask, batches: list[Tensor]
) -> tuple[list[Tensor], Recorder]:
    with ablate(model, mask), record(model, BLOCKS) as recorder, torch.inference_mode():
        return [model(batch) for batch in batches], recorder


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
