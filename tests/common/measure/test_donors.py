"""Resampling: units take what they were on another stimulus, worked out stimulus by stimulus."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from common import Site, ablate
from common.base.errors import SettingError, SiteError
from common.measure import donors as module_of
from common.measure.donors import Donors, read_donors
from common.measure.passes import Passes
from tests.common.measure.hooked import BLOCKS, SECOND, hooks_of, images, mask_of, plain, small

NAMES = [f"picture {number}" for number in range(6)]
CONTROL = images(5, seed=2)


def shown(model: Any, n: int = len(CONTROL)) -> list[tuple[str, Callable[[], Tensor]]]:
    return [(f"donor {i}", partial(model, CONTROL[i : i + 1])) for i in range(n)]


def read(model: Any, seed: int = 0) -> Donors:
    return read_donors(model, BLOCKS, shown(model), texts=False, seed=seed)


@pytest.mark.parametrize(("unit", "units"), [("channel", (0, 3)), ("neuron", (1, 70, 383))])
def test_a_unit_takes_the_value_of_its_donor(unit: str, units: tuple[int, ...]) -> None:
    model, pixels = small(), images(6)
    donors = read(model)
    chosen = donors.chosen(NAMES)
    with ablate(model, mask_of(SECOND, units=units, unit=unit), "resample",
                donated=donors.to(NAMES)):  # fmt: skip
        got = plain(model, "block2", pixels)
    wanted = plain(model, "block2", pixels)
    for row, donor in enumerate(chosen):
        own, given = wanted[row], plain(model, "block2", CONTROL[donor : donor + 1])[0]
        for index in units:
            if unit == "channel":
                own[index] = given[index]
            else:
                own.view(-1)[index] = given.reshape(-1)[index]
    assert torch.equal(got, wanted)


def test_who_gets_what_is_fixed_by_seed_and_item_alone() -> None:
    model = small()
    one, other = read(model).chosen(NAMES), read(model, seed=1).chosen(NAMES)
    assert read(model).chosen(NAMES[::-1]).tolist() == one[::-1].tolist()
    assert read(model).chosen(NAMES[2:3]) == one[2]
    assert one.tolist() != other.tolist()
    assert set(read(model).chosen(map(str, range(200)))) == set(range(len(CONTROL)))


def test_many_masks_have_the_bits_of_whole_passes() -> None:
    model, pixels = small(), images(6)
    donors = read(model)
    masks = [None, *(mask_of(*BLOCKS[at:], units=(n,)) for at in (0, 1) for n in (0, 2, 5))]
    passes = Passes(model, masks, "resample", donors=donors)
    with torch.inference_mode():
        together = [*passes(lambda: model(pixels), pixels.shape, NAMES)]
        for mask, got in zip(masks[1:], together[1:], strict=True):
            assert mask is not None
            with ablate(model, mask, "resample", donated=donors.to(NAMES)):
                assert torch.equal(got, model(pixels))
        halves = [[*passes(lambda h=h: model(pixels[h]), None, NAMES[h])]
                  for h in (slice(0, 2), slice(2, 6))]  # fmt: skip
    for at, got in enumerate(together):
        torch.testing.assert_close(torch.cat([half[at] for half in halves]), got)


def test_no_more_donors_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small()
    monkeypatch.setattr(module_of, "BYTES", 3 * 2 * 6 * 64 * 4)
    assert read(model).names == ("donor 0", "donor 1", "donor 2")
    monkeypatch.setattr(module_of, "MOST", 2)
    assert len(read(model).names) == 2


def test_without_donors_it_is_refused_and_no_hook_is_left() -> None:
    model = small()
    before = hooks_of(model)
    with (
        pytest.raises(SettingError, match="values of other stimuli"),
        ablate(model, mask_of(SECOND), "resample"),
    ):
        pass
    with pytest.raises(SettingError, match="none is left"):
        read_donors(model, BLOCKS, [], texts=False)
    with (
        pytest.raises(SettingError, match="3 stimuli were named"),
        ablate(model, mask_of(SECOND), "resample", donated=read(model).to(NAMES[:3])),
    ):
        model(images(6))
    assert hooks_of(model) == before


# --- texts ---

LENGTHS = torch.tensor([4, 2, 1])
VALUES = torch.arange(12.0).view(3, 4, 1).expand(3, 4, 2)  # 0 to 3, 4 to 7, 8 to 11


@pytest.mark.parametrize("axis", [1, 2])
def test_a_shorter_donor_is_read_again_from_its_second_token(axis: int) -> None:
    site = Site("block", axis=axis, shape=(7, 2) if axis == 2 else (2, 7))
    donors = Donors(("a", "b", "c"), {site: VALUES}, LENGTHS)
    rows, places = torch.tensor([0, 1, 2]), torch.arange(7).expand(3, 7)
    tensor = torch.zeros(3, 7, 2) if axis == 2 else torch.zeros(3, 2, 7)
    got = module_of.Donated(donors, rows).at(site, tensor, places)
    tokens = got[..., 0] if axis == 2 else got[:, 0]
    assert tokens.int().tolist() == [[0, 1, 2, 3, 1, 2, 3], [4, 5, 5, 5, 5, 5, 5], [8] * 7]


def test_places_and_not_columns_say_what_a_token_takes() -> None:
    site = Site("block", axis=2, shape=(4, 2))
    places = torch.tensor([[-1, -1, 0, 1], [0, 1, 2, 1]])
    donated = module_of.Donated(
        Donors(("a",), {site: VALUES[:1]}, LENGTHS[:1]), torch.zeros(2).int()
    )
    got = donated.at(site, torch.zeros(2, 4, 2), places)[..., 0]
    assert got[:, 2:].int().tolist() == [[0, 1], [2, 1]]
    flat = Site("mlp", axis=1, shape=(2,), fold=0)
    rows = module_of.Donated(Donors(("a",), {flat: VALUES[:1]}, LENGTHS[:1]), torch.zeros(2).int())
    assert torch.equal(rows.at(flat, torch.zeros(8, 2), places)[:, 0].view(2, 4), got)


def test_a_tensor_without_a_row_a_token_is_refused() -> None:
    site = Site("block", axis=2, shape=(4, 2))
    donated = module_of.Donated(
        Donors(("a",), {site: VALUES[:1]}, LENGTHS[:1]), torch.zeros(2).int()
    )
    with pytest.raises(SiteError, match="has not one row for each of 4 tokens"):
        donated.at(site, torch.zeros(2, 5, 2), torch.arange(4).expand(2, 4))


def test_donors_of_unlike_lengths_are_kept_whole() -> None:
    model = torch.nn.Sequential(torch.nn.Embedding(9, 2))
    site = Site("0", axis=2, shape=(7, 2))
    texts = [[1, 2, 3], [4]]
    donors = read_donors(
        model, [site], [(str(t), partial(model, torch.tensor([t]))) for t in texts], texts=True
    )
    assert donors.lengths is not None
    assert donors.lengths.tolist() == [3, 1]
    weight = model[0].weight
    assert torch.equal(donors.values[site][0], weight[[1, 2, 3]])
    assert torch.equal(donors.values[site][1, 0], weight[4])
    assert np.isfinite(donors.values[site].numpy()).all()
