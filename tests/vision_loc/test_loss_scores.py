"""Scores by the loss of pictures, on networks of which is known what the output depends on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from common import ablate
from common.measure.masks import Mask
from common.measure.scores import SelectivityMap
from vision_loc import phantom
from vision_loc.localize import find_sites, localize, localize_all, own_loss
from vision_loc.models import VisionModel, load_model
from vision_loc.stimuli import Localizer, localizer, pixel_batches

PLANTED = [channel for channels in phantom.PLANTED.values() for channel in channels]
READ = [*phantom.PLANTED["blocks.3"]]
WIRE = 0


@pytest.fixture(scope="module")
def model() -> VisionModel:
    return load_model("phantom/planted")


@pytest.fixture(scope="module")
def stimuli() -> Localizer:
    return localizer("phantom-planted:pattern")


def units_of(found: SelectivityMap, k: int) -> set[tuple[str, int]]:
    numbers = found.site_of_unit[found.ranking[:k]]
    starts = found.offsets[numbers]
    return {
        (found.sites[site].module, int(unit - start))
        for unit, site, start in zip(found.ranking[:k], numbers, starts, strict=True)
    }


@pytest.fixture(scope="module")
def needed() -> set[tuple[str, int]]:
    """The planted units that reach the output: the wire everywhere, and what the head reads.

    Each block takes the signal away from the channels that the block before planted, so the other
    nine are selective for nothing's sake.
    """
    wire = {(f"blocks.{block}", WIRE) for block in range(4)}
    return wire | {("blocks.3", channel) for channel in READ}


def test_seven_of_the_planted_units_reach_the_output(
    model: VisionModel, stimuli: Localizer, needed: set[tuple[str, int]]
) -> None:
    sites = find_sites(model)
    _, pixels = next(pixel_batches(stimuli.target, model.preprocess, 8))
    shown = torch.from_numpy(pixels)
    found = set()
    with torch.inference_mode():
        intact = own_loss(model, shown)
        for number, site in enumerate(sites):
            for channel in phantom.PLANTED[site.module]:
                mask = Mask(
                    "top", 1.0, None, tuple(sites), "channel", np.array([64 * number + channel])
                )
                with ablate(model.module, mask):
                    rise = own_loss(model, shown, intact.right).each - intact.each
                if rise.abs().max() > 1e-9:
                    found.add((site.module, channel))
    assert found == needed
    assert len(needed) == 7


@pytest.mark.parametrize("score", ["gradient", "integrated", "causal"])
def test_the_planted_units_that_are_needed_rank_first(
    score: str, model: VisionModel, stimuli: Localizer, needed: set[tuple[str, int]]
) -> None:
    found = localize(model, stimuli, find_sites(model), score=score)
    assert units_of(found, len(needed)) == needed


def test_probes_read_all_planted_units_needed_or_not(
    model: VisionModel, stimuli: Localizer
) -> None:
    found = localize(model, stimuli, find_sites(model), score="probe")
    assert units_of(found, len(PLANTED)) == {
        (path, channel) for path, channels in phantom.PLANTED.items() for channel in channels
    }
    told = found.about["decodable"]
    assert set(map(tuple, told["right"].values())) == {tuple(told["n"])}


def test_units_that_do_the_same_cost_little_each(model: VisionModel, stimuli: Localizer) -> None:
    """Any three of the four channels that the head reads are enough, and the wire is alone."""
    found = localize(model, stimuli, find_sites(model), score="causal")
    last = found.at(found.sites[-1])
    assert 0 < last[READ].min() < last[READ].max() < 0.01
    for site in found.sites[:-1]:
        assert found.at(site)[WIRE] == pytest.approx(5.0, abs=0.02)


def test_integrated_shares_out_what_the_class_is_worth(
    model: VisionModel, stimuli: Localizer
) -> None:
    found = localize(model, stimuli, find_sites(model), score="integrated")
    last = found.at(found.sites[-1])
    np.testing.assert_allclose(last[READ], 5.01 / 4, atol=0.01)  # nats, of the head's bias of 5
    assert np.abs(np.delete(last, READ)).max() < 0.01


@contextmanager
def counted(model: VisionModel) -> Iterator[list[int]]:
    """The size of every pass."""
    sizes: list[int] = []
    handle = model.module.register_forward_hook(lambda _m, args, _out: sizes.append(len(args[0])))
    try:
        yield sizes
    finally:
        handle.remove()


def test_gradient_takes_one_pass_and_none_for_each_unit(
    model: VisionModel, stimuli: Localizer
) -> None:
    sites = find_sites(model)
    with counted(model) as sizes:
        localize(model, stimuli, sites, score="gradient", batch_size=50)
    assert sum(sizes) == len(stimuli.target) + len(stimuli.control)


def test_what_counts_as_right_stays_that_of_the_intact_model(model: VisionModel) -> None:
    shown = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    with torch.inference_mode():
        intact = own_loss(model, shown)
        assert intact.right is not None
        other = own_loss(model, shown, 1 - intact.right)
    assert (other.each > intact.each).all()
    np.testing.assert_allclose((-intact.each).exp() + (-other.each).exp(), 1.0)


def test_localizers_that_share_pictures_are_shown_them_once(
    model: VisionModel, stimuli: Localizer
) -> None:
    back = Localizer("back", stimuli.control[:20], stimuli.target)
    keys = [[each.name for each in (*one.target, *one.control)] for one in (stimuli, back)]
    seen, sites = list[int](), find_sites(model)
    handle = model.module.register_forward_hook(lambda _m, args, _out: seen.append(len(args[0])))
    found = localize_all(model, [stimuli, back], sites, digests=keys)
    handle.remove()
    assert sum(seen) == len(keys[0])
    for own, each in zip((stimuli, back), found, strict=True):
        np.testing.assert_allclose(each.t, localize(model, own, sites).t, atol=1e-6)
