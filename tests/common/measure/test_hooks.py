"""Hooks: none is left behind, and one that does nothing or too much is an error."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from common import Mask, Site, Survey, ablate, record, sites, trace
from common.base.errors import DataError, FunclocError, SiteError
from tests.common.measure.hooked import (
    BLOCKS,
    FIRST,
    MEANS,
    NOWHERE,
    SILENT,
    Small,
    hooks_of,
    images,
    mask_of,
    small,
)
from vision_loc.evaluate import evaluate
from vision_loc.localize import localize
from vision_loc.models import VisionModel
from vision_loc.preprocess import Preprocess
from vision_loc.stimuli import Localizer, Picture

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
