"""What a run says of the units that it found."""

from __future__ import annotations

from common.effects.verdict import warnings
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
