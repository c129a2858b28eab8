"""How well a text is predicted, against plain numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest

from common.effects.items import Outcome
from common.effects.perplexity import MeasuredText, TextPerplexity, describe_text
from common.effects.resample import Resampler
from common.measure.masks import Mask
from common.measure.sites import Site

SITES = (Site("a", shape=(9,)),)
RNG = np.random.default_rng(0)
N, WINDOW = 80, 9
INTACT = RNG.normal(3.0, 0.5, N)
COST = {"top-2": 0.8, "top-1": 0.4, "random-1-s00": 0.1, "random-1-s01": 0.2}
LOST = {name: INTACT + RNG.normal(cost, 0.1, N) for name, cost in COST.items()}
BYTES = RNG.integers(20, 50, N)
TEXT = MeasuredText("prose", WINDOW, BYTES)
ABOUT = [("top", 2.0, None), ("top", 1.0, None), ("random", 1.0, 0), ("random", 1.0, 1)]
MASKS = [Mask(*about, SITES, "channel", np.array([1])) for about in ABOUT]  # type: ignore[call-arg]


def outcome(nats: np.ndarray) -> Outcome:
    return Outcome(np.zeros(1, int), np.ones(1, bool), np.ones(1), {"prose": nats})


OUTCOMES = {"intact": outcome(INTACT), **{name: outcome(nats) for name, nats in LOST.items()}}


@pytest.fixture
def told() -> TextPerplexity:
    return describe_text(TEXT, MASKS, OUTCOMES, Resampler())


def bootstrap(*sums: np.ndarray) -> np.ndarray:
    """The sums of 4,000 resamples of the windows, one row each."""
    drawn = np.random.default_rng(1).integers(0, N, (4000, N))
    return np.stack([values[drawn].sum(axis=1) for values in sums])


def test_nats_and_perplexity_of_a_token(told: TextPerplexity) -> None:
    found = told.intact
    assert (told.text, told.window, told.n, told.bytes) == ("prose", 9, N, BYTES.sum())
    assert found.nats == pytest.approx(INTACT.mean())
    assert found.perplexity == pytest.approx(math.exp(INTACT.mean()))
    (sums,) = bootstrap(INTACT)
    assert found.nats_ci == pytest.approx(np.quantile(sums / N, [0.025, 0.975]), abs=0.015)
    assert found.perplexity_ci == pytest.approx(np.exp(found.nats_ci))


def test_a_byte_costs_what_all_tokens_cost_over_all_bytes(told: TextPerplexity) -> None:
    found = told.intact.per_byte
    assert found is not None
    nats = INTACT * (WINDOW - 1)  # the first token of a window is not predicted
    assert found.nats == pytest.approx(nats.sum() / BYTES.sum())
    assert found.perplexity == pytest.approx(math.exp(found.nats))
    cost, of = bootstrap(nats, BYTES)
    assert found.nats_ci == pytest.approx(np.quantile(cost / of, [0.025, 0.975]), abs=0.008)
    assert found.perplexity_ci == pytest.approx(np.exp(found.nats_ci))


def test_a_mask_is_compared_window_by_window(told: TextPerplexity) -> None:
    assert [entry.mask for entry in told.ablations] == [*COST]
    for entry, nats in zip(told.ablations, LOST.values(), strict=True):
        alone = describe_text(TEXT, [], {"intact": outcome(nats)}, Resampler()).intact
        for name in ("nats", "nats_ci", "perplexity", "perplexity_ci", "per_byte"):
            assert getattr(entry, name) == getattr(alone, name)
        rise = nats - INTACT
        assert entry.rise == pytest.approx(rise.mean())
        half = 1.96 * rise.std() / math.sqrt(N)
        assert entry.rise_ci == pytest.approx((entry.rise - half, entry.rise + half), abs=0.004)


def test_masks_are_found_by_dose_and_rule(told: TextPerplexity) -> None:
    assert told.doses == (2.0, 1.0)
    assert [entry.percent for entry in told.tops] == [1.0, 2.0]
    drawn = told.drawn(1.0)
    assert {rule: [each.seed for each in own] for rule, own in drawn.items()} == {
        "top": [None], "random": [0, 1],
    }  # fmt: skip


def test_a_model_that_is_broken_has_a_finite_perplexity() -> None:
    broken = {"intact": outcome(np.full(N, 900.0))}
    found = describe_text(TEXT, [], broken, Resampler()).intact
    assert found.nats == 900
    assert found.perplexity == pytest.approx(math.exp(700))
