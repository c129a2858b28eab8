"""The map that comes out of what was recorded in halves."""

from __future__ import annotations

import numpy as np
import pytest

from common.measure.halves import assign_groups, selectivity_map
from common.measure.moments import Moments
from common.measure.shares import headline_of, in_top, split_half
from common.measure.sites import Site

SITES = (Site("a", shape=(30,)), Site("b", shape=(20,)))
SIDES = np.repeat([True, False], [40, 44])
GROUPS = assign_groups(["adult"] * 40 + ["car"] * 44, SIDES, 0)


class Kept:
    """A recorder that has all activations at hand."""

    unit, pooling, statistic = "neuron", "none", "signed"

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def group(self, number: int) -> dict[Site, Moments]:
        own = self.values[number == GROUPS]
        parts = np.split(own, [30], axis=1)
        return {site: Moments.of(part) for site, part in zip(SITES, parts, strict=True)}

    def finer_group(self, _: int) -> dict[Site, Moments]:
        return {}


def shown() -> np.ndarray:
    values = np.random.default_rng(0).normal(0, 1, (84, 50))
    values[SIDES] += np.linspace(0, 2, 50)
    return values


def test_it_says_how_it_was_recorded() -> None:
    found = selectivity_map(Kept(shown()), [10.0], {"note": "x"})
    assert (found.unit, found.pooling, found.statistic) == ("neuron", "none", "signed")
    assert (found.n_target, found.n_control, found.about["note"]) == (40, 44, "x")


@pytest.mark.parametrize(("about", "k"), [({}, 3), ({"k": "truncated"}, 2)])
def test_halves_are_compared_by_as_many_units_as_masks_have(about: dict, k: int) -> None:
    values = shown()
    found = selectivity_map(Kept(values), [5.5], about)
    assert found.n_chosen(5.5) == k
    t = []
    for one, two in ((0, 2), (1, 3)):
        target, control = values[one == GROUPS], values[two == GROUPS]
        error = target.var(0, ddof=1) / len(target) + control.var(0, ddof=1) / len(control)
        t.append((target.mean(0) - control.mean(0)) / np.sqrt(error))
    told = found.about["split_half"]
    assert told["correlation"] == pytest.approx(np.corrcoef(*t)[0, 1])
    assert told["dice"] == {"5.5": (in_top(t[0], k) & in_top(t[1], k)).sum() / k}
    assert told["dice_chance"] == {"5.5": k / 50}


def test_top_units_are_lower_where_their_output_is_and_not_where_it_is_the_same() -> None:
    values = np.abs(shown())
    found = selectivity_map(Kept(values), [10.0], {})
    assert found.about["lower_signed"] == {"10": 0}
    top = found.ranking[:5]
    same = values.copy()
    kept = Kept(same)
    groups = kept.group

    def turned(number: int) -> dict[Site, Moments]:
        """Outputs of two top units fall below zero for the target; a third one's are all alike."""
        parts = groups(number)
        row = np.concatenate([parts[site].output for site in SITES])
        if number < 2:
            row[top[:2]] = -9.0
        row[top[2]] = 1.0
        for site, output in zip(SITES, np.split(row, [30]), strict=True):
            parts[site].output[:] = output
        return parts

    kept.group = turned  # type: ignore[method-assign]
    assert selectivity_map(kept, [10.0], {}).about["lower_signed"] == {"10": 2}


def test_halves_of_a_seed_are_those_of_runs_before() -> None:
    found = assign_groups(list("aaaabbbb") + list("cccc"), [True] * 8 + [False] * 4, 3)
    assert found.tolist() == [0, 1, 0, 1, 1, 0, 0, 1, 3, 2, 2, 3]


def test_the_unit_of_the_score_does_not_count() -> None:
    one, two = np.random.default_rng(0).normal(size=(2, 40))
    small = split_half(1e-3 * one, 1e-3 * two, [10]).correlation
    assert small == pytest.approx(np.corrcoef(one, two)[0, 1])
    for flat in ((one, np.ones(40)), (np.ones(40), two)):
        assert split_half(*flat, [10]).correlation == 0


def test_of_those_that_tie_with_the_last_no_more_are_taken_than_there_is_room_for() -> None:
    score = np.array([2.0, 3.0, 2.0, 1.0, 2.0, 2.0])
    for k, units in ((1, [1]), (2, [0, 1]), (3, [0, 1, 2]), (5, [0, 1, 2, 4, 5]), (6, [*range(6)])):
        assert np.flatnonzero(in_top(score, k)).tolist() == units


def test_the_headline_is_one_percent_where_it_was_tried_or_the_first() -> None:
    assert headline_of([0.5, 1.0, 2.0]) == 1.0
    assert headline_of([2.0, 0.5]) == 2.0
