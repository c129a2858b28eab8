"""What a run says of the units that it found."""

from __future__ import annotations

from common.effects.localized import describe_map
from common.effects.verdict import warnings
from tests.common.conftest import MapMaker
from tests.common.made import SELECTIVITY, made


def told(**found: object) -> list[str]:
    return warnings(made(selectivity={**SELECTIVITY, **found}))


def test_units_that_fall_for_the_target_are_counted() -> None:
    plain = told()
    (lower,) = (each for each in told(lower_signed={"1": 3}) if each not in plain)
    assert lower.startswith("3 of the 12 masked units have a lower mean for the target once signs")
    assert told(lower_signed={"1": 0, "5": 4}) == plain


def test_units_without_variance_are_named() -> None:
    plain = told()
    names = [f"layer0:output, unit {n}" for n in range(4)]
    (apart,) = (each for each in told(separated=names) if each not in plain)
    assert apart.startswith("4 units separate the conditions without any variance")
    assert apart.endswith("unit 0; layer0:output, unit 1; layer0:output, unit 2; ….")


def test_units_that_are_read_twice_are_counted(make_map: MapMaker) -> None:
    """A map and its flattened copy; units of one site that happen to be alike are no such."""
    plain = told()
    (twice,) = (each for each in told(twins={"1": 2}) if each not in plain)
    assert twice.startswith("2 of the 12 masked units are another of them, read again at an")
    assert told(twins={"5": 2}) == plain
    found = make_map()
    halves = {"correlation": 1.0, "dice": {"10": 1.0}, "dice_chance": {"10": 0.1}}
    found.about["split_half"] = halves
    one, two, three = found.ranking[:3].tolist()
    assert describe_map(found).twins is None
    for mean in (found.mean_target, found.mean_control):
        mean[[two, three]] = mean[one]
    sites = {*found.site_of_unit[[one, two, three]].tolist()}
    assert (describe_map(found).twins or {}).get("10", 0) == len(sites) - 1
