"""The real model on real stimuli: numbers that other people measured, met again."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.study.settings import read_controls
from vision_loc.experiment import Settings, run

pytestmark = pytest.mark.reference


def test_intact_accuracy_is_the_published_one(reference: Path, tmp_path: Path) -> None:
    settings = Settings(
        model=f"local/{reference / 'models' / 'regnetx_002-tinyimagenet100'}",
        localizer="floc:faces",
        evaluation="tinyimagenet100",
        controls=read_controls("layer-matched:1"),
        untrained_seeds=0,
        data_root=reference / "data",
        device="cpu",
    )
    results, _, _ = run(settings, tmp_path / "run")
    assert results.selectivity.n_units == 3264
    assert results.selectivity.n_sites == 13
    face, nonface = results.intact["face"], results.intact["nonface"]
    assert (round(100 * face.accuracy, 2), face.n) == (31.08, 222)
    assert (round(100 * nonface.accuracy, 2), nonface.n) == (53.53, 2468)
    assert results.selectivity.split_half.correlation > 0.9
