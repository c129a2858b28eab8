"""Which kind of site has the largest effect, against plain loops, scipy and statsmodels."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from common.effects.bench import Bench
from common.effects.claim import NO, UNTOLD, YES
from common.effects.judge import judge
from common.effects.kinds_compared import compared
from common.effects.resample import Resampler
from common.effects.site_kinds import AskedKinds
from common.effects.table import read_table

N, DRAWS = 40, 20
BY_RULE = {"layer-matched": DRAWS}


def table(
    kind: str,
    target: float,
    drawn: float = 0.1,
    other: bool = True,
    draws: dict[str, int] | None = None,
    noise: float = 0.7,
) -> pd.DataFrame:
    """A mask that costs the target so much margin, and matched draws that cost it `drawn`."""
    rng = np.random.default_rng([*kind.encode()])
    groups = np.repeat(["face", "object"] if other else ["face"], N)
    intact = np.random.default_rng(0).normal(0.8, 1, len(groups))
    rules = [("intact", "", np.nan), ("top", "top", 1.0)]
    rules += [
        (f"{rule}-{i}", rule, 1.0)
        for rule, n in (BY_RULE if draws is None else draws).items()
        for i in range(n)
    ]
    rows = []
    for name, rule, percent in rules:
        cost = {"": 0.0, "top": target}.get(rule, rng.uniform(0, 2 * drawn))
        lost = cost * (groups == "face") + (rng.normal(0, noise, len(groups)) if rule else 0)
        margin = intact - lost
        rows.append(
            pd.DataFrame(
                {
                    "item": [f"i{i:03d}" for i in range(len(groups))], "group": groups,
                    "label": "", "mask": name, "rule": rule, "percent": percent,
                    "correct": (margin > 0).astype(int), "margin": margin,
                }
            )
        )  # fmt: skip
    return pd.concat(rows, ignore_index=True)


def asked(costs: dict[str, float], other: bool = True, **how: float) -> AskedKinds:
    tables = {kind: table(kind, cost, other=other, **how) for kind, cost in costs.items()}  # type: ignore[arg-type]
    return compared("items", tables, "face", "object" if other else None)


COSTS = {"block": 1.5, "attn": 4.0, "op": 0.3}


@pytest.fixture(scope="module")
def three() -> AskedKinds:
    return asked(COSTS)


def test_the_largest_is_found_and_others_are_no_more_than_that(three: AskedKinds) -> None:
    assert [each.kind for each in three.ranked] == ["attn", "block", "op"]
    assert [each.largest == YES for each in three.kinds] == [False, True, False]
    assert [each.beyond_largest == YES for each in three.kinds] == [False, True, False]
    assert [each.more_than_matched == YES for each in three.kinds[:2]] == [True, True]
    assert three.kinds[1].rival.other == "block"


def test_what_costs_much_whatever_it_is_selective_for_is_largest_but_not_beyond_matched() -> None:
    tables = {"block": table("block", 4.0, drawn=3.8), "attn": table("attn", 2.5)}
    found = compared("items", tables, "face", "object")
    block, attn = found.kinds
    assert (block.largest, block.beyond_largest) == (YES, NO)
    assert (attn.largest, attn.beyond_largest) == (NO, YES)
    assert (block.more_than_matched, attn.more_than_matched) == (NO, YES)
    assert found.rule == "layer-matched"


def test_effects_are_those_of_a_verdict_alone_and_leads_their_differences(
    three: AskedKinds,
) -> None:
    alone = {each.kind: each.adjusted.effect for each in three.kinds}
    assert three.kinds[0].judgement == judge(table("block", COSTS["block"]), "face", "object")
    for each in three.kinds:
        entry = next(e for e in each.judgement.verdict.comparisons if e.rule == "layer-matched")
        assert each.beyond is not None
        assert each.beyond.effect == pytest.approx(entry.excess.effect)
        for lead in each.leads:
            assert lead.more.effect == pytest.approx(alone[each.kind] - alone[lead.other])
            back = next(e for e in three.kinds if e.kind == lead.other)
            mirror = next(e for e in back.leads if e.other == each.kind).more
            assert mirror.ci == (-lead.more.ci[1], -lead.more.ci[0])


def test_p_of_one_group_is_that_of_paired_t_tests_after_holm() -> None:
    costs = {"block": 0.5, "attn": 0.62, "op": 0.3}
    found = asked(costs, other=False)
    tops = {
        kind: (t := table(kind, cost, other=False))[t["mask"] == "top"]["margin"].to_numpy()
        for kind, cost in costs.items()
    }
    alone = [
        max(stats.ttest_rel(tops[b], tops[a], alternative="greater").pvalue for b in tops if a != b)
        for a in tops
    ]
    np.testing.assert_allclose([each.p_alone for each in found.kinds], alone, rtol=1e-9)
    np.testing.assert_allclose(
        [each.p for each in found.kinds], multipletests(alone, method="holm")[1], rtol=1e-9
    )


def test_draws_are_ranked_over_all_kinds_by_the_largest_of_them() -> None:
    """The strongest kind's p, by a loop: its scaled effect against each draw's largest."""
    costs = {"block": 0.4, "attn": 0.5, "op": 0.1}
    found = asked(costs, drawn=0.3)
    tops, rows = [], []
    for each in found.kinds:
        (entry,) = each.drawn
        assert len(entry.effects) == DRAWS
        tops.append(each.adjusted.effect)
        rows.append(entry.effects)
    together = np.column_stack([[top, *row] for top, row in zip(tops, rows, strict=True)])
    scaled = (together - together.mean(axis=0)) / together.std(axis=0)
    best = int(np.argmax(scaled[0]))
    reached = sum(
        any(scaled[draw, kind] >= scaled[0, best] for kind in range(len(costs)))
        for draw in range(1, DRAWS + 1)
    )
    assert found.kinds[best].drawn[0].p == pytest.approx((reached + 1) / (DRAWS + 1))
    for each, (kind, draw) in zip(found.kinds, product(range(3), range(1)), strict=True):
        assert each.drawn[draw].p >= each.drawn[draw].p_alone, kind


def test_few_draws_or_items_cannot_tell() -> None:
    few = {"block": table("block", 4.0, draws={"layer-matched": 5}),
           "attn": table("attn", 1.0, draws={"layer-matched": 5})}  # fmt: skip
    found = compared("items", few, "face", "object")
    assert {each.more_than_matched for each in found.kinds} == {UNTOLD}
    bare = {kind: table(kind, 4.0, draws={}) for kind in ("block", "attn")}
    none = compared("items", bare, "face", "object")
    assert none.rule is None
    assert {each.because for each in none.kinds} == {"no matched control was drawn"}
    assert none.kinds[0].beyond is None


def test_a_rule_that_one_kind_lacks_is_not_what_all_are_held_against() -> None:
    both = {"layer-matched": DRAWS, "magnitude-matched": DRAWS}
    tables = {"block": table("block", 4.0, draws=both), "attn": table("attn", 4.0)}
    found = compared("items", tables, "face", "object")
    assert found.rule == "layer-matched"
    assert [len(each.drawn) for each in found.kinds] == [2, 1]
    # Two that cost as much are neither of them the largest.
    assert [each.more_than_matched for each in found.kinds] == [YES, YES]
    assert [each.largest for each in found.kinds] == [NO, NO]


def test_draws_are_as_many_as_every_kind_has() -> None:
    tables = {
        kind: table(kind, 4.0, draws={"layer-matched": n, "random": 3, "magnitude-matched": m})
        for kind, n, m in (("block", 4, 1), ("attn", 2, 2))
    }
    found = compared("items", tables, "face", "object")
    assert found.rule == "layer-matched"  # of the closer one the block has a single draw
    for each, rules in zip(found.kinds, (["layer"], ["layer", "magnitude"]), strict=True):
        assert [told.rule for told in each.drawn] == [f"{rule}-matched" for rule in rules]
        assert [len(told.effects) for told in each.drawn] == [2] * len(rules)
        for told in each.drawn:
            assert told.mean == pytest.approx(np.mean(told.effects))
            assert told.least == 1 / 3
    bench = Bench(read_table(tables["block"], "face", "object"), "face", "object", Resampler())
    wanted = bench.coefficients[bench.table.at("layer-matched", 1.0)][:2]
    assert found.kinds[0].drawn[0].effects == pytest.approx(wanted)


def test_a_lead_is_the_same_from_either_side(three: AskedKinds) -> None:
    block, attn, _ = three.kinds
    ahead = next(lead for lead in attn.leads if lead.other == "block")
    behind = next(lead for lead in block.leads if lead.other == "attn")
    for one, other in ((ahead.more, behind.more), (ahead.beyond, behind.beyond)):
        assert one is not None
        assert other is not None
        assert one.effect == -other.effect > 0
        assert one.ci == (-other.ci[1], -other.ci[0])
        assert one.ci[0] < one.effect < one.ci[1]
        assert one.p is not None
        assert one.p + other.p == pytest.approx(1)  # type: ignore[operator]
