"""Every mask on every group, against plain loops, scipy and statsmodels; and where it is known."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from common.effects.claim import NO, UNTOLD, YES
from common.effects.crossing import Column, Row, crossed, doubles, holm, overlaps
from common.effects.paired import rate
from common.measure.masks import Mask
from common.measure.overlap import shared
from common.measure.sites import Site

SITES = (Site("a", shape=(12,)), Site("b", shape=(20,)))
DRAWS = 20


def mask(rule: str, units: list[int], seed: int | None = None) -> Mask:
    return Mask(rule, 10.0, seed, SITES, "channel", np.array(units))


def columns(n: int = 40, labels: int = 0) -> list[Column]:
    rng = np.random.default_rng(0)
    of = np.array([str(i % labels) if labels else "" for i in range(n)], dtype=object)
    return [Column(name, rng.normal(4, 1, n), np.ones(n, bool), of) for name in "xyz"]


def row(name: str, own: list[Column], costs: dict[str, float], drawn: float = 0.1) -> Row:
    """A mask that costs every column so much, and matched draws that cost `drawn`."""
    rng = np.random.default_rng([*name.encode()])
    masks = [mask("top", [0, 1, 14]),
             *(mask("layer-matched", [2, 3, 15], seed) for seed in range(DRAWS))]  # fmt: skip
    margins = {
        each.name: [
            c.margin - (costs.get(c.name, 0) if each.rule == "top" else drawn)
            - rng.normal(0, 0.3, len(c.margin))
            for c in own
        ]
        for each in masks
    }  # fmt: skip
    corrects = {name: [m > 3 for m in kept] for name, kept in margins.items()}
    return Row(name, masks, margins, corrects)


def test_a_double_dissociation_is_found_and_nothing_else() -> None:
    own = columns()
    rows = [row("A", own, {"x": 2, "z": 1}), row("B", own, {"y": 2, "z": 1}), row("C", own, {})]
    groups, cells = crossed(own, rows)
    assert [group.n for group in groups] == [40, 40, 40]
    answers = {(cell.localizer, cell.group): cell.singled_out for cell in cells}
    assert [place for place, answer in answers.items() if answer == YES] == [("A", "x"), ("B", "y")]
    (only,) = doubles(cells)
    assert (only.one, only.other) == (("A", "x"), ("B", "y"))


def test_numbers_are_those_of_a_plain_loop() -> None:
    own = columns()
    rows = [row("A", own, {"x": 0.3}), row("B", own, {"y": 0.2}), row("C", own, {"x": 0.15})]
    _, cells = crossed(own, rows)
    alone = []
    for a, c in product(range(3), range(3)):
        top = rows[a].margins[rows[a].top.name][c]
        against = [b for b in range(3) if b != a]
        alone.append(max(
            stats.ttest_rel(rows[b].margins[rows[b].top.name][c], top, alternative="greater").pvalue
            for b in against
        ))  # fmt: skip
        cell = cells[3 * a + c]
        assert cell.loss.effect == pytest.approx(float(np.mean(own[c].margin - top)))
        low, high = stats.t.interval(0.95, 39, cell.loss.effect, stats.sem(own[c].margin - top))
        assert cell.loss.ci[0] == pytest.approx(low, abs=0.05)
        assert cell.loss.ci[1] == pytest.approx(high, abs=0.05)
        assert cell.drop is not None
        assert cell.drop.effect == pytest.approx(np.mean(own[c].correct) - np.mean(top > 3))
    np.testing.assert_allclose([cell.p_alone for cell in cells], alone, rtol=1e-9)
    np.testing.assert_allclose(
        [cell.p for cell in cells], multipletests(alone, method="holm")[1], rtol=1e-9
    )
    assert holm([0.2, 0.01]) == pytest.approx([0.2, 0.02])


def test_matched_draws_are_ranked_over_all_cells() -> None:
    """A cell that is beyond its own draws, but not beyond the largest of all cells', is no more."""
    own = columns()
    strong = [row("A", own, {"x": 2}), row("B", own, {"y": 2})]
    _, cells = crossed(own, strong)
    ranks = {(c.localizer, c.group): c.drawn[0].p for c in cells}
    assert ranks["A", "x"] == ranks["B", "y"] == pytest.approx(1 / (DRAWS + 1))
    assert ranks["A", "y"] > 0.3
    loud = [row("A", own, {"x": 2}, drawn=2.0), row("B", own, {"y": 2})]
    _, cells = crossed(own, loud)
    assert cells[0].singled_out == NO
    assert cells[0].because.startswith("not more than under layer-matched draws")


def test_labels_are_resampled_whole() -> None:
    own = columns(labels=8)
    rows = [row("A", own, {"x": 0.3}), row("B", own, {})]
    for each, shift in zip(rows[0].margins[rows[0].top.name], (1, 1, 1), strict=True):
        each += shift * np.repeat(np.random.default_rng(1).normal(0, 1, (1, 8)), 5, axis=0).ravel()
    alike = [Column(c.name, c.margin, c.correct, np.full(40, "", dtype=object)) for c in own]
    wide, narrow = (crossed(each, rows)[1][0].loss.ci for each in (own, alike))
    assert wide[1] - wide[0] > 1.3 * (narrow[1] - narrow[0])


def test_few_items_or_draws_cannot_tell() -> None:
    few = columns(12)
    _, cells = crossed(few, [row("A", few, {"x": 2}), row("B", few, {"y": 2})])
    assert {cell.singled_out for cell in cells} == {UNTOLD}
    assert cells[0].because == "12 items, and 30 are needed"
    own = columns()
    bare = [row("A", own, {"x": 2}), row("B", own, {"y": 2})]
    alone = [Row(r.localizer, r.masks[:1], r.margins, r.corrects) for r in bare]
    _, cells = crossed(own, alone)
    assert (cells[0].singled_out, cells[0].because) == (
        UNTOLD, "0 draws of matched masks cannot give a p of 0.05",
    )  # fmt: skip


def test_the_same_mask_twice_is_ahead_of_nothing() -> None:
    own = columns()
    one = row("A", own, {"x": 2})
    twin = Row("B", one.masks, one.margins, one.corrects)
    _, cells = crossed(own, [one, twin])
    assert {cell.p for cell in cells} == {1.0}
    (pair,) = overlaps([one, twin])
    assert pair.shared == 3


def test_overlaps_are_those_of_drawing_again_and_again() -> None:
    rng = np.random.default_rng(0)
    one, other = mask("top", [0, 1, 2, 3, 12, 13]), mask("top", [2, 3, 4, 12, 20, 21, 22])
    found = shared(one, other)
    within = [
        sum(
            len(np.intersect1d(rng.choice(size, a, False), rng.choice(size, b, False)))
            for a, b, size in ((4, 3, 12), (2, 4, 20))
        )
        for _ in range(1500)
    ]
    assert found.n == 3
    assert found.chance == pytest.approx(6 * 7 / 32)
    assert found.chance_within == pytest.approx(np.mean(within), abs=0.1)
    assert found.p == pytest.approx(np.mean(np.array(within) >= 3), abs=0.05)


@pytest.mark.parametrize(
    ("one", "other"),
    [([0, 1, 2], [2, 3]), ([0], [0, 1, 2, 3, 4]), ([0, 12], [12]), ([0, 1, 12, 13], [1, 13, 14])],
)
def test_p_of_an_overlap_is_that_of_counting_all_ways(one: list[int], other: list[int]) -> None:
    """Every way to draw as many units of each site as the other mask has there."""
    ways = []
    for first, size in ((0, 12), (12, 20)):
        own = {unit for unit in one if first <= unit < first + size}
        n = sum(first <= unit < first + size for unit in other)
        drawn = combinations(range(first, first + size), n)
        ways.append([len(own.intersection(units)) for units in drawn])
    found = shared(mask("top", one), mask("top", other))
    assert found.n == len({*one} & {*other})
    reached = [a + b >= found.n for a, b in product(*ways)]
    assert found.p == pytest.approx(np.mean(reached), rel=1e-12)
    assert found.chance_within == pytest.approx(np.mean([a + b for a, b in product(*ways)]))


def test_masks_without_a_common_site_share_nothing() -> None:
    found = shared(mask("top", [0, 1]), mask("top", [12]))
    assert (found.n, found.chance_within, found.p) == (0, 0, 1.0)


def test_of_two_localizers_each_has_to_single_out_a_group_of_its_own() -> None:
    own = columns()
    rows = [row("A", own, {"x": 2, "y": 2}), row("B", own, {"z": 2})]
    groups, cells = crossed(own, rows)
    out = [(cell.localizer, cell.group) for cell in cells if cell.singled_out == YES]
    assert out == [("A", "x"), ("A", "y"), ("B", "z")]
    assert [(each.one, each.other) for each in doubles(cells)] == [
        (("A", "x"), ("B", "z")), (("A", "y"), ("B", "z")),
    ]  # fmt: skip
    assert [group.intact for group in groups] == [rate(each.correct) for each in own]
    same = [cell.model_copy(update={"group": "x"}) for cell in cells]
    assert doubles(same) == []


def test_a_lead_is_the_same_from_either_side() -> None:
    own = columns()
    rows = [row("A", own, {"x": 2}), row("B", own, {"x": 1})]
    _, cells = crossed(own, rows)
    ahead, behind = (cells[place].leads[0].loss for place in (0, 3))
    more = rows[1].margins["top-10"][0] - rows[0].margins["top-10"][0]
    assert ahead.effect == pytest.approx(more.mean())
    assert behind.effect == -ahead.effect
    assert behind.ci == (-ahead.ci[1], -ahead.ci[0])
    assert ahead.ci[0] < ahead.effect < ahead.ci[1]
    assert behind.p == pytest.approx(stats.ttest_1samp(-more, 0, alternative="greater").pvalue)


def test_running_text_has_no_accuracy() -> None:
    text = [Column(c.name, c.margin, None, c.labels) for c in columns()]
    rows = [
        Row(r.localizer, r.masks, r.margins, {name: [None] * 3 for name in r.corrects})
        for r in (row("A", text, {"x": 2}), row("B", text, {"y": 2}))
    ]
    groups, cells = crossed(text, rows)
    assert {group.intact for group in groups} == {None}
    assert {(cell.ablated, cell.drop) for cell in cells} == {(None, None)}
    assert len(doubles(cells)) == 1


def test_draws_stand_against_their_part_as_many_as_all_have() -> None:
    own = columns()
    part = mask("matched-part", [0])
    rows = []
    for name, n in (("A", 2), ("B", 4)):
        base, rng = row(name, own, {"x": 1}), np.random.default_rng(n)
        loud = [mask("magnitude-matched", [2], seed) for seed in range(n)]
        more = {m.name: [c.margin - rng.normal(0.5, 0.1, 40) for c in own] for m in (part, *loud)}
        margins = {**base.margins, **more}
        corrects = {key: [m > 0 for m in kept] for key, kept in margins.items()}
        rows.append(Row(name, [base.masks[0], part, *loud], margins, corrects))
    assert rows[0].rival("magnitude-matched") is part
    assert rows[0].rival("layer-matched") is rows[0].top
    _, cells = crossed(own, rows)
    for cell, (at, column) in zip(cells, product(range(2), range(3)), strict=True):
        (told,) = cell.drawn
        assert (told.against, told.draws, told.least) == ("matched-part", 2, 1 / 3)
        drawn = [
            (own[column].margin - rows[at].margins[f"magnitude-matched-10-s0{i}"][column]).mean()
            for i in range(2)
        ]
        assert told.mean == pytest.approx(np.mean(drawn))


def test_thirty_items_are_enough() -> None:
    for n, told in ((29, UNTOLD), (30, YES)):
        own = columns(n)
        _, cells = crossed(own, [row("A", own, {"x": 2}), row("B", own, {"y": 2})])
        assert cells[0].singled_out == told
