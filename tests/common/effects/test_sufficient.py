"""Units left alone: the numbers from outcomes, and each way to an answer."""

from __future__ import annotations

import numpy as np
import pytest

from common.effects.claim import NO, UNTOLD, YES, Answer
from common.effects.items import Items, Outcome
from common.effects.margins import design
from common.effects.paired import Rate, rate
from common.effects.resample import Resampler
from common.effects.studentized import Studentized
from common.effects.sufficient import LeftAlone, Sufficient, keeps_it_going, left_alone
from common.measure.masks import Mask
from common.measure.sites import Site
from tests.common.made import estimate

SITES = (Site("a", shape=(9,)), Site("b", shape=(9,)), Site("c", shape=(9,)))
N, M = 40, 25
GROUPS = np.repeat(["face", "object", "else"], [N, M, 5])
ITEMS = Items([str(i) for i in range(N + M + 5)], GROUPS, "face", "object")
RNG = np.random.default_rng(0)


def outcome(level: float) -> Outcome:
    margin = RNG.normal(level, 1, len(GROUPS)).astype(np.float32)
    return Outcome(np.zeros(len(GROUPS), int), margin > 0, margin)


INTACT, TOP, PART = outcome(3), outcome(1.0), outcome(0.8)
TOPS = {
    rule: (Mask(f"all-but-{rule}", 1.0, None, SITES, "channel", np.array(units)), kept)
    for rule, units, kept in (("top", [1, 2, 12], TOP), ("matched-part", [1], PART))
}
DRAWS = {
    "layer-matched": [outcome(0.2) for _ in range(19)],
    "magnitude-matched": [outcome(0.9) for _ in range(4)],
}
AGAINST = {"layer-matched": "top", "magnitude-matched": "matched-part"}


def test_numbers_are_those_of_a_plain_loop() -> None:
    found = left_alone(ITEMS, INTACT, TOPS, DRAWS, AGAINST, 6)
    assert (found.n_units, found.n_others, found.n_sites) == (6, 3, 2)
    assert {name: of.n for name, of in found.groups.items()} == {"face": N, "object": M, "else": 5}
    assert found.groups["face"].accuracy == TOP.correct[:N].mean()
    for told, kept in zip(found.compared, (TOP, PART), strict=True):
        draws = DRAWS[told.rule]
        margins = np.array([draw.margin[:N].astype(float) for draw in draws])
        assert (told.against, told.draws) == (AGAINST[told.rule], len(draws))
        reached = int((margins.mean(axis=1) >= kept.margin[:N].mean()).sum())
        assert told.p == pytest.approx((reached + 1) / (len(draws) + 1))
        assert told.least == 1 / (len(draws) + 1)
        assert told.accuracy == pytest.approx(np.mean([d.correct[:N].mean() for d in draws]))
        beyond = kept.margin[:N] - margins.mean(axis=0)
        assert told.excess.effect == pytest.approx(beyond.mean())
        mean = Studentized(design(np.zeros(N), None, np.arange(N)), Resampler())
        assert told.excess.ci == pytest.approx(mean.interval(beyond), rel=0.06)
        lone = mean.interval(kept.margin[:N] - margins.mean())  # of one item, with all draws' mean
        assert told.excess.ci != pytest.approx(lone, rel=1e-3)


def test_whole_classes_are_resampled_where_there_are_enough() -> None:
    labels = np.arange(len(GROUPS)) % 8
    of_class = np.random.default_rng(1).normal(0, 2, 8)[labels]
    kept = Outcome(TOP.prediction, TOP.correct, TOP.margin + of_class)
    width = []
    for known in (None, labels, labels % 5):
        items = Items(ITEMS.names, GROUPS, "face", "object", known)
        tops = {"top": (TOPS["top"][0], kept)}
        draws = {"layer-matched": DRAWS["layer-matched"]}
        (told,) = left_alone(items, INTACT, tops, draws, AGAINST, 6).compared
        width.append(told.excess.ci[1] - told.excess.ci[0])
    assert width[1] > 1.5 * width[0]
    assert width[2] == pytest.approx(width[0], rel=0.06)  # five classes are too few to resample


def left(accuracy: float, ci: tuple[float, float], *compared: LeftAlone) -> Sufficient:
    group = Rate(accuracy=accuracy, ci=ci, n=N)
    return Sufficient(n_units=2, n_others=78, n_sites=1, groups={"face": group}, compared=compared)


def against(p: float, least: float = 0.02, excess: float = 0.5) -> LeftAlone:
    return LeftAlone.model_validate({
        "rule": "layer-matched", "against": "top", "draws": 49, "p": p, "least": least,
        "accuracy": 0.1, "excess": estimate(excess),
    })  # fmt: skip


GOOD, CHANCE = against(0.05), 0.2  # half of what is above chance is at 0.55


@pytest.mark.parametrize(
    ("found", "answer"),
    [
        (left(0.7, (0.56, 0.8), GOOD), YES),
        (left(0.7, (0.54, 0.8), GOOD), UNTOLD),
        (left(0.4, (0.3, 0.56), GOOD), UNTOLD),
        (left(0.4, (0.3, 0.54), GOOD), NO),
        (left(0.7, (0.56, 0.8)), UNTOLD),
        (left(0.7, (0.56, 0.8), GOOD, against(0.06)), NO),
        (left(0.7, (0.56, 0.8), GOOD, against(0.06, least=0.05)), NO),
        (left(0.7, (0.56, 0.8), GOOD, against(0.06, least=0.06)), UNTOLD),
        (left(0.7, (0.56, 0.8), GOOD, against(0.02, excess=0.05)), UNTOLD),
        (left(0.7, (0.56, 0.8), against(0.02, excess=0.11)), YES),
    ],
)
def test_half_has_to_be_left_and_more_than_of_matched_units(
    found: Sufficient, answer: Answer
) -> None:
    intact = Rate(accuracy=0.9, ci=(0.8, 0.95), n=N)
    assert keeps_it_going(found, "face", intact, CHANCE)[0] == answer


@pytest.mark.parametrize(
    ("found", "answer"),
    [
        (left(0.4, (0.3, 0.5), GOOD), UNTOLD),
        (left(0.7, (0.5, 0.8), GOOD), YES),
        (left(0.7, (0.5, 0.8), against(0.02, excess=0.1)), UNTOLD),  # which may be nothing
    ],
)
def test_half_is_enough_and_nothing_more_is_not(found: Sufficient, answer: Answer) -> None:
    intact = Rate(accuracy=0.75, ci=(0.7, 0.8), n=N)
    assert keeps_it_going(found, "face", intact, 0.25)[0] == answer


def test_without_a_chance_half_of_the_accuracy_is_enough() -> None:
    intact = Rate(accuracy=0.9, ci=(0.8, 0.95), n=N)
    for low, answer in ((0.46, YES), (0.44, UNTOLD)):
        assert keeps_it_going(left(0.7, (low, 0.8), GOOD), "face", intact, None)[0] == answer


def test_a_model_that_guesses_tells_nothing() -> None:
    found = left(0.7, (0.6, 0.8), GOOD)
    for accuracy, answer in ((0.2, UNTOLD), (0.21, YES)):
        intact = Rate(accuracy=accuracy, ci=(0.1, 0.9), n=N)
        assert keeps_it_going(found, "face", intact, CHANCE)[0] == answer
    nothing = rate(np.zeros(9, bool))
    assert keeps_it_going(found, "face", nothing, None)[0] == UNTOLD


def test_its_words_say_what_the_numbers_say() -> None:
    intact = Rate(accuracy=0.9, ci=(0.8, 0.95), n=N)
    told = keeps_it_going(left(0.7, (0.56, 0.8), GOOD), "face", intact, CHANCE)[1]
    assert told == (
        "with the 2 alone left of 80 units of 1 site, the others at their mean, face is 70.0 % "
        "right [56.0, 80.0] (intact 90.0 %); layer-matched units left alone 10.0 % (the top "
        "against these +0.500 [+0.400, +0.600] of margin, p = 0.050 among 49)"
    )
    two = left(0.7, (0.56, 0.8)).model_copy(update={"n_sites": 2})
    assert "80 units of 2 sites" in keeps_it_going(two, "face", intact, CHANCE)[1]
