"""Ranks, stopping and the maximum over doses."""

import numpy as np
import pytest

from common.effects.controls import Stopping, rank, ranks_over_doses


def test_rank_without_stopping_is_phipson_and_smyths() -> None:
    found = rank(2.0, [1.0, 3.0, 0.0, 1.5])
    assert (found.p, found.draws, found.exceeded) == (2 / 5, 4, 1)
    assert found.least == 1 / 5
    assert not found.stopped


def test_rank_stops_at_the_tenth_exceedance() -> None:
    draws = [1.0, -1.0] * 50
    found = rank(0.0, draws)
    assert (found.p, found.draws, found.exceeded) == (10 / 19, 19, 10)
    assert found.stopped
    assert found.least == 1 / 20
    assert rank(0.0, draws[:19]) == found


def test_ties_count_against_the_top() -> None:
    assert rank(0.1 + 0.2, [0.3] * 4).p == 1.0
    assert rank(0.0, [0.0] * 4).p == 1.0


def test_no_draws_give_no_evidence() -> None:
    assert rank(1.0, []).p == 1.0


def test_p_of_an_exchangeable_top_is_valid() -> None:
    # Besag and Clifford: P(p <= h / l) = h / l for the values that p can have.
    rng = np.random.default_rng(0)
    ps = np.array([rank(row[0], row[1:]).p for row in rng.normal(size=(4000, 100))])
    for level in (0.05, 0.1, 0.2, 0.5):
        assert np.mean(ps <= level) < level + 3 * np.sqrt(level * (1 - level) / 4000)


def test_one_dose_is_the_plain_rank() -> None:
    rng = np.random.default_rng(1)
    for top in (-3.0, 0.3, 2.5):
        draws = rng.normal(size=60)
        assert ranks_over_doses([top], draws[:, None]) == [rank(top, draws)]


def test_no_dose_dominates() -> None:
    rng = np.random.default_rng(2)
    draws = rng.normal(size=(99, 2)) * [1.0, 1000.0] + [0.0, 5000.0]
    small, large = ranks_over_doses([8.0, 5000.0], draws)
    assert small.p == pytest.approx(0.01)
    assert large.p > 0.05


def test_scaling_a_dose_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    draws = rng.normal(size=(50, 3))
    tops = np.array([1.5, 0.2, 2.2])
    scaled = ranks_over_doses(tops * [1, 7, 0.01] + [0, 5, 1], draws * [1, 7, 0.01] + [0, 5, 1])
    assert scaled == ranks_over_doses(tops, draws)


def test_a_dose_of_small_numbers_is_not_flat_beside_one_of_large() -> None:
    rng = np.random.default_rng(8)
    draws, tops = rng.normal(size=(50, 2)), np.array([1.5, 0.4])
    scaled = ranks_over_doses(tops * [1e-12, 1], draws * [1e-12, 1])
    assert scaled == ranks_over_doses(tops, draws)
    assert scaled[0].p < 1


def test_p_over_doses_is_no_less_than_alone_and_no_more_than_bonferroni_like() -> None:
    rng = np.random.default_rng(4)
    for _ in range(50):
        draws, tops = rng.normal(size=(39, 4)), rng.normal(size=4) + 1
        over = ranks_over_doses(tops, draws, enough=100)
        for dose, found in enumerate(over):
            assert found.p >= rank(tops[dose], draws[:, dose], enough=100).p - 1e-12


def test_any_dose_is_rejected_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    hits, runs = 0, 600
    for _ in range(runs):
        rows = np.cumsum(rng.normal(size=(40, 6)), axis=1)
        hits += min(found.p for found in ranks_over_doses(rows[0], rows[1:])) <= 0.05
    assert hits / runs < 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


def test_a_flat_dose_ties() -> None:
    first, second = ranks_over_doses(
        [3.0, 0.0], np.column_stack([np.arange(20) / 20, np.zeros(20)])
    )
    assert first.p == pytest.approx(1 / 21)
    assert second.p == 1.0  # ten ties in ten draws


def test_a_flat_dose_leaves_the_p_of_one_that_is_a_little_beyond_its_draws() -> None:
    rng = np.random.default_rng(9)
    draws = np.column_stack([rng.normal(size=40), np.zeros(40)])
    one, flat = ranks_over_doses([0.6, 0.0], draws)
    assert one.p == rank(0.6, draws[:, 0]).p < 0.5
    assert flat.p == 1.0


def test_no_rule_is_drawn_fewer_than_19_times() -> None:
    stopping = Stopping({"layer-matched": [0.0]})
    for made in range(1, 20):
        stopping.add("layer-matched", [1.0])
        assert stopping.enough("layer-matched") == (made == 19)


def test_stopping_asks_for_no_more_than_needed() -> None:
    stopping = Stopping({"layer-matched": [0.0], "magnitude-matched": [9.0]})
    rng = np.random.default_rng(6)
    while not stopping.enough("layer-matched"):
        stopping.add("layer-matched", [rng.normal()])
    while not stopping.enough("magnitude-matched"):
        stopping.add("magnitude-matched", [rng.normal()])
    null = stopping.ranks("layer-matched")[0]
    assert 19 <= stopping.made("layer-matched") < 50
    assert null.p == 10 / null.draws
    assert null.draws <= stopping.made("layer-matched")
    assert stopping.made("magnitude-matched") == 199
    assert stopping.ranks("magnitude-matched")[0].p == pytest.approx(1 / 200)


def test_stopping_waits_for_every_dose() -> None:
    stopping = Stopping({"layer-matched": [0.0, 9.0]}, most=60)
    rng = np.random.default_rng(7)
    while not stopping.enough("layer-matched"):
        stopping.add("layer-matched", rng.normal(size=2))
    assert stopping.made("layer-matched") == 60
    null, real = stopping.ranks("layer-matched")
    assert null.stopped
    assert real.p == pytest.approx(1 / 61)


def test_stopping_refuses_another_number_of_doses() -> None:
    with pytest.raises(ValueError, match="2 statistics for 1 doses"):
        Stopping({"random": [1.0]}).add("random", [1.0, 2.0])
