"""Units: pooling, padding, layouts, and the way back from a unit to the tensor it lies in."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from common.base.errors import SettingError, SiteError
from common.measure.sites import POOLINGS, UNITS, Site, check_pooling

STIMULI, CHANNELS = 3, 5

# One site a layout, with the shape of the tensor that it gives for all stimuli.
LAYOUTS = {
    "channels-first": (Site("m", axis=1, shape=(5, 3, 4)), (3, 5, 3, 4)),
    "channels-last": (Site("m", axis=3, shape=(3, 4, 5)), (3, 3, 4, 5)),
    "tokens": (Site("m", axis=2, shape=(7, 5)), (3, 7, 5)),
    "flat": (Site("m", axis=1, shape=(5,)), (3, 5)),
    "windows": (Site("m", axis=3, shape=(4, 6, 5), fold=4), (12, 6, 5)),
    "windows-first": (Site("m", axis=2, shape=(4, 5, 2, 3), fold=4), (12, 5, 2, 3)),
    "windows-last": (Site("m", axis=4, shape=(4, 2, 3, 5), fold=4), (12, 2, 3, 5)),
}
MAPS = sorted(set(LAYOUTS) - {"tokens", "flat"})
TOKENS = LAYOUTS["tokens"][0]


def activations(layout: str, dtype: torch.dtype = torch.float32) -> tuple[Site, Tensor]:
    site, shape = LAYOUTS[layout]
    values = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return site, values.to(dtype)


def by_position(layout: str, values: Tensor) -> Tensor:
    """The same numbers as (stimulus, position, channel), spelled out for each layout."""
    if layout == "channels-first":
        return values.permute(0, 2, 3, 1).reshape(STIMULI, -1, CHANNELS)
    if layout == "windows-first":
        return values.permute(0, 2, 3, 1).reshape(STIMULI, -1, CHANNELS)
    return values.reshape(STIMULI, -1, CHANNELS)


PLAIN = {
    "mean": lambda positions: positions.mean(1),
    "max": lambda positions: positions.max(1).values,
    "sum": lambda positions: positions.sum(1),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("pooling", PLAIN)
def test_a_channel_is_pooled_over_all_its_positions(layout: str, pooling: str) -> None:
    site, values = activations(layout)
    pooled = site.pool(values, "channel", pooling)
    torch.testing.assert_close(pooled, PLAIN[pooling](by_position(layout, values)))
    assert site.channels == site.n_units("channel") == CHANNELS


@pytest.mark.parametrize(("pooling", "position"), [("cls", 0), ("last", 6)])
def test_one_token_is_taken_as_it_is(pooling: str, position: int) -> None:
    site, values = activations("tokens")
    assert torch.equal(site.pool(values, "channel", pooling), values[:, position])


@pytest.mark.parametrize("pooling", ["cls", "last"])
def test_what_has_no_positions_needs_no_token(pooling: str) -> None:
    site, values = activations("flat")
    assert torch.equal(site.pool(values, "channel", pooling), values)


@pytest.mark.parametrize("layout", MAPS)
@pytest.mark.parametrize("pooling", ["cls", "last"])
def test_a_feature_map_has_no_class_token(layout: str, pooling: str) -> None:
    site, values = activations(layout)
    with pytest.raises(SiteError, match=f"m:output: pooling {pooling} needs a sequence"):
        site.pool(values, "channel", pooling)


@pytest.mark.parametrize("layout", MAPS)
def test_a_feature_map_has_no_padding(layout: str) -> None:
    site, values = activations(layout)
    with pytest.raises(SiteError, match="m:output: pooling mean needs a sequence"):
        site.pool(values, "channel", "mean", torch.ones(STIMULI, 7))


# --- padding ---

PADDING = {
    "right": [[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0]],
    "left": [[1, 1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0, 1]],
    "both": [[0, 1, 1, 1, 1, 1, 0], [0, 0, 1, 1, 0, 0, 0], [1, 0, 1, 0, 0, 0, 1]],
}
OF_REAL = {
    "mean": lambda real: real.mean(0),
    "max": lambda real: real.max(0).values,
    "sum": lambda real: real.sum(0),
    "cls": lambda real: real[0],
    "last": lambda real: real[-1],
}


@pytest.mark.parametrize("side", PADDING)
@pytest.mark.parametrize("pooling", OF_REAL)
@pytest.mark.parametrize("junk", [1000.0, -1000.0, math.inf, math.nan])
def test_padding_never_counts(side: str, pooling: str, junk: float) -> None:
    site, values = activations("tokens")
    tokens = torch.tensor(PADDING[side])
    expected = [
        OF_REAL[pooling](row[real.bool()]) for row, real in zip(values, tokens, strict=True)
    ]
    values[~tokens.bool()] = junk
    pooled = site.pool(values, "channel", pooling, tokens)
    torch.testing.assert_close(pooled, torch.stack(expected))


@pytest.mark.parametrize("pooling", OF_REAL)
def test_tokens_without_padding_change_nothing(pooling: str) -> None:
    site, values = activations("tokens")
    with_tokens = site.pool(values, "channel", pooling, torch.ones(STIMULI, 7, dtype=torch.long))
    torch.testing.assert_close(with_tokens, site.pool(values, "channel", pooling))


@pytest.mark.parametrize("shape", [(3, 6), (2, 7)])
def test_tokens_of_another_length_are_an_error(shape: tuple[int, int]) -> None:
    site, values = activations("tokens")
    with pytest.raises(SiteError, match="m:output: 7 positions"):
        site.pool(values, "channel", "mean", torch.ones(shape))


# --- neurons ---


@pytest.mark.parametrize("layout", LAYOUTS)
def test_neurons_lie_in_the_order_of_the_tensor(layout: str) -> None:
    site, values = activations(layout)
    units = site.pool(values, "neuron", "none")
    assert torch.equal(units, values.reshape(STIMULI, -1))
    assert site.n_units("neuron") == units.shape[1] == math.prod(site.unit_shape("neuron"))
    assert torch.equal(units.view(STIMULI, *site.unit_shape("neuron")).flatten(), values.flatten())


@pytest.mark.parametrize("layout", ["channels-first", "tokens"])
def test_neurons_need_inputs_of_one_size(layout: str) -> None:
    site, values = activations(layout)
    longer = torch.cat([values, values], dim=3 if layout == "channels-first" else 1)
    with pytest.raises(SiteError, match=r"m:output: \d+ neurons a stimulus, not \d+"):
        site.pool(longer, "neuron", "none")


@pytest.mark.parametrize("layout", ["channels-first", "tokens", "flat"])
def test_another_number_of_channels_is_an_error(layout: str) -> None:
    site, values = activations(layout)
    with pytest.raises(SiteError, match="m:output: 10 channels, not 5"):
        site.pool(torch.cat([values, values], dim=site.axis), "channel", "mean")


def test_channels_do_not_care_about_the_number_of_positions() -> None:
    site, values = activations("channels-first")
    wider = torch.cat([values, values], dim=3)
    torch.testing.assert_close(
        site.pool(wider, "channel", "mean"), site.pool(values, "channel", "mean")
    )


def test_stimuli_are_counted_in_windows() -> None:
    assert LAYOUTS["windows"][0].items(torch.zeros(12, 6, 5)) == 3
    assert TOKENS.items(torch.zeros(12, 7, 5)) == 12


@pytest.mark.parametrize("shape", [(11, 6, 5), (12,)])
def test_rows_that_do_not_divide_into_stimuli_are_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(SiteError, match="m:output: a tensor of shape"):
        LAYOUTS["windows"][0].items(torch.zeros(shape))


# --- precision ---


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("pooling", PLAIN)
def test_half_precision_is_pooled_in_float32(dtype: torch.dtype, layout: str, pooling: str) -> None:
    site, values = activations(layout, dtype)
    pooled = site.pool(values, "channel", pooling)
    assert pooled.dtype == torch.float32
    torch.testing.assert_close(pooled, site.pool(values.float(), "channel", pooling))


def test_a_sum_beyond_the_range_of_half_precision_is_finite() -> None:
    site = Site("m", axis=2, shape=(4, 1))
    loud = torch.full((1, 4, 1), 60000.0, dtype=torch.float16)
    assert site.pool(loud, "channel", "sum").item() == 240000.0
    assert site.pool(loud, "channel", "sum", torch.ones(1, 4)).item() == 240000.0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_neurons_of_half_precision_are_float32(dtype: torch.dtype) -> None:
    site, values = activations("tokens", dtype)
    assert site.pool(values, "neuron", "none").dtype == torch.float32


def test_double_precision_is_kept() -> None:
    site, values = activations("tokens", torch.float64)
    assert site.pool(values, "channel", "mean").dtype == torch.float64


# --- broadcast ---


@pytest.mark.parametrize("layout", LAYOUTS)
def test_masking_channels_reaches_these_channels_and_no_others(layout: str) -> None:
    site, values = activations(layout)
    chosen = torch.tensor([False, True, False, False, True])
    masked = torch.where(site.broadcast(chosen, values, "channel"), 0.0, values)
    expected = by_position(layout, values).clone()
    expected[..., [1, 4]] = 0
    assert masked.shape == values.shape
    assert torch.equal(by_position(layout, masked), expected)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_masking_neurons_reaches_these_neurons_and_no_others(layout: str) -> None:
    site, values = activations(layout)
    units = site.pool(values, "neuron", "none")
    chosen = torch.rand(units.shape[1], generator=torch.Generator().manual_seed(2)) < 0.4
    masked = torch.where(site.broadcast(chosen, values, "neuron"), 0.0, values)
    assert masked.shape == values.shape
    assert torch.equal(site.pool(masked, "neuron", "none"), units * ~chosen)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("unit", UNITS)
def test_each_unit_gets_its_own_value(layout: str, unit: str) -> None:
    site, values = activations(layout)
    fill = torch.arange(float(site.n_units(unit)))
    filled = torch.zeros_like(values) + site.broadcast(fill, values, unit)
    back = site.pool(filled, unit, "max" if unit == "channel" else "none")
    assert torch.equal(back, fill.expand(STIMULI, -1))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("unit", "word"), [("channel", "channels"), ("neuron", "neurons")])
def test_a_mask_of_another_size_is_an_error(layout: str, unit: str, word: str) -> None:
    site, values = activations(layout)
    with pytest.raises(SiteError, match=rf"m:output: \d+ {word}, not \d+"):
        site.broadcast(torch.zeros(site.n_units(unit) + 1), values, unit)


# --- which pooling goes with which unit ---


def test_each_unit_has_its_own_default() -> None:
    assert check_pooling("channel", None) == "mean"
    assert check_pooling("neuron", None) == "none"


@pytest.mark.parametrize("pooling", [p for p in POOLINGS if p != "none"])
def test_channels_take_every_pooling_and_neurons_take_none(pooling: str) -> None:
    assert check_pooling("channel", pooling) == pooling
    with pytest.raises(SettingError, match=f"`pooling` {pooling}: a neuron is one position"):
        check_pooling("neuron", pooling)


def test_channels_need_a_pooling() -> None:
    assert check_pooling("neuron", "none") == "none"
    with pytest.raises(SettingError, match="`pooling` none keeps every position apart"):
        check_pooling("channel", "none")


@pytest.mark.parametrize(("unit", "pooling"), [("pixel", None), ("channel", "median")])
def test_a_unit_or_pooling_that_does_not_exist_is_an_error(unit: str, pooling: str | None) -> None:
    with pytest.raises(SettingError, match=pooling or unit):
        check_pooling(unit, pooling)


@pytest.mark.parametrize("end", ["output", "input"])
def test_a_site_prints_as_its_path_and_end(end: str) -> None:
    assert str(Site("layer4.1", end)) == f"layer4.1:{end}"
