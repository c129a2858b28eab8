"""All kinds of sites in one pass over the pictures: each map is the one of its kind alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from common.base.progress import silent
from common.measure.sites import KINDS
from vision_loc.experiment import FRONT
from vision_loc.settings import Settings

ALONE = ("head", "op")  # kinds that are localized by themselves, too


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    root, rng = tmp_path_factory.mktemp("own"), np.random.default_rng(0)
    for side in ("target", "control"):
        (root / side).mkdir()
        for number in range(5):
            pixels = rng.integers(0, 200 if side == "target" else 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / side / f"{number}.png")
    return Settings(model="phantom/vit", target=root / "target", control=root / "control", top=(2,))


def test_each_kind_has_the_map_that_it_has_alone_and_as_many_units(settings: Settings) -> None:
    at_hand, missing = FRONT.localizing_kinds(settings, KINDS, None)
    assert not missing
    assert [each.settings.kind for each in at_hand] == [*KINDS]
    sizes = set()
    for each in at_hand:
        found = each.fresh_map(silent)
        sizes.add(found.n_chosen(each.settings.top[0]))
        if each.settings.kind not in ALONE:
            continue
        alone = FRONT.localizing(replace(settings, kind=each.settings.kind)).fresh_map(silent)
        assert found.sites == alone.sites
        np.testing.assert_allclose(found.t, alone.t, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(found.magnitude, alone.magnitude, rtol=1e-4, atol=1e-5)
    assert len(sizes) == 1
