"""Architectures of a size that no machine holds are refused before anything is built."""

from __future__ import annotations

import pytest

from common.base.errors import ModelError, SettingError
from common.measure.control_rules import parse_controls
from common.models.load import check_sizes


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"num_hidden_layers": 10**9}, "num_hidden_layers 1,000,000,000; it takes 0 to 10,000"),
        ({"text_config": {"n_layer": 10**5}}, "n_layer 100,000"),
        ({"num_hidden_layers": -1}, "num_hidden_layers -1; it takes 0 to"),
        ({"hidden_size": 10**12}, "hidden_size 1,000,000,000,000; it takes 0 to 10,000,000"),
    ],
)
def test_beyond_all_bounds(config: dict[str, object], said: str) -> None:
    with pytest.raises(ModelError, match=f"`model` local/x: its configuration says {said}"):
        check_sizes("local/x", config)


def test_what_there_is_fits() -> None:
    check_sizes("x", {"num_hidden_layers": 126, "hidden_size": 16_384, "vocab_size": 262_144})
    check_sizes("x", {"num_hidden_layers": None, "depth": [1, 2], "rope": {"factor": 8.0}})


@pytest.mark.parametrize("count", ["99999999999", "10001", "9" * 5000])
def test_so_many_control_masks_are_not_drawn(count: str) -> None:
    with pytest.raises(SettingError, match="`controls`"):
        parse_controls(f"random:{count}")
    assert parse_controls("random:10000")[0].draws == 10_000
