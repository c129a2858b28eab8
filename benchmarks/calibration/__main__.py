"""``python -m benchmarks.calibration [--whole]``: the table, as Markdown."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from benchmarks.calibration import rows
from benchmarks.calibration.rows import Count, Row
from benchmarks.calibration.worlds import World

ACCURACIES = ((0.54, 0.31), (0.60, 0.98), (0.75, 0.90))
LARGE, SMALL = (222, 2468), (79, 900)
TRAPS = ("noisy", "heteroscedastic", "saturating", "skewed")
ITEMS = (30, 79, 222, 2468)
LABELS = (((100, 100), False), ((18, 49), True), ((10, 40), True), ((6, 40), True))
Job = partial[Row]


def jobs(whole: bool) -> Iterator[Job]:
    """The rows, cheapest first; the short form has fewer runs of fewer cells."""
    runs = 1000 if whole else 100
    for n in ITEMS:
        for expected in (0.5, 1, 2, 0.1 * n):
            yield partial(rows.drops, n, expected, 20 * runs, 1)
            if whole or expected == 1:
                yield partial(rows.interactions, n, expected, 2 * runs, 2)
    for share in (0.01, 0.1, 0.2, 0.3, 0.4, 0.5) if whole else (0.01, 0.2, 0.5):
        yield partial(rows.shares, share, 4 * runs, 3)
    yield partial(rows.doses, 2 * runs, 4)
    yield partial(rows.single_items, 30, 5)
    for n in ITEMS if whole else ITEMS[:1]:
        for kind in ("normal", "heteroscedastic", "skewed", 0.5, 1, 2):
            yield partial(rows.adjusted, n, kind, (runs if n < 1000 else runs // 3), 6)
    for labels, nested in LABELS if whole else LABELS[-1:]:
        yield partial(rows.clustered, labels, nested, 2 * runs, 9)
    yield from _worlds(whole)


def _worlds(whole: bool) -> Iterator[Job]:
    pairs = [*ACCURACIES, *(pair[::-1] for pair in ACCURACIES)] if whole else ACCURACIES
    runs = 400 if whole else 40
    for kind in ("additive", "multiplicative"):
        for size in (SMALL, LARGE) if whole else (SMALL,):
            for pair in pairs:
                yield partial(_false, World(pair, size, kind), runs)
    for kind in TRAPS:
        for pair in pairs if whole else pairs[1:2]:
            yield partial(_false, World(pair, SMALL, kind), 3 * runs // 4)
    for pair in ACCURACIES if whole else ():
        yield partial(_false, World(pair, LARGE, "noisy"), 3 * runs // 4)
    for pair in ((0.54, 0.31), (0.31, 0.54)):
        yield partial(rows.unwarned, World(pair, SMALL, "forgetful"), runs // 2, 7)
    for kind in ("additive", "multiplicative"):
        for pair in pairs if whole else pairs[1:2]:
            yield partial(_power, World(pair, LARGE, kind, shift=0.3), 150 if whole else 10)


def _false(world: World, runs: int) -> Row:
    return rows.verdicts(world, runs, 7, "false evidence", "<= .05")


def _power(world: World, runs: int) -> Row:
    return rows.verdicts(world, runs, 8, "power, shift 0.3 sd", ">= .8")


def _shown(count: Count | None) -> str:
    if count is None:
        return ""
    low, high = count.interval()
    return f"{count.share:.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="calibrate", description=__doc__)
    parser.add_argument(
        "--whole", action="store_true", help="all cells, about half an hour on 2 cores"
    )
    parser.add_argument("--only", default="", help="kinds of rows, as drops,shares")
    parser.add_argument("--workers", type=int, default=1)
    chosen = parser.parse_args()
    started = time.monotonic()
    print("| what | where | wanted | before | after |\n| --- | --- | --- | ---: | ---: |")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    wanted = chosen.only.split(",")
    every = [job for job in jobs(chosen.whole) if any(part in str(job) for part in wanted)]
    with ProcessPoolExecutor(chosen.workers) as pool:
        for row in pool.map(_done, every):
            print(
                f"| {row.what} | {row.cell} | {row.wanted} | {_shown(row.before)} "
                f"| {_shown(row.after)} |",
                flush=True,
            )
    print(f"\n{time.monotonic() - started:.0f} seconds")


def _done(job: Job) -> Row:
    return job()


if __name__ == "__main__":
    main()
