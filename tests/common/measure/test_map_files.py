"""A map in its file: of texts, of weights, of another score, of a time before there were others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.base.errors import RunError
from common.base.files import read_arrays, save_arrays
from common.measure.moments import Moments
from common.measure.score_rules import SCORE_RULES
from common.measure.scores import SelectivityMap, nothing, welch
from common.measure.sites import Site
from tests.common.conftest import MapMaker

SITES = (Site("a", shape=(5,)), Site("b", shape=(4,)))


def side(n: int, *texts: str) -> dict[Site, Moments]:
    rng = np.random.default_rng(n)
    found = {}
    for site in SITES:
        more = {name: rng.normal(size=site.channels) for name in texts}
        found[site] = replace(Moments.of(rng.normal(1, 1, (n, site.channels))), **more)
    return found


def row(of: dict[Site, Moments], name: str) -> np.ndarray:
    return np.concatenate([getattr(of[site], name) for site in SITES])


def test_of_texts_a_map_has_the_first_token_of_the_control_and_the_peak_of_both(
    tmp_path: Path,
) -> None:
    one, two = side(6, "first", "peak"), side(8, "first", "peak")
    found = welch(one, two, pooling="last")
    assert found.pooling == "last"
    assert found.output_first is not None
    np.testing.assert_array_equal(found.output_first, row(two, "first"))
    np.testing.assert_array_equal(found.peak, np.maximum(row(one, "peak"), row(two, "peak")))
    assert found.of_texts == ("output_first", "peak")
    found.save(tmp_path / "map")
    again = SelectivityMap.load(tmp_path / "map")
    np.testing.assert_array_equal(again.output_first, found.output_first)
    np.testing.assert_array_equal(again.peak, found.peak)
    assert again.fingerprint == found.fingerprint
    assert replace(found, peak=found.peak + 1).fingerprint != found.fingerprint
    other = replace(found, output_first=found.output_first + 1)
    assert other.fingerprint != found.fingerprint


@pytest.mark.parametrize("there", [0, 1])
def test_a_peak_that_one_side_lacks_is_none(there: int) -> None:
    sides = [side(6, "peak") if at == there else side(6) for at in (0, 1)]
    assert welch(*sides).peak is None


def test_a_file_does_not_depend_on_the_order_in_which_a_map_was_told(tmp_path: Path) -> None:
    for name, about in (("one", {"a": 1, "b": 2}), ("two", {"b": 2, "a": 1})):
        welch(side(6), side(8), about=about).save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_map_from_before_there_were_other_scores_is_read(tmp_path: Path) -> None:
    found = welch(side(6), side(8))
    found.save(tmp_path / "map")
    arrays, said = read_arrays(tmp_path / "map")
    about = json.loads(said["selectivity"])
    del about["score"]
    old = {name: values for name, values in arrays.items() if not name.endswith("/index")}
    save_arrays(tmp_path / "old", old, {"selectivity": json.dumps(about)})
    again = SelectivityMap.load(tmp_path / "old")
    assert again.score.name == "welch"
    assert [*again.score.arrays] == ["t", "p", "q", "d_prime"]
    assert again.fingerprint == found.fingerprint


def test_a_file_that_lacks_a_column_or_a_unit_says_so(tmp_path: Path) -> None:
    welch(side(6), side(8)).save(tmp_path / "map")
    arrays, said = read_arrays(tmp_path / "map")
    gone = {name: values for name, values in arrays.items() if name != "b:output/q"}
    save_arrays(tmp_path / "column", gone, said)
    with pytest.raises(RunError, match=r"map \(KeyError 'b:output/q'\)"):
        SelectivityMap.load(tmp_path / "column")
    short = {**arrays, "b:output/magnitude": arrays["b:output/magnitude"][:-1]}
    save_arrays(tmp_path / "unit", short, said)
    with pytest.raises(RunError, match=r"map \(its magnitude are not of 9 units\)"):
        SelectivityMap.load(tmp_path / "unit")


def test_another_score_is_another_map_and_the_default_one_that_of_runs_before(
    make_map: MapMaker,
) -> None:
    found = make_map()
    words = SCORE_RULES["conjunction"].words
    assert replace(found, score=replace(found.score, words=words)).fingerprint != found.fingerprint
    known = welch(
        {SITES[0]: Moments.of(np.arange(10.0).reshape(2, 5) ** 2)},
        {SITES[0]: Moments.of(np.ones((2, 5)) * [[1.0], [2.0]])},
    )
    plain = replace(known, score=replace(known.score, value=np.arange(5.0)))
    assert plain.fingerprint == "ebbb0e2b0875373fb33588117985a438"


def test_what_weights_do_not_have_is_0_and_takes_no_memory() -> None:
    zeros = nothing((10**9,))
    assert zeros[:5].tolist() == [0.0] * 5
    assert zeros.strides == (0,)
