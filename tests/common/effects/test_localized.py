"""What the results say of a map, against the map."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from common.base.errors import MaskError
from common.effects.localized import describe_map
from common.measure.chosen import share_of, with_chosen
from common.measure.scores import SelectivityMap
from tests.common.conftest import MapMaker

HALVES = {"correlation": 0.5, "dice": {"10": 0.4}, "dice_chance": {"10": 0.1}}


def with_another(found: SelectivityMap, values: np.ndarray) -> SelectivityMap:
    """The same map, whose score's words name another ranking of its units."""
    words = replace(found.score.words, beside=("slope", "gone"))
    columns = {**found.score.columns, "slope": values}
    score = replace(found.score, words=words, columns=columns)
    return replace(found, score=score, about={**found.about, "split_half": HALVES})


def test_other_rankings_are_told_by_rank_and_by_what_their_masks_share(make_map: MapMaker) -> None:
    whole = make_map()
    values = whole.t + np.random.default_rng(1).normal(0, 2, 100)
    loud = np.ones(100)
    loud[int(np.argmax(values))] = 500.0  # the highest is left out of masks, and of this
    found = with_another(replace(whole, magnitude=loud), values).without(100.0)
    found = replace(found, about={**found.about, "split_half": HALVES})
    told = describe_map(found)
    assert told.beside is not None
    assert [*told.beside] == ["slope"]
    slope = told.beside["slope"]
    order = [unit for unit in np.argsort(-values).tolist() if loud[unit] == 1]
    assert slope.highest == values[order[0]]
    assert slope.correlation == pytest.approx(stats.spearmanr(found.t, values).statistic)
    shared = len({*order[:10]} & {*found.ranking[:10].tolist()})
    assert slope.shared == {"10": shared / 10}
    assert told.told_beside == [
        f"By slope the top mask would share with this one {10 * shared} % at 10 % of its units; "
        f"over all units the two rank alike by {slope.correlation:.2f} (Spearman)."
    ]


def test_a_list_of_units_is_told_with_how_many_of_it_are_selective(make_map: MapMaker) -> None:
    whole = make_map()
    q = np.where(np.arange(100) % 3, 0.049, 0.05)
    whole = replace(whole, score=replace(whole.score, q=q))
    selective = (whole.t > 0) & (q < 0.05)
    units = [0, 1, 2, 50, 99, *np.flatnonzero(selective)[:2].tolist()]
    assert 0 < selective[units].sum() < len(units)
    found = with_chosen(whole, "mine", units)
    told = describe_map(found).chosen
    assert told is not None
    assert (told.name, told.n_units) == ("mine", len({*units}))
    assert told.n_selective_q05 == selective[[*{*units}]].sum()
    assert sorted(found.ranking[: told.n_units].tolist()) == sorted({*units})


def test_no_list_is_of_no_unit_or_of_one_that_is_left_out(make_map: MapMaker) -> None:
    loud = np.ones(100)
    loud[[3, 5]] = 500.0
    found = replace(make_map(), magnitude=loud).without(100.0)
    with pytest.raises(MaskError, match="mine: lists no unit"):
        with_chosen(found, "mine", [])
    with pytest.raises(MaskError, match="mine: 2 of its 3 units are massive"):
        with_chosen(found, "mine", [3, 4, 5])


@pytest.mark.parametrize("truncated", [False, True])
@pytest.mark.parametrize("width", [7, 100, 612])
def test_a_share_is_of_as_many_units_with_few_digits(
    make_map: MapMaker, width: int, truncated: bool
) -> None:
    found = make_map((width,))
    found = replace(found, about={"k": "truncated"} if truncated else {})
    for k in {1, 2, width // 2, width - 1, width}:
        percent = share_of(found, k)
        assert found.n_chosen(percent) == k
        assert 0 < percent <= 100
    assert share_of(found, width) == 100
    assert len(str(share_of(found, 3))) < 7


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"protocol": "full", "left_out": "first token"},
         "over all tokens of a text but the first token, an attention sink"),
        ({"protocol": "full"}, "the map was made before sinks were left out"),
        ({}, ""),
    ],
)  # fmt: skip
def test_it_is_said_which_tokens_means_are_over(
    make_map: MapMaker, about: dict[str, str], words: str
) -> None:
    told = describe_map(replace(make_map(), about=about)).means_over
    assert told.endswith(words)
    assert bool(told) is bool(words)
