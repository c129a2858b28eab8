"""Evaluating a classifier under masks, from a notebook."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from common import evaluate, mask_by_hand, record, save_masks, sites, welch
from common.base.errors import MaskError, ModelError
from common.measure.masks import Mask

PICTURES = torch.rand(20, 3, 12, 12, generator=torch.Generator().manual_seed(0))
LABELS, GROUPS = [0, 1] * 10, ["a"] * 20


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4),
    ).eval()  # fmt: skip


@pytest.fixture
def masks(net: nn.Module) -> list[Mask]:
    where = sites(net, example=PICTURES[:1])
    moments = []
    for half in PICTURES.split(10):
        with record(net, where) as seen:
            net(half)
        moments.append(seen.moments)
    found = welch(*moments)
    return [mask_by_hand(found, {where[0]: own}) for own in ([0, 1], [2, 3])]


def test_masks_of_one_name_are_refused_and_under_two_each_has_its_own_answers(
    net: nn.Module, masks: list[Mask], tmp_path: Path
) -> None:
    with pytest.raises(MaskError, match=r"two masks are called chosen-12\.5; give one another"):
        evaluate(net, [PICTURES], LABELS, GROUPS, masks)
    with pytest.raises(MaskError, match=r"two masks are called chosen-12\.5"):
        save_masks(tmp_path / "masks.safetensors", masks)
    named = [replace(mask, rule=rule) for mask, rule in zip(masks, ("mine", "yours"), strict=True)]
    both = evaluate(net, [PICTURES], LABELS, GROUPS, named)
    for mask in named:
        alone = evaluate(net, [PICTURES], LABELS, GROUPS, [mask])
        one, other = (each[each["mask"] == mask.name]["margin"] for each in (both, alone))
        assert np.array_equal(one.to_numpy(), other.to_numpy())


def test_a_model_in_training_mode_is_refused_before_it_moves(net: nn.Module) -> None:
    net.train()
    before = {name: each.clone() for name, each in net.state_dict().items()}
    with pytest.raises(ModelError, match="training mode"):
        evaluate(net, [PICTURES], LABELS, GROUPS)
    assert all(torch.equal(before[name], each) for name, each in net.state_dict().items())
