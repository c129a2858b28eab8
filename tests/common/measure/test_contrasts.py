"""Several contrasts in one pass: each map is the one that its contrast makes alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from common.base.errors import SettingError
from common.measure.batch import Batch
from common.measure.contrast import contrast
from common.measure.contrasts import Sides, contrasts, shared_places
from common.measure.halves import assign_groups
from common.measure.scores import SelectivityMap
from tests.common.measure.hooked import Shown
from tests.common.measure.test_conditions import SITE, SIZES, values

MODEL = nn.Sequential(nn.Identity())
KINDS = (("adult", "child"), ("car",), ("place", "body"))  # each against all others


def stimuli_of(*names: str) -> list[Shown]:
    return [Shown(f"{name}{i}", name) for name in names for i in range(SIZES[name])]


def sides(target: tuple[str, ...]) -> tuple[list[Shown], list[Shown]]:
    return stimuli_of(*target), stimuli_of(*(name for name in SIZES if name not in target))


class Showing:
    """Gives batches in a mixed order, and counts what it has shown."""

    def __init__(self, names: list[str]) -> None:
        known = {f"{k}{i}": row for k, rows in values().items() for i, row in enumerate(rows)}
        self.rows, self.n = torch.as_tensor(np.stack([known[name] for name in names])), 0

    def __call__(self, places: np.ndarray, groups: np.ndarray) -> Iterator[Batch]:
        assert len(places) == len(groups)
        mixed = np.random.default_rng(1).permutation(len(places))
        for start in range(0, len(places), 8):
            where = mixed[start : start + 8]
            rows = self.rows[places[where]][:, :, None].expand(-1, 7, 2)
            self.n += len(where)
            yield Batch(where, lambda rows=rows: MODEL(rows))


def together(**how: Any) -> tuple[list[SelectivityMap], Showing, int]:
    both = [sides(target) for target in KINDS]
    names = [[each.name for each in (*one, *two)] for one, two in both]
    first, places = shared_places(names)
    showing = Showing([names[number][place] for number, place in first])
    every = [Sides(*each, where) for each, where in zip(both, places, strict=True)]
    return contrasts(MODEL, [SITE], every, showing, percents=(20,), **how), showing, len(first)


def alone(target: tuple[str, ...], **how: Any) -> SelectivityMap:
    one, two = sides(target)
    showing, every = Showing([each.name for each in (*one, *two)]), np.arange(56)
    return contrast(
        MODEL, [SITE], one, two, lambda groups: showing(every, groups), percents=(20,), **how
    )


@pytest.mark.parametrize(
    ("how", "passes"),
    [({}, 1), ({"score": "conjunction"}, 1), ({"seed": 3, "statistic": "signed"}, 1),
     ({"unit": "neuron", "pooling": "none"}, 3), ({"score": "probe"}, 6)],
)  # fmt: skip
def test_each_map_is_the_one_that_its_contrast_makes_alone(
    how: dict[str, Any], passes: int
) -> None:
    found, showing, n = together(**how)
    assert n == sum(SIZES.values())
    assert showing.n == passes * n
    for target, each in zip(KINDS, found, strict=True):
        own = alone(target, **how)
        assert each.n_target == sum(SIZES[name] for name in target)
        for name, values_of in own.score.arrays.items():
            np.testing.assert_allclose(each.score.arrays[name], values_of, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(each.output_control, own.output_control, rtol=1e-9)
        halves = (each.about.pop("split_half"), own.about.pop("split_half"))
        assert halves[0]["correlation"] == pytest.approx(halves[1]["correlation"])
        assert halves[0]["dice"] == halves[1]["dice"]
        assert {**each.about} == {**own.about}


def test_many_halves_are_what_each_of_them_says() -> None:
    """Against one map for every seed, and against scipy on the halves by themselves."""
    found, showing, n = together(splits=6, seed=2)
    assert showing.n == n
    for target, each in zip(KINDS, found, strict=True):
        told, own = each.about["splits"], [alone(target, seed=2 + i) for i in range(6)]
        rs = [one.about["split_half"]["correlation"] for one in own]
        dice = [one.about["split_half"]["dice"]["20"] for one in own]
        assert told["correlation"]["mean"] == pytest.approx(np.mean(rs))
        assert told["correlation"]["low"] == pytest.approx(np.quantile(rs, 0.025))
        assert told["dice"]["20"]["mean"] == pytest.approx(np.mean(dice))
        (one, two), held = sides(target), []
        rows = Showing([s.name for s in (*one, *two)]).rows.numpy()
        top = each.ranking[:1]  # 20 % of seven
        for seed in range(2, 8):
            groups = assign_groups([s.condition for s in (*one, *two)],
                                   np.arange(len(rows)) < len(one), seed)  # fmt: skip
            for a, b in ((0, 2), (1, 3)):
                halves = rows[groups == a], rows[groups == b]
                t = stats.ttest_ind(*halves, equal_var=False).statistic
                held.append(np.argmax(t) == top[0])
        assert told["held"]["20"] == pytest.approx(np.mean(held))
        assert told["n_mostly"]["20"] == int(np.mean(held) >= 0.9)
        assert "splits" not in own[0].about
        np.testing.assert_allclose(each.t, own[0].t, rtol=1e-9)


@pytest.mark.parametrize("how", [{"unit": "neuron"}, {"score": "probe"}, {"score": "conjunction"}])
def test_many_halves_are_of_moments_alone(how: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="`splits`: many halves are scored of channels"):
        together(splits=3, **how)


def test_what_is_the_same_is_shown_once_but_what_comes_twice_stays_two() -> None:
    first, places = shared_places([["a", "b", "a"], ["c", "a"]])
    assert first == [(0, 0), (0, 1), (0, 2), (1, 0)]
    assert [each.tolist() for each in places] == [[0, 1, 2], [3, 0]]
