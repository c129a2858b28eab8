"""The verdict's error rates by simulation; ``make calibrate`` has more rows and more runs."""

from __future__ import annotations

import inspect

import pytest

from benchmarks.calibration import rows
from benchmarks.calibration.__main__ import jobs
from benchmarks.calibration.worlds import World


@pytest.mark.parametrize("expected", [0.5, 2])
def test_intervals_of_drops_cover_where_few_items_change(expected: float) -> None:
    row = rows.drops(79, expected, 1000, 1)
    assert row.after is not None
    assert row.after.share >= 0.94
    assert row.before is not None
    assert row.before.share < 0.9  # what they are for


def test_a_random_mask_of_half_a_site_is_rarely_called_special() -> None:
    row = rows.shares(0.5, 200, 3)
    assert row.after is not None
    assert row.after.interval()[0] <= 0.055
    assert row.before is not None
    assert row.before.share > 0.3


@pytest.mark.parametrize("kind", ["additive", "multiplicative"])
def test_harm_that_singles_nobody_out_is_no_evidence(kind: str) -> None:
    row = rows.verdicts(World((0.60, 0.98), (79, 900), kind), 12, 7, "false evidence", "<= .05")
    assert row.after is not None
    assert row.after.interval()[0] <= 0.05


def test_a_true_effect_is_found() -> None:
    world = World((0.60, 0.98), (222, 2468), "additive", shift=0.3)
    row = rows.verdicts(world, 4, 8, "power", ">= .8")
    assert row.after is not None
    assert row.after.share == 1


@pytest.mark.parametrize("whole", [False, True])
def test_every_row_of_the_table_is_asked_for_rightly(whole: bool) -> None:
    every = list(jobs(whole))
    assert len(every) > (100 if whole else 20)
    for job in every:
        inspect.signature(job.func).bind(*job.args, **job.keywords)
