"""How alike runs of several seeds are, against plain loops."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from common.effects.agreement import agreement, said
from common.effects.judgement import Judgement
from tests.common.conftest import MapMaker, rescored
from tests.common.made import estimate, judgement, verdict_at


def judged(effect: float, p: float | None, outcome: str) -> Judgement:
    head = verdict_at(adjusted=estimate(effect, p), outcome=outcome)
    return Judgement.model_validate(judgement([head]))


JUDGED = [
    judged(0.5, 0.05, "evidence"), judged(0.1, 0.4, "no evidence"), judged(0.9, 0.02, "evidence"),
]  # fmt: skip


def test_numbers_are_those_of_a_plain_loop(make_map: MapMaker) -> None:
    first, rng = make_map(), np.random.default_rng(0)
    maps = [rescored(first, (first.t + rng.normal(0, 3, 100)) / 1000) for _ in range(3)]
    found = agreement(maps, JUDGED, 10.0)
    tops = [set(np.argsort(-each.t)[:10].tolist()) for each in maps]
    pairs = [*combinations(range(3), 2)]
    rs = [np.corrcoef(maps[a].t, maps[b].t)[0, 1] for a, b in pairs]
    shares = [len(tops[a] & tops[b]) / 10 for a, b in pairs]
    assert (found.n, found.percent, found.n_units) == (3, 10.0, 10)
    assert found.n_all == len(tops[0] & tops[1] & tops[2])
    for told, values in (
        (found.correlation, rs), (found.shared, shares), (found.effect, [0.5, 0.1, 0.9]),
        (found.p, [0.05, 0.4, 0.02]),
    ):  # fmt: skip
        assert told is not None
        assert (told.mean, told.low, told.high) == pytest.approx(
            (np.mean(values), min(values), max(values))
        )
    assert 0 < found.shared.low < 1
    assert found.chance == 0.1
    assert found.effect_sd == pytest.approx(0.4)
    assert found.outcomes == {"evidence": 2, "no evidence": 1}
    first_line, second = said(found)
    assert first_line == (
        "Over 3 seeds, at 10 %: evidence in 2, no evidence in 1; adjusted effect +0.500 on average "
        "(+0.100 to +0.900, sd 0.4); p 0.020 to 0.400."
    )
    assert f"share {100 * np.mean(shares):.1f} % of 10 units" in second
    assert f"({100 * min(shares):.0f} to {100 * max(shares):.0f}; by chance 10.0 %)" in second


def test_p_is_told_where_every_run_has_one(make_map: MapMaker) -> None:
    maps = [make_map(), make_map(seed=1)]
    found = agreement(maps, [JUDGED[0], judged(0.2, None, "cannot tell")], 10.0)
    assert found.p is None
    assert "; p " not in said(found)[0]


def test_scores_without_variance_correlate_where_they_are_the_same(make_map: MapMaker) -> None:
    first = make_map()
    flat = rescored(first, np.ones(100))
    for other, expected in ((flat, 1.0), (first, 0.0)):
        for maps in ([flat, other], [other, flat]):
            assert agreement(maps, JUDGED[:2], 10.0).correlation.mean == expected
    assert said(agreement([first, first], JUDGED[:2], 10.0))[1] == (
        "The map and its masks do not depend on the seed here."
    )


def test_scores_that_differ_by_their_last_digits_are_the_same(make_map: MapMaker) -> None:
    """Of which a plain correlation is now and then a digit below 1."""
    first, rng = make_map(), np.random.default_rng(0)
    for _ in range(20):
        same = rescored(first, first.t * (1 + rng.uniform(-1e-14, 1e-14, 100)))
        found = agreement([first, same], JUDGED[:2], 10.0)
        assert found.correlation.low == 1
        assert "do not depend on the seed" in said(found)[1]
    other = rescored(first, first.t + rng.uniform(-1e-6, 1e-6, 100))
    assert "r = 1.00" in said(agreement([first, other], JUDGED[:2], 10.0))[1]
