"""All kinds of sites in one pass over the texts: each map is the one of its kind alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from common.base.progress import silent
from common.measure.sites import KINDS
from llm_loc.experiment import FRONT
from llm_loc.settings import Settings

ALONE = ("head", "op")  # kinds that are localized by themselves, too
SIDES = {"target": "the old girls sleep", "control": "4 7 b k"}


def test_each_kind_has_the_map_that_it_has_alone_and_as_many_units(tmp_path: Path) -> None:
    for side, text in SIDES.items():
        lines = [f"{text} {word}" for word in ("here", "there", "near", "the table", "b", "7")]
        (tmp_path / f"{side}.txt").write_text("\n".join(lines))
    settings = Settings(
        model="phantom/lm", target=tmp_path / "target.txt", control=tmp_path / "control.txt"
    )
    at_hand, missing = FRONT.localizing_kinds(settings, KINDS, 5)
    assert not missing
    assert [each.settings.kind for each in at_hand] == [*KINDS]
    for each in at_hand:
        found = each.fresh_map(silent)
        assert found.n_chosen(each.settings.top[0]) == 5
        if each.settings.kind not in ALONE:
            continue
        alone = FRONT.localizing(replace(settings, kind=each.settings.kind)).fresh_map(silent)
        assert found.sites == alone.sites
        np.testing.assert_allclose(found.t, alone.t, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(found.peak, alone.peak, rtol=1e-5)


def test_where_a_dose_is_cut_masks_have_as_many_units_too(tmp_path: Path) -> None:
    for side, text in SIDES.items():
        (tmp_path / f"{side}.txt").write_text("\n".join(f"{text} {i}" for i in range(4)))
    settings = Settings(
        model="phantom/lm", target=tmp_path / "target.txt", control=tmp_path / "control.txt",
        protocol="paper",
    )  # fmt: skip
    at_hand, _ = FRONT.localizing_kinds(settings, ("block", "head", "op"), 7)
    sizes = [each.fresh_map(silent).n_chosen(each.settings.top[0]) for each in at_hand]
    assert sizes == [7, 7, 7]
