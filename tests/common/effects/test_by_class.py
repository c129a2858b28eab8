"""Which classes: against scipy and a plain loop, and where the answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from common.effects.by_class import ByClass, _Split, by_class, interval, spearman
from common.effects.items import Items, Outcome
from common.measure.masks import Mask
from common.measure.sites import Site

N, EACH = 12, 10  # classes of a group, items of a class
KEYS = [(group, f"{n:02d}") for group in ("face", "object") for n in range(N) for _ in range(EACH)]
ITEMS = Items(
    [str(i) for i in range(len(KEYS))], np.array([group for group, _ in KEYS]), "face", "object",
    np.array([label for _, label in KEYS]),
)  # fmt: skip
TOP = Mask("top", 1.0, None, (Site("a", shape=(9,)),), "channel", np.array([1]))
DRAWS = [
    Mask("layer-matched", 1.0, seed, TOP.sites, "channel", np.array([2])) for seed in range(19)
]


def outcome(margin: np.ndarray) -> Outcome:
    return Outcome(np.zeros(len(margin), int), margin > 0, margin)


def asked(serving: float, shared: float = 0.0) -> tuple[ByClass, np.ndarray, np.ndarray]:
    """Classes that lose as much as they drive the units, times `serving`; draws cost `shared`."""
    rng = np.random.default_rng(2)
    level = np.repeat(rng.normal(size=2 * N), EACH)
    response, intact = level + rng.normal(0, 0.3, len(KEYS)), rng.normal(4, 1, len(KEYS))
    loss = serving * level + rng.normal(0, 0.3, len(KEYS))
    outcomes = {TOP.name: outcome(intact - loss)}
    for mask in DRAWS:
        cost = shared * level + rng.normal(0, 0.3, len(KEYS))
        outcomes[mask.name] = outcome(intact - cost)
    found = by_class(ITEMS, response, outcome(intact), TOP, outcomes, [TOP, *DRAWS])
    assert found is not None
    return found, response, loss


def test_classes_that_drive_the_units_and_lose_are_found() -> None:
    found, *_ = asked(1.0)
    every, faces, objects = found.correlations
    assert (every.among, faces.among, objects.among) == ("all", "face", "object")
    assert (every.n, faces.n) == (2 * N, N)
    assert every.correlation > 0.9
    assert every.ci[0] > 0.7
    assert every.matched[0].p == pytest.approx(1 / 20)
    hard, *_ = asked(1.0, shared=1.0)  # every mask does it
    assert hard.correlations[0].matched[0].p > 0.2
    none, *_ = asked(0.0)
    assert none.correlations[0].ci[0] < 0 < none.correlations[0].ci[1]


def test_numbers_are_those_of_a_plain_loop_and_no_item_serves_both() -> None:
    found, response, loss = asked(0.5)
    split = _Split(KEYS, 0)
    one, two = ({*np.flatnonzero(half.any(axis=0)).tolist()} for half in split.means)
    assert not one & two
    assert one | two == {*range(len(KEYS))}
    rho = []
    for a, b in ((0, 1), (1, 0)):
        first = [response[half > 0].mean() for half in split.means[a]]
        second = [loss[half > 0].mean() for half in split.means[b]]
        rho.append(stats.spearmanr(first, second).statistic)
    assert found.correlations[0].correlation == pytest.approx(np.mean(rho), abs=1e-6)
    for each, name, half, other in zip(found.classes, split.names, *split.means, strict=True):
        assert (each.group, each.name) == name
        assert each.response == pytest.approx(response[half > 0].mean())
        assert each.loss == pytest.approx(loss[other > 0].mean(), abs=1e-4)


def test_spearman_is_that_of_scipy_and_its_interval_covers() -> None:
    rng = np.random.default_rng(1)
    one, others = rng.integers(0, 6, 20).astype(float), rng.normal(size=(20, 3))
    others[:, 1] = 2.0
    expected = [stats.spearmanr(one, others[:, i]).statistic for i in (0, 2)]
    np.testing.assert_allclose(spearman(one, others)[[0, 2]], expected)
    assert spearman(one, others)[1] == 0
    true = 6 / np.pi * np.arcsin(0.6 / 2)  # of a normal pair whose Pearson correlation is 0.6
    inside = 0
    for _ in range(300):
        x = rng.normal(size=(30, 2))
        pair = x[:, 0], 0.6 * x[:, 0] + 0.8 * x[:, 1]
        low, high = interval(float(spearman(pair[0], pair[1][:, None])[0]), 30)
        inside += low <= true <= high
    assert inside >= 275


def test_few_classes_have_no_correlation() -> None:
    few = Items(ITEMS.names, ITEMS.groups, "face", "object", np.repeat(["a", "b"], len(KEYS) // 2))
    margin = np.zeros(len(KEYS))
    given = (margin, outcome(margin), TOP, {TOP.name: outcome(margin)}, [TOP])
    assert by_class(few, *given) is None
    assert by_class(Items(ITEMS.names, ITEMS.groups, "face", "object"), *given) is None


@pytest.mark.parametrize(("rho", "n"), [(0.5, 10), (-0.8, 24), (0.0, 6)])
def test_its_interval_is_bonett_and_wrights(rho: float, n: int) -> None:
    reach = stats.norm.ppf(0.975) * math.sqrt((1 + rho**2 / 2) / (n - 3))
    wanted = math.tanh(math.atanh(rho) - reach), math.tanh(math.atanh(rho) + reach)
    assert interval(rho, n) == pytest.approx(wanted, rel=1e-12)
    low, high = interval(1.0, n)
    assert 0.9 < low < high <= 1


def some(
    sizes: dict[tuple[str, str], int],
    masks: list[Mask] | None = None,
    scale: float = 1.0,
    seed: int = 4,
    untouched: str = "",
    alike: str = "",
) -> ByClass | None:
    """Classes of so many items each, a response and losses by chance; one group may lose none."""
    keys = [key for key, n in sizes.items() for _ in range(n)]
    rng = np.random.default_rng(seed)
    intact = rng.normal(4, 1, len(keys)) * scale
    items = Items(
        [str(i) for i in range(len(keys))], np.array([group for group, _ in keys]), "face",
        "object", np.array([label for _, label in keys]),
    )  # fmt: skip
    masks = [TOP, *DRAWS] if masks is None else masks
    outcomes = {mask.name: outcome(intact - scale * rng.normal(size=len(keys))) for mask in masks}
    response = rng.normal(size=len(keys))
    response[[group == alike for group, _ in keys]] = 0.1  # means of it differ in their last digits
    same = np.array([group == untouched for group, _ in keys])
    outcomes[TOP.name] = outcome(np.where(same, intact, outcomes[TOP.name].margin))
    return by_class(items, response, outcome(intact), TOP, outcomes, masks)


def classes(faces: int, objects: int, each: int = 2) -> dict[tuple[str, str], int]:
    return {
        (group, f"{i:02d}"): each
        for group, n in (("face", faces), ("object", objects)) for i in range(n)
    }  # fmt: skip


def test_six_classes_of_two_items_are_enough_and_five_are_not() -> None:
    assert some(classes(3, 2)) is None
    found = some(classes(3, 3))
    assert found is not None
    assert [each.n for each in found.classes] == [(1, 1)] * 6
    assert [each.among for each in found.correlations] == ["all"]
    assert some(classes(3, 2) | {("object", "of one item"): 1}) is None
    larger = some(classes(7, 6))
    assert larger is not None
    assert [each.among for each in larger.correlations] == ["all", "face", "object"]
    alone = some(classes(6, 0) | classes(0, 6, each=1))
    assert alone is not None
    assert [each.among for each in alone.correlations] == ["all"]  # the faces are all there is
    few = some(classes(7, 5))
    assert few is not None
    assert [each.among for each in few.correlations] == ["all", "face"]


def test_the_first_half_has_the_item_that_is_over() -> None:
    found = some(classes(6, 0, each=5) | classes(0, 1, each=1))
    assert found is not None
    assert {each.n for each in found.classes} == {(3, 2)}


def test_matched_losses_are_those_of_every_draw() -> None:
    part = Mask("matched-part", 1.0, None, TOP.sites, "channel", np.array([1]))
    loud = [
        Mask("magnitude-matched", 1.0, seed, TOP.sites, "channel", np.array([2])) for seed in (0, 1)
    ]
    single = Mask("layer-matched", 1.0, 0, TOP.sites, "channel", np.array([2]))
    found = some(classes(7, 7), [TOP, part, single, *loud], seed=6)
    assert found is not None
    (told,) = found.correlations[0].matched  # of a single draw there is no rank
    assert (told.rule, told.draws) == ("magnitude-matched", 2)
    assert -1 <= told.mean <= 1
    keys = [key for key, n in classes(7, 7).items() for _ in range(n)]
    rng = np.random.default_rng(6)
    rng.normal(size=len(keys))  # the intact margins, which come first
    split = _Split(keys, 0)
    losses = [rng.normal(size=len(keys)) for _ in range(5)]
    response, rows = rng.normal(size=len(keys)), [*range(14)]
    top, own, *drawn = (
        float(split.correlations(response, np.round(loss, 9)[:, None], rows)[0])
        for loss in (*losses[:2], *losses[3:])
    )
    assert told.mean == pytest.approx(np.mean(drawn))
    p_of_top, p_of_part = ((1 + sum(each >= r for each in drawn)) / 3 for r in (top, own))
    assert told.p == p_of_part != p_of_top


def test_a_response_that_is_not_finite_is_none() -> None:
    response = np.ones(len(KEYS))
    response[5] = np.nan
    outcomes = {mask.name: outcome(np.ones(len(KEYS))) for mask in [TOP, *DRAWS]}
    assert by_class(ITEMS, response, outcome(np.ones(len(KEYS))), TOP, outcomes, [TOP]) is None


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_unit_of_the_margin_does_not_count(scale: float) -> None:
    found, wanted = some(classes(7, 7), scale=scale), some(classes(7, 7))
    assert found is not None
    assert wanted is not None
    assert found.correlations[0] == wanted.correlations[0]


def test_margins_that_are_all_0_rank_nothing() -> None:
    found = some(classes(7, 7), scale=0.0)
    assert found is not None
    assert found.correlations == ()
    assert {each.loss for each in found.classes} == {0.0}


def test_a_group_that_loses_nothing_is_not_ranked() -> None:
    """Whose correlation would be 0 with an interval, as if it had been measured."""
    found = some(classes(7, 7))
    still = some(classes(7, 7), untouched="object")
    assert found is not None
    assert still is not None
    assert [each.among for each in found.correlations] == ["all", "face", "object"]
    alike = some(classes(7, 7), alike="object")
    assert alike is not None
    assert [each.among for each in alike.correlations] == ["all", "face"]
    assert [each.among for each in still.correlations] == ["all", "face"]


def test_halves_of_a_seed_are_those_of_runs_before() -> None:
    split = _Split([("face", str(i // 5)) for i in range(15)], 2)
    assert [np.flatnonzero(row).tolist() for row in split.means[0]] == [
        [0, 2, 4],
        [6, 7, 8],
        [10, 13, 14],
    ]
