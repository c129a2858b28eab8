"""Kinds of sites in another order are another comparison: its draws have other seeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.base.errors import RunError
from common.study.compare_sites import compare_sites
from common.study.declared import completed
from vision_loc.experiment import FRONT, Settings


def test_another_order_is_another_comparison(tmp_path: Path) -> None:
    said = {"model": "phantom/planted", "top": "6.25", "controls": "", "items": "1"}
    settings = completed(Settings, {**said, "device": "cpu"})
    compare_sites(FRONT, settings, ("block", "op"), 2, tmp_path / "one")
    assert compare_sites(FRONT, settings, ("block", "op"), 2, tmp_path / "one")[2]
    with pytest.raises(RunError, match="holds another run"):
        compare_sites(FRONT, settings, ("op", "block"), 2, tmp_path / "one")
