"""Texts of equal length: which are left, and what is said of that."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.base.errors import DataError, SettingError
from common.effects.verdict import warnings
from llm_loc import phantom
from llm_loc.experiment import Settings, localize_only
from llm_loc.localize import lengths
from llm_loc.match import matched
from llm_loc.stimuli import Localizer, Text
from tests.common.made import LOCALIZER, made
from tests.llm_loc.conftest import ModelMaker


def texts(condition: str, n_words: list[int]) -> tuple[Text, ...]:
    rng = np.random.default_rng([*condition.encode()])
    words = ["the", "old", "farmer", "sold", "horse", "zop", "glirk", "vum", "brix", "mo"]
    return tuple(
        Text(f"{condition}{i}", condition, " ".join(rng.choice(words, n)))
        for i, n in enumerate(n_words)
    )


SIDES = Localizer(
    "own", texts("sentence", [3, 3, 3, 4, 5, 6, 6, 9]), texts("nonword", [6, 3, 3, 4, 4, 8, 6])
)


def test_of_each_length_as_many_are_left_as_the_smaller_side_has(make_model: ModelMaker) -> None:
    left, told = matched(make_model(), SIDES, "words")
    sizes = [Counter(len(t.text.split()) for t in side) for side in (left.target, left.control)]
    assert sizes[0] == sizes[1] == {3: 2, 4: 1, 6: 2}
    assert told is not None
    assert (told.by, told.n_pairs, told.n_left_out) == ("words", 5, (3, 2))
    assert told.length == pytest.approx((3 + 3 + 4 + 6 + 6) / 5)
    for side, whole in ((left.target, SIDES.target), (left.control, SIDES.control)):
        assert [t for t in whole if t in side] == list(side)  # in their order


def test_the_order_of_the_texts_does_not_choose_among_them(make_model: ModelMaker) -> None:
    turned = replace(SIDES, target=SIDES.target[::-1], control=SIDES.control[::-1])
    one, two = (matched(make_model(), each, "words")[0] for each in (SIDES, turned))
    assert {t.text for t in one.target} == {t.text for t in two.target}
    assert {t.text for t in one.control} == {t.text for t in two.control}


def test_tokens_are_the_models_own(make_model: ModelMaker) -> None:
    model = make_model()
    many = Localizer("own", texts("a", [2, 3, 4, 5] * 10), texts("b", [3, 4, 5, 6] * 10))
    assert lengths(model, many)["target"].mean < lengths(model, many)["control"].mean - 0.5
    left, told = matched(model, many, "tokens")
    by_side = lengths(model, left)
    assert told is not None
    assert by_side["target"].mean == by_side["control"].mean == pytest.approx(told.length)
    assert by_side["target"].range == by_side["control"].range


def test_all_is_left_where_nobody_asks(make_model: ModelMaker) -> None:
    assert matched(make_model(), SIDES, "none") == (SIDES, None)


def test_too_few_pairs_are_refused(make_model: ModelMaker) -> None:
    apart = Localizer("own", texts("a", [3, 3, 4, 4]), texts("b", [4, 5, 4, 6]))
    with pytest.raises(DataError, match="own: only 2 pairs of texts have as many words"):
        matched(make_model(), apart, "words")


def test_the_number_left_is_told() -> None:
    pairs = {"by": "tokens", "n_pairs": 57, "n_left_out": [183, 180], "length": 21.26}
    told = warnings(made(localizer={**LOCALIZER, "matched": pairs}))
    assert told[0] == (
        "The localizer's texts were paired by their number of tokens: 57 of 240 target and of 237 "
        "control texts are left, 21.3 tokens long on either side."
    )


def test_a_run_reads_the_pairs_alone_and_so_do_untrained_networks(tmp_path: Path) -> None:
    settings = Settings(
        f"phantom/{phantom.NAMES[0]}", localizer="phantom-lm:language", match="words",
        untrained_seeds=1, device="cpu",
    )  # fmt: skip
    told, found, folder = localize_only(settings, tmp_path / "run")
    pairs = told.localizer.matched
    assert pairs is not None
    assert (found.n_target, found.n_control) == (pairs.n_pairs, pairs.n_pairs)
    assert told.selectivity.n_target == pairs.n_pairs
    assert told.baseline is not None
    assert len(told.baseline.untrained) == 1
    assert len((folder / "stimuli.csv").read_text().splitlines()) == 1 + 2 * pairs.n_pairs
    assert '"match": "words"' in (folder / "run.json").read_text()


def test_a_length_that_is_none_is_refused() -> None:
    with pytest.raises(SettingError, match="`match` letters: choose one of none, tokens, words"):
        Settings("m", match="letters")
