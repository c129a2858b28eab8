"""The table of items: its order, and which row a message is about."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from common.base.errors import DataError
from common.effects.table import judged_groups, numbered, read_table

ITEMS = [f"i{number}" for number in range(6)]
MASKS = {
    "intact": ("", np.nan), "top-2": ("top", 2.0), "top-1": ("top", 1.0),
    "r-s01": ("random", 1.0), "r": ("random", 1.0), "r-s00": ("random", 1.0),
    "late": ("random", 1.0),
}  # fmt: skip


def table(masks: Sequence[str] = tuple(MASKS)) -> pd.DataFrame:
    rows = [
        {
            "item": item, "group": "face" if place < 3 else "object", "label": "", "mask": mask,
            "rule": MASKS[mask][0], "percent": MASKS[mask][1], "correct": (place + at) % 2,
            "margin": 10.0 * at + place,
        }
        for at, mask in enumerate(masks) for place, item in enumerate(ITEMS)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_masks_are_in_the_order_of_their_numbers_those_without_first() -> None:
    found = read_table(table(), "face", "object")
    names = ["r", "late", "r-s00", "r-s01", "top-1", "top-2"]
    assert found.masks["mask"].tolist() == names
    assert found.masks.columns.tolist() == ["mask", "rule", "percent"]
    assert found.percents == (2.0, 1.0)  # in the order of the rows
    assert found.margin.tolist() == [*range(6)]
    at = [[*MASKS].index(name) for name in names]
    np.testing.assert_array_equal(found.margins, 10.0 * np.array(at) + np.arange(6)[:, None])
    assert found.corrects is not None
    np.testing.assert_array_equal(found.corrects, (np.array(at) + np.arange(6)[:, None]) % 2 == 1)
    assert found.at("random", 1.0).tolist() == [0, 1, 2, 3]
    assert found.rules(1.0) == ["random", "top"]
    assert found.rules(2.0) == ["top"]


def test_a_dose_may_be_written_as_text() -> None:
    given = table()
    given["percent"] = given["percent"].map(lambda dose: "" if np.isnan(dose) else f"{dose:g}")
    assert read_table(given, "face", "object").percents == (2.0, 1.0)
    given.loc[given["mask"] == "late", "percent"] = "many"
    with pytest.raises(DataError, match="the mask 'late' has no rule or no percent"):
        read_table(given, "face", "object")


def test_a_single_mask_without_a_rule_is_named() -> None:
    given = table()
    given.loc[given["mask"] == "r-s00", "rule"] = None
    with pytest.raises(DataError, match="the mask 'r-s00' has no rule or no percent"):
        read_table(given, "face", "object")


@pytest.mark.parametrize("row", [0, 20, 11, -1])  # 11: the last item under the last mask
def test_the_row_that_is_missing_is_named_the_last_one_too(row: int) -> None:
    given = table()
    gone = given.iloc[row]
    with pytest.raises(DataError, match=f"'{gone['item']}' is missing under .* '{gone['mask']}'"):
        read_table(given.drop(index=given.index[row]), "face", "object" if row else None)


@pytest.mark.parametrize(("name", "other"), [("group", "object"), ("label", "x")])
def test_the_item_that_changes_is_named(name: str, other: str) -> None:
    given = table()
    given.loc[6 * 3 + 2, name] = other
    with pytest.raises(DataError, match=f"item 'i2' has more than one {name}"):
        read_table(given, "face", "object")


def test_items_without_a_label_are_each_their_own() -> None:
    """Also of one label that is the number of an item without any."""
    found = numbered(np.array(["a", "", "b", "", "a", "1", "item 3", "3"], dtype=object))
    assert found[0] == found[4]
    assert len(set(found.tolist())) == 7
    assert sorted(set(found.tolist())) == [*range(7)]


@pytest.mark.parametrize(
    ("groups", "target", "other", "wanted"),
    [
        (["x", "y"], None, None, ("x", "y")), (["y", "x"], None, None, ("y", "x")),
        (["x"], None, None, ("x", None)), (["x", "y", "z"], "z", None, ("z", None)),
        (["x", "y", "z"], "z", "x", ("z", "x")),
    ],
)  # fmt: skip
def test_groups_that_are_not_said_are_those_of_the_table(
    groups: list[str], target: str | None, other: str | None, wanted: tuple[str, str | None]
) -> None:
    assert judged_groups(pd.DataFrame({"group": groups * 2}), target, other) == wanted


@pytest.mark.parametrize(
    ("given", "other", "there"),
    [({"group": ["x", "y", "z"]}, None, "x, y, z"), ({"group": ["x", "y"]}, "y", "x, y"),
     ({"item": ["a"]}, None, "none")],
)  # fmt: skip
def test_groups_that_cannot_be_told_have_to_be_said(
    given: dict[str, list[str]], other: str | None, there: str
) -> None:
    with pytest.raises(DataError, match=f"say which group is the target, .*; there are: {there}"):
        judged_groups(pd.DataFrame(given), None, other)


@pytest.mark.parametrize(
    ("name", "message"),
    [("margin", "the margin of item 'i2' under the mask 'r-s01' is no number"),
     ("correct", "item 'i2' under the mask 'r-s01' is neither right .1. nor wrong")],
)  # fmt: skip
def test_a_word_is_no_number(name: str, message: str) -> None:
    given = table().astype({name: object})
    given.loc[6 * 3 + 2, name] = "high"
    with pytest.raises(DataError, match=message):
        read_table(given, "face", "object")


@pytest.mark.parametrize(
    ("words", "wanted"),
    [(["accuracy"], "accuracy"), (["agreement"], "agreement"), ([None], "accuracy"),
     (["agreement", None], "agreement"), (["agreement", "accuracy"], None), (["luck"], None)],
)  # fmt: skip
def test_a_table_has_one_measure(words: list[str | None], wanted: str | None) -> None:
    given = table()
    given["measure"] = [words[place % len(words)] for place in range(len(given))]
    if wanted is None:
        with pytest.raises(DataError, match=f"the column measure holds {', '.join(words)}; it"):  # type: ignore[arg-type]
            read_table(given, "face", "object")
    else:
        assert read_table(given, "face", "object").measure == wanted
    assert read_table(table(), "face", "object").measure == "accuracy"
