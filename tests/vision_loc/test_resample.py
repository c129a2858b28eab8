"""A vision run by resampling: the same whatever the batches, and killed or not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from common.report.words import method
from common.study.settings import read_controls
from tests.forked import dying_at, forked
from vision_loc.experiment import Settings, run

SETTINGS = Settings(
    model="phantom/planted",
    localizer="phantom-planted:pattern",
    evaluation="phantom-planted",
    top=(6.25,),
    controls=read_controls("random:2,layer-matched:3"),
    ablation="resample",
    untrained_seeds=0,
    device="cpu",
)


def die(folder: Path) -> None:
    with dying_at(6, False):
        run(SETTINGS, folder)


def test_what_an_item_takes_depends_on_neither_batches_nor_a_kill(tmp_path: Path) -> None:
    results, whole, _ = run(SETTINGS, tmp_path / "whole")
    killed = tmp_path / "killed"
    process = forked(die, killed)
    process.join()
    assert process.exitcode
    run(SETTINGS, killed)
    for name in ("results.json", "items.csv"):
        assert (whole / name).read_bytes() == (killed / name).read_bytes()
    _, other, _ = run(replace(SETTINGS, batch_size=7), tmp_path / "other")
    one, two = (pd.read_csv(folder / "items.csv")["margin"] for folder in (whole, other))
    np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-4)
    assert results.donors
    said = " ".join(method(results, json.loads((whole / "run.json").read_text())))
    assert "a channel by its whole map" in said
    assert "control stimuli" in results.verdict
    # Planted units answer to the target alone: on control stimuli they are silent, as if zeroed.
    assert results.top().groups["target"].drop > 0.5
