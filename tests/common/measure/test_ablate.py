"""Ablating: what is put in, where it reaches, and that it is undone."""

from __future__ import annotations

import threading
from collections import namedtuple
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput

from common import Mask, Site, ablate, record
from common.base.errors import SettingError, SiteError
from common.measure.record import Recorder
from tests.common.measure.hooked import (
    BLOCKS,
    FIRST,
    MEANS,
    SECOND,
    hooks_of,
    images,
    mask_of,
    plain,
    small,
    watched,
)

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
