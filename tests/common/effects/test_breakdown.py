"""What each part of the evaluation lost, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from common.effects.breakdown import breakdown
from common.effects.controls import rank
from common.effects.items import Items, Outcome
from common.effects.paired import drop
from common.measure.masks import Mask
from common.measure.sites import Site

SITES = (Site("a", shape=(9,)),)
FIELDS = np.array(["syntax", "morphology"])[[0, 1, 1] * 20]
ITEMS = Items([str(i) for i in range(60)], np.array(["x"] * 60), "x", None, None, {"field": FIELDS})
ABOUT = [
    ("top", 1.0, None), ("matched-part", 1.0, None), ("massive", 1.0, None), ("top", 2.0, None),
    *(("random", 1.0, seed) for seed in range(4)),
    *(("layer-matched", 1.0, seed) for seed in range(2)),
    ("bottom", 1.0, None), ("bottom", 2.0, None),
]  # fmt: skip
MASKS = [Mask(*about, SITES, "channel", np.array([1])) for about in ABOUT]


def outcomes() -> dict[str, Outcome]:
    rng = np.random.default_rng(0)
    right = {"intact": rng.random(60) < 0.9}
    right |= {mask.name: right["intact"] & (rng.random(60) < 0.6) for mask in MASKS}
    return {name: Outcome(of.astype(int), of, of.astype(float)) for name, of in right.items()}


def test_numbers_are_those_of_a_plain_loop() -> None:
    known = outcomes()
    found = breakdown(ITEMS, MASKS, known)
    parts = [("all", "all"), ("field", "morphology"), ("field", "syntax")]
    assert [(each.percent, each.level, each.part) for each in found] == [
        (dose, *part) for dose in (1.0, 2.0) for part in parts
    ]
    for each in found:
        inside = np.full(60, True) if each.level == "all" else each.part == FIELDS
        intact, top = (known[name].correct[inside] for name in ("intact", f"top-{each.percent:g}"))
        lost = drop(intact, top)
        assert (each.n, each.drop) == (inside.sum(), lost.effect)
        assert (each.drop_ci, each.mcnemar_p) == (lost.ci, lost.mcnemar_p)
        assert (each.intact.accuracy, each.top.accuracy) == (intact.mean(), top.mean())
        rules = ["random", "layer-matched", "bottom"] if each.percent == 1 else ["bottom"]
        assert [*each.controls] == rules  # neither the top nor a part of it
        for rule, told in each.controls.items():
            own = [m for m in MASKS if m.rule == rule and m.percent == each.percent]
            drops = [intact.mean() - known[m.name].correct[inside].mean() for m in own]
            assert told.draws == len(own)
            assert told.drop_mean == pytest.approx(np.mean(drops))
            assert told.drop_max == pytest.approx(max(drops))
            expected = None if rule == "bottom" else rank(lost.effect, drops).p
            assert told.p == expected
