"""Every unit has a name of its own, and a name is one unit or an error of one line."""

from __future__ import annotations

import pytest

from common.base.errors import FunclocError
from common.study.unit_names import is_of, unit_name, unit_named
from tests.common.conftest import MapMaker


def test_names_there_and_back(make_map: MapMaker) -> None:
    found = make_map()
    names = [unit_name(found, unit) for unit in range(found.n_units)]
    assert len({*names}) == found.n_units
    assert [unit_named(found, name) for name in names] == [*range(found.n_units)]
    assert names[60].startswith("layer1:output/0@")
    assert all(is_of(found, name) for name in names)
    assert unit_named(found, " layer1:output/39 ") == 99
    ranked = [unit_named(found, f"#{rank}") for rank in range(1, found.n_units + 1)]
    assert ranked == found.ranking.tolist()


@pytest.mark.parametrize(
    "name",
    [
        "", "layer1:output", "layer1:output/40", "layer1:output/-1", "layer9:output/0", "#0",
        "#101", "#x", "../../etc/passwd", "layer1:output/1e9", "layer0:output/0@00000000",
        "<script>/1", "layer0:output/" + "9" * 400, "@",
    ],
)  # fmt: skip
def test_what_is_no_unit_is_one_line(name: str, make_map: MapMaker) -> None:
    with pytest.raises(FunclocError, match=r"choose one|give \d+ to|of another map") as caught:
        unit_named(make_map(), name)
    assert len(str(caught.value)) < 200


def test_a_name_of_one_map_is_none_of_another(make_map: MapMaker) -> None:
    one, two = make_map(seed=0), make_map(seed=1)
    assert not is_of(two, unit_name(one, 3))
    assert not is_of(two, "layer0:output/3")
