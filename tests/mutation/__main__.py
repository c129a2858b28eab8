"""``python -m tests.mutation``: which small changes of the statistics no test would notice."""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # forks of a process with many threads hang

import pytest

from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.trial import Trials, Tried

MEASURE = "moments scores masks control_rules matching welch halves shares loudness massive overlap"
EFFECTS = (
    "paired pooled resample studentized margins controls judge bench by_class crossing matching "
    "massive agreement breakdown kinds_compared perplexity sufficient table"
)
MODULES = [
    Path("common") / room / f"{name}.py"
    for room, names in (("measure", MEASURE), ("effects", EFFECTS))
    for name in names.split()
]
TESTS = ("tests/common/measure", "tests/common/effects")
SHOWN = 100  # characters of a change


def main() -> None:
    """Try a sample of the mutants and print those that survive."""
    asked = _asked()
    every = [m for path in MODULES if asked.only in (None, path.stem) for m in mutants_of(path)]
    n = min(asked.sample or len(every), len(every))
    chosen = sorted(random.Random(asked.seed).sample(range(len(every)), n))
    tried: list[Tried] = []
    begun = time.monotonic()
    print(f"{n} of {len(every)} mutants", flush=True)

    def tell(found: Tried) -> None:
        tried.append(found)
        if not found.noticed:
            print(f"SURVIVED {found.tests} tests: {_short(found.mutant)}", flush=True)

    trials = Trials([every[place] for place in chosen], asked.seconds, tell)
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-s"]
    status = pytest.main([*options, *asked.tests], plugins=[trials])
    _print_counts(tried)
    print(f"\n{time.monotonic() - begun:.0f} s")
    sys.exit(int(status))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--sample", type=int, help="so many mutants, drawn at random; all without")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--only", help="one module, by its name")
    parser.add_argument("--seconds", type=float, default=8, help="of tests for a mutant, at most")
    parser.add_argument("tests", nargs="*", default=TESTS, help="files or folders of tests")
    return parser.parse_args()


def _short(mutant: Mutant) -> str:
    was, becomes = (said[:SHOWN] for said in (mutant.was, mutant.becomes))
    return f"{mutant.path}:{mutant.lines.start} {mutant.function}\n    {was}\n    {becomes}"


def _print_counts(tried: list[Tried]) -> None:
    rows = Counter(str(each.mutant.path) for each in tried)
    lived = Counter(str(each.mutant.path) for each in tried if not each.noticed)
    print("\n| module | mutants | noticed | survived |\n| --- | --- | --- | --- |")
    for name, count in [*rows.items(), ("all", rows.total())]:
        left = lived.total() if name == "all" else lived[name]
        print(f"| {name} | {count} | {count - left} | {left} |")


if __name__ == "__main__":
    main()
