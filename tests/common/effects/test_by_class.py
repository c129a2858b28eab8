"""Which classes: against scipy and a plain loop, and where the answer is known."""

from __future__ import annotations

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
