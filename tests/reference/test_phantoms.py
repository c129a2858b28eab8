"""The phantoms give the numbers that they gave: what was found, and what is left without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.reference.numbers import kept, numbers, rerun

ROUNDING = 1e-6  # relative; another machine adds up in another order
ONE_ITEM = 0.007  # of 150 or more, where two logits are all but equal


def close(value: Any, tolerance: dict[str, float]) -> Any:
    """The same, numbers as such that rounding may touch."""
    if isinstance(value, dict):
        return {key: close(each, tolerance) for key, each in value.items()}
    return pytest.approx(value, **tolerance) if isinstance(value, float) else value


@pytest.mark.parametrize("name", sorted(kept()))
def test_a_phantom_gives_its_numbers(name: str, tmp_path: Path) -> None:
    entry = kept()[name]
    rerun(entry["settings"], tmp_path / "run")
    found, wanted = numbers(tmp_path / "run"), entry["numbers"]
    for part in ("intact", "masks"):
        assert found.pop(part) == close(wanted.pop(part), {"abs": ONE_ITEM})
    assert found == close(wanted, {"rel": ROUNDING, "abs": ROUNDING})
