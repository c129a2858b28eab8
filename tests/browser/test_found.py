"""What a page keeps of a run: how it replaces units, and what it calls the run."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from browser.found import FoundMap, localizer_in
from browser.heading import heading
from common.base.errors import RunError
from common.measure.ablate import Ablation
from common.study.settings import Settings


def found(width: int, **said: Any) -> FoundMap[Settings]:
    """Of a map whose units are so many channels wide."""
    kept: Any = SimpleNamespace(sites=(SimpleNamespace(width=width),))
    return FoundMap(Settings("m", **said), Path("run"), kept, "mine-vs-others")


@pytest.mark.parametrize(
    ("ablation", "width", "by", "words"),
    [
        ("resample", 1, "mean", "mean here (resample in the run)"),
        ("resample", 16, "zero", "zero here (resample in the run)"),  # a head, which has no mean
        ("zero", 16, "zero", "zero"),
        ("mean", 1, "mean", "mean"),
        (0.5, 16, 0.5, "scale:0.5"),
    ],
)
def test_a_page_replaces_units_as_the_run_did_or_says_how_else(
    ablation: Ablation, width: int, by: Ablation, words: str
) -> None:
    page = found(width, ablation=ablation)
    assert (page.by, page.replaced) == (by, words)


def test_a_run_with_stimuli_of_ones_own_is_called_by_their_places(tmp_path: Path) -> None:
    assert found(1, target=Path("mine"), control=Path("others")).title == "mine-vs-others in m"
    about = {
        "localizer": {"name": "mine-vs-others"},
        "settings": {"model": "m", "localizer": None, "target": "mine", "control": "others"},
        "started": "2026-11-26T12:00:00",
    }
    (tmp_path / "run.json").write_text(json.dumps(about))
    assert localizer_in(tmp_path) == "mine-vs-others"
    assert "<b>mine-vs-others</b>" in heading(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(RunError, match="not a run"):
        localizer_in(tmp_path)
