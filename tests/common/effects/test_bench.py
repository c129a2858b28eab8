"""Every number of the verdict, against plain loops over a table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from common.effects.bench import Bench, whole_labels
from common.effects.controls import rank, ranks_over_doses
from common.effects.judge import judge, judge_bench
from common.effects.margins import design
from common.effects.paired import drop, rate
from common.effects.resample import Resampler
from common.effects.studentized import Studentized
from common.effects.table import numbered, read_table

N, M = 12, 16
TARGET = np.arange(N + M) < N
GROUPS = {"face": TARGET, "object": ~TARGET}
RNG = np.random.default_rng(0)
INTACT = RNG.normal(0.5, 1, N + M)
LABELS = np.array([f"c{i % 7}" for i in range(N + M)], dtype=object)
LAYERS = ((1.0, 6), (2.0, 4))  # draws of a rule at either dose
DRAWN = [
    ("top", 1.0, ["top-1"]), ("top", 2.0, ["top-2"]), ("matched-part", 1.0, ["part"]),
    *(("layer-matched", dose, [f"l{dose:g}-s{i:02d}" for i in range(n)]) for dose, n in LAYERS),
    ("magnitude-matched", 1.0, [f"m-s{i:02d}" for i in range(5)]), ("bottom", 1.0, ["b"]),
    ("random", 1.0, ["r-s00", "r-s01"]), ("random", 2.0, ["r2-s00"]),
]  # fmt: skip
LOSS = {
    name: RNG.normal(0.2, 0.5, N + M) + (rule == "top") * TARGET
    for rule, _, names in DRAWN for name in names
}  # fmt: skip


def rows(mask: str, rule: str, percent: float, margin: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({
        "item": [f"i{i:02d}" for i in range(N + M)], "group": np.where(TARGET, "face", "object"),
        "label": LABELS, "mask": mask, "rule": rule, "percent": percent,
        "correct": (margin > 0).astype(int), "margin": margin,
    })  # fmt: skip


def table(text: bool = False) -> pd.DataFrame:
    parts = [rows("intact", "", np.nan, INTACT)]
    parts += [
        rows(name, rule, dose, INTACT - LOSS[name]) for rule, dose, names in DRAWN for name in names
    ]
    whole = pd.concat(parts, ignore_index=True)
    return whole.drop(columns="correct") if text else whole


def bench(other: str | None = "object", text: bool = False) -> Bench:
    return Bench(read_table(table(text), "face", other), "face", other, Resampler())


def effect(losses: np.ndarray) -> float:
    return float(design(INTACT, TARGET, numbered(LABELS)).effects(losses))


def test_a_comparison_is_what_a_loop_over_its_draws_says() -> None:
    verdict = judge_bench(bench()).doses[0]
    assert [(e.rule, e.against, e.draws) for e in verdict.comparisons] == [
        ("layer-matched", "top", 6), ("magnitude-matched", "matched-part", 5), ("random", "top", 2),
    ]  # fmt: skip
    drops = {
        name: float(np.mean(((INTACT > 0) * 1.0 - (INTACT - lost > 0))[TARGET])
                    - np.mean(((INTACT > 0) * 1.0 - (INTACT - lost > 0))[~TARGET]))
        for name, lost in LOSS.items()
    }  # fmt: skip
    for entry, own in zip(verdict.comparisons, ("top-1", "part", "top-1"), strict=True):
        (names,) = (of for rule, dose, of in DRAWN if (rule, dose) == (entry.rule, 1.0))
        drawn = np.array([effect(LOSS[name]) for name in names])
        assert entry.mean == pytest.approx(drawn.mean())
        assert entry.most == pytest.approx(drawn.max())  # no draw of six is beyond 95 %
        assert entry.p_alone == rank(effect(LOSS[own]), drawn).p
        beyond = LOSS[own] - np.mean([LOSS[name] for name in names], axis=0)
        assert entry.excess.effect == pytest.approx(effect(beyond))
        known = Studentized(design(INTACT, TARGET, numbered(LABELS)), Resampler())
        assert entry.excess.ci == pytest.approx(known.interval(beyond), rel=1e-6)
        for group, inside in GROUPS.items():
            lost = [LOSS[name][inside] for name in names]
            assert entry.loss[group] == pytest.approx(np.mean(lost))
            right = [(INTACT[inside] - each > 0).mean() for each in lost]
            assert entry.accuracy[group] == pytest.approx(np.mean(right))
        if entry.rule != "layer-matched":  # drawn at one dose alone, but for a single draw
            assert entry.p == entry.p_alone
            assert entry.interaction_p == rank(drops[own], [drops[name] for name in names]).p


@pytest.mark.parametrize("other", ["object", None])
def test_the_interaction_is_of_drops_and_its_p_the_largest_of_matched_rules(
    other: str | None,
) -> None:
    known = bench(other)
    drops = [
        [(INTACT[inside] > 0).mean() - ((INTACT - LOSS[name])[inside] > 0).mean() for name in LOSS]
        for inside in GROUPS.values()
    ]
    wanted = np.array(drops[0]) - (np.array(drops[1]) if other else 0)
    assert known.interactions is not None
    by_name = dict(zip(known.table.masks["mask"], known.interactions, strict=True))
    assert [by_name[name] for name in LOSS] == pytest.approx(wanted.tolist())
    verdict = judge_bench(known).doses[0]
    assert verdict.interaction is not None
    assert verdict.interaction.effect == pytest.approx(wanted[0])
    ps = [entry.interaction_p for entry in verdict.comparisons if entry.matched]
    assert verdict.interaction.p == max(p for p in ps if p is not None)
    assert verdict.adjusted.p == max(entry.p for entry in verdict.comparisons if entry.matched)


def test_doses_of_a_rule_are_ranked_together() -> None:
    found = judge_bench(bench())
    names = [[f"l{dose:g}-s{i:02d}" for i in range(4)] for dose in (1, 2)]  # in common
    tops = [effect(LOSS[f"top-{dose}"]) for dose in (1, 2)]
    draws = np.array([[effect(LOSS[name]) for name in own] for own in names]).T
    wanted = ranks_over_doses(tops, draws)
    for verdict, over in zip(found.doses, wanted, strict=True):
        entry = verdict.comparisons[0]
        assert (entry.p, entry.least, entry.settled) == (over.p, over.least, over.stopped)


def test_groups_are_told_as_they_are() -> None:
    verdict = judge_bench(bench()).doses[0]
    lost = LOSS["top-1"]
    for group, inside in GROUPS.items():
        told = verdict.groups[group]
        intact, ablated = INTACT[inside] > 0, (INTACT - lost)[inside] > 0
        assert told.n == inside.sum()
        assert (told.intact, told.ablated) == (rate(intact), rate(ablated))
        assert told.drop == drop(intact, ablated)
        assert told.loss.effect == pytest.approx(lost[inside].mean())
        clusters = np.unique(LABELS[inside].astype(str), return_inverse=True)[1]
        mean = Studentized(design(INTACT[inside], None, clusters), Resampler())
        assert told.loss.ci == pytest.approx(mean.interval(lost[inside]))
    plain = Studentized(design(np.zeros(N + M), TARGET, numbered(LABELS)), Resampler())
    assert verdict.plain.effect == pytest.approx(lost[TARGET].mean() - lost[~TARGET].mean())
    assert verdict.plain.ci == pytest.approx(plain.interval(lost))
    assert verdict.n_changed == ((INTACT > 0) != (INTACT - lost > 0)).sum()


def test_the_smallest_visible_effect_passes_every_threshold_in_four_of_five_runs() -> None:
    verdict = judge_bench(bench()).doses[0]
    own = [verdict.adjusted, *(entry.excess for entry in verdict.comparisons[:2])]
    half, *beyond = (each.effect - each.ci[0] for each in own)
    matched = verdict.comparisons[:2]
    thresholds = [half, *(entry.most for entry in matched)]
    thresholds += [e.mean + b for e, b in zip(matched, beyond, strict=True)]
    error = float(design(INTACT, TARGET, numbered(LABELS)).errors(LOSS["top-1"]))
    wanted = max(thresholds) + stats.norm.ppf(0.8) * error
    assert verdict.smallest_visible == pytest.approx(wanted)
    bare = table()
    few = judge(bare[~bare["rule"].str.contains("-matched")], "face", "object").verdict
    assert few.smallest_visible == pytest.approx(half + stats.norm.ppf(0.8) * error)


@pytest.mark.parametrize(("n", "known"), [(1, False), (2, True)])
def test_of_one_item_no_effect_is_visible(n: int, known: bool) -> None:
    whole = table()
    some = whole[(whole["group"] == "object") | whole["item"].isin([f"i{i:02d}" for i in range(n)])]
    assert (judge(some, "face", "object").smallest_visible is not None) is known


def test_one_group_and_running_text_have_what_they_have() -> None:
    alone = judge_bench(bench(None)).doses[0]
    lost = LOSS["top-1"][TARGET]
    assert alone.adjusted.effect == alone.plain.effect == pytest.approx(lost.mean())
    assert alone.interaction is not None
    assert alone.groups["face"].drop is not None
    assert alone.interaction.effect == alone.groups["face"].drop.effect
    assert alone.interaction.ci == alone.groups["face"].drop.ci
    text = judge_bench(bench(text=True)).doses[0]
    assert (text.interaction, text.groups["face"].intact, text.n_changed) == (None, None, N + M)
    assert text.groups["object"].loss.effect == pytest.approx(LOSS["top-1"][~TARGET].mean())
    assert {entry.interaction_p for entry in text.comparisons} == {None}


def test_labels_are_clusters_where_each_group_has_six() -> None:
    assert bench().clusters.tolist() == numbered(LABELS).tolist()
    for n, together in ((6, True), (5, False)):
        labels = np.array([f"c{i % n}" for i in range(12)], dtype=object)
        assert (len(np.unique(whole_labels(labels))) == n) is together
        whole = table()
        whole.loc[whole["group"] == "face", "label"] = np.tile(labels, len(whole) // (N + M))
        found = Bench(read_table(whole, "face", "object"), "face", "object", Resampler())
        assert found.n_labels == {"face": n, "object": 7}
        assert (found.design.n_clusters < N + M) is together


def test_a_measure_is_handed_on() -> None:
    assert judge(table().assign(measure="agreement"), "face", "object").measure == "agreement"
