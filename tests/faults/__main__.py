"""``python -m tests.faults``: the crash-point sweep and the fuzz, on some cores."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_NUM_THREADS", "1")  # forks of a process with many threads hang

from tests.faults import crash, fuzz, work
from tests.faults.cases import GOOD, Read
from tests.faults.disk import KINDS

SHORT = {"every": 95, "share": 0.03}
SHOWN = 40  # of what went wrong


def main() -> None:
    """Do what is asked, print the counts, and fail if anything went wrong."""
    asked = _asked()
    begun = time.monotonic()
    jobs = _jobs(asked)
    with TemporaryDirectory(prefix="funcloc-faults-") as place:
        works = [(each, Path(place) / str(at)) for at, each in enumerate(jobs)]
        if asked.workers == 1:
            done = [work.done(each) for each in works]
        else:
            spawn = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(asked.workers, spawn, max_tasks_per_child=1) as pool:
                done = [*pool.map(work.done, works)]
    swept = [each for each in done if isinstance(each, tuple)]
    wrong = [line for _, found in swept for line in found.wrong]
    _print_swept(swept)
    reads = fuzz.together([each for each in done if isinstance(each, dict)])
    _print_reads({name: each for name, each in reads.items() if each.counts})
    wrong += [line for each in reads.values() for line in each.wrong]
    print(f"\n{time.monotonic() - begun:.0f} s")
    for line in wrong[:SHOWN]:
        print(f"WRONG: {line}", file=sys.stderr)
    sys.exit(f"{len(wrong)} went wrong" if wrong else 0)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a part, in a minute or two")
    parser.add_argument("--every", type=int, help="one of so many crash points")
    parser.add_argument("--share", type=float, help="of the inputs")
    parser.add_argument("--first", type=int, default=0, help="the first crash point")
    parser.add_argument("--seed", type=int, default=0, help="of the inputs")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--only", help="one command or reader, by its name")
    parser.add_argument("--input", type=int, help="one input of that reader, by its number")
    asked = parser.parse_args()
    usual = SHORT if asked.short else {"every": 2, "share": 1.0}
    asked.every = asked.every or usual["every"]
    asked.share = usual["share"] if asked.share is None else asked.share
    return asked


def _jobs(asked: argparse.Namespace) -> list[tuple]:
    """What each process is to do, the longest first."""
    if asked.only in fuzz.READERS:
        numbers = range(fuzz.READERS[asked.only][1]) if asked.input is None else [asked.input]
        return [
            ("read", asked.only, [*numbers][part :: asked.workers], asked.seed)
            for part in range(asked.workers)
        ]
    parts = 1 if asked.short else asked.workers  # each begins with ten seconds of imports
    crashes = [
        ("sweep", name, asked.every * parts, asked.first + part * asked.every)
        for name in reversed(crash.NAMES) if asked.only in (None, name) for part in range(parts)
    ]  # fmt: skip
    fuzzes = [("fuzz", asked.seed, asked.share, part, parts) for part in range(parts)]
    return crashes + (fuzzes if asked.only is None and asked.share > 0 else [])


def _print_swept(swept: Sequence[tuple[str, crash.Swept]]) -> None:
    if not swept:
        return
    print("| command | operations on files | " + " | ".join(KINDS) + " | wrong |")
    print("| --- |" + " --- |" * (len(KINDS) + 2))
    for name in dict.fromkeys(name for name, _ in swept):
        own = [found for each, found in swept if each == name]
        points = crash.kinds(own)
        counts = [points[kind] for kind in KINDS]
        operations = own[0].operations.total()
        wrong = sum(len(each.wrong) for each in own)
        print("| " + " | ".join(map(str, (name, operations, *counts, wrong))) + " |")


def _print_reads(reads: Mapping[str, Read]) -> None:
    if not reads:
        return
    bad = ("refused wrongly", "no line", "traceback", "misread")
    print("\n| read | inputs | " + " | ".join((*GOOD, *bad)) + " |")
    print("| --- |" + " --- |" * (len(GOOD) + len(bad) + 1))
    whole = Read(fuzz.total(reads))
    for name, each in {**reads, "all": whole}.items():
        counts = [each.counts[kind] for kind in (*GOOD, *bad)]
        print("| " + " | ".join(map(str, (name, each.counts.total(), *counts))) + " |")


if __name__ == "__main__":
    main()
