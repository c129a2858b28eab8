"""A subset of the items: equal over classes, groups as equal as can be, nothing torn apart."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from common.base.errors import SettingError
from common.effects.subset import choose_items

NAMES = [f"item {i}" for i in range(60)]
LABELS = np.repeat(["a", "b", "c"], 20)
GROUPS = np.array((["face"] * 3 + ["other"] * 17) + ["face"] * 10 + ["other"] * 30)


def chosen(n: int, seed: int = 0) -> np.ndarray:
    return choose_items(n, "class", NAMES, LABELS, GROUPS, seed)[0]


@pytest.mark.parametrize("n", [1, 2, 5, 6, 7, 15, 20])
def test_as_many_of_each_class_and_groups_as_equal_as_can_be(n: int) -> None:
    places, told = choose_items(n, "class", NAMES, LABELS, GROUPS)
    assert (np.diff(places) > 0).all()
    assert Counter(LABELS[places]) == dict.fromkeys("abc", n)
    for label, most in {"a": 3, "b": 10, "c": 0}.items():
        faces = int((GROUPS[places][LABELS[places] == label] == "face").sum())
        fewest = min(n // 2, most)
        assert fewest <= faces <= min(n - n // 2, most) or faces == n - 10  # b has ten others
    assert (told.each, told.by, told.n_parts, told.n_short) == (n, "class", 3, 0)
    assert told.n_left_out == 60 - 3 * n


def test_one_that_is_over_goes_to_the_group_that_has_fewer() -> None:
    groups = np.tile(["face", "other"], 30)
    places, _ = choose_items(1, "class", NAMES, np.arange(60) // 2, groups)
    assert Counter(groups[places]) == {"face": 15, "other": 15}


def test_the_seed_and_the_names_alone_choose() -> None:
    assert chosen(5, 1).tolist() == chosen(5, 1).tolist() != chosen(5, 2).tolist()
    assert set(chosen(4)) < set(chosen(8))
    order = np.random.default_rng(0).permutation(60)
    names = [NAMES[place] for place in order]
    mixed, _ = choose_items(4, "class", names, LABELS[order], GROUPS[order])
    assert {names[place] for place in mixed} == {NAMES[place] for place in chosen(4)}


def test_more_than_there_are_takes_all_and_says_how_many_are_short() -> None:
    places, told = choose_items(21, "class", NAMES, LABELS, GROUPS)
    assert places.tolist() == [*range(60)]
    assert (told.n_short, told.n_left_out) == (3, 0)


def test_what_has_one_name_stays_together_and_counts_once() -> None:
    names = [f"picture {i % 20}" for i in range(60)]
    groups = np.repeat(["whole", "shown", "greyed"], 20)
    labels = np.tile(np.repeat([7, 8], 10), 3)
    places, told = choose_items(4, "class", names, labels, groups)
    assert [*Counter(names[place] for place in places).values()] == [3] * 8
    assert Counter(groups[places]) == {"whole": 8, "shown": 8, "greyed": 8}
    assert (told.n_parts, told.n_left_out) == (2, 36)


def test_a_group_that_would_be_empty_is_told() -> None:
    with pytest.raises(SettingError, match="`items` 1: leaves no item of the group "):
        choose_items(1, "paradigm", NAMES[:4], [""] * 4, ["x", "x", "y", "y"])
