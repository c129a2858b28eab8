"""The rows of the calibration: each a cell of a world, with the share of its verdicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from benchmarks.calibration import before
from benchmarks.calibration.worlds import MATCHED, PERCENT, World
from common.effects.bench import Bench
from common.effects.controls import MOST, Stopping, rank, ranks_over_doses
from common.effects.judge import ALPHA, judge_bench
from common.effects.judgement import EVIDENCE
from common.effects.margins import design
from common.effects.paired import drop_interval, mover
from common.effects.resample import Resampler
from common.effects.studentized import Studentized

Floats = npt.NDArray[np.float64]
RESAMPLES = 399  # of an interval, in the calibration alone


@dataclass(frozen=True)
class Count:
    """How often, of how many."""

    hits: int
    runs: int

    @property
    def share(self) -> float:
        """The share."""
        return self.hits / self.runs

    def interval(self) -> tuple[float, float]:
        """Clopper and Pearson's 95 % interval of it."""
        found = stats.binomtest(self.hits, self.runs).proportion_ci(0.95, method="exact")
        return float(found.low), float(found.high)


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes
    ----------
    what, cell : str
        What is counted, and where.
    wanted : str
        What it should be, as ``<= .05``.
    before, after : Count or None
        With the old rule and with the new one.
    """

    what: str
    cell: str
    wanted: str
    before: Count | None
    after: Count


def is_evidence(bench: Bench) -> bool:
    """Whether :func:`common.effects.judge` says "evidence", asking for no more than it must."""
    ranks, column = bench.ranks("top"), bench.column("top", PERCENT)
    for rule in MATCHED:
        if ranks.over_doses(bench.coefficients, rule)[PERCENT].p > ALPHA:
            return False
    if bench.adjusted(column, None).ci[0] <= 0:
        return False
    draws = [bench.table.at(rule, PERCENT) for rule in MATCHED]
    return all(bench.excess(column, chosen).ci[0] > 0 for chosen in draws)


def verdicts(world: World, runs: int, seed: int, what: str, wanted: str) -> Row:
    """How often a world gets "evidence", by the old and by the new rule."""
    rng = np.random.default_rng(seed)
    old = new = 0
    for _ in range(runs):
        table = world.table(rng)
        old += before.is_evidence(table)
        new += is_evidence(Bench(table, "target", "other", Resampler(seed, RESAMPLES)))
    (first, second), (n, m) = world.accuracies, world.sizes
    cell = f"{world.kind}, {first:.2f} against {second:.2f}, n = {n:,}/{m:,}"
    return Row(what, cell, wanted, Count(old, runs), Count(new, runs))


def unwarned(world: World, runs: int, seed: int) -> Row:
    """How often "evidence" comes without the warning that it rests on the adjustment."""
    rng = np.random.default_rng(seed)
    said = alone = 0
    for _ in range(runs):
        bench = Bench(world.table(rng), "target", "other", Resampler(seed, RESAMPLES))
        evidence = is_evidence(bench)
        said += evidence
        alone += evidence and bench.plain(bench.column("top", PERCENT)).ci[0] > 0
    (first, second), (n, m) = world.accuracies, world.sizes
    cell = f"{world.kind}, {first:.2f} against {second:.2f}, n = {n:,}/{m:,}; before: any evidence"
    return Row("unwarned false evidence", cell, "<= .05", Count(said, runs), Count(alone, runs))


def drops(n: int, expected: float, runs: int, seed: int) -> Row:
    """Coverage of the interval of a drop."""
    rng = np.random.default_rng(seed)
    lost = rng.binomial(n, expected / n, runs)
    old, new = {}, {}
    for count in np.unique(lost):
        old[count] = _holds(before.drop_interval(_items(count, n)), expected / n)
        new[count] = _holds(drop_interval(int(count), 0, n), expected / n)
    cell = f"{n:,} items, {expected:g} expected to change"
    counts = [Count(sum(known[count] for count in lost), runs) for known in (old, new)]
    return Row("coverage of a drop", cell, ">= .94", *counts)


def interactions(n: int, expected: float, runs: int, seed: int) -> Row:
    """Coverage of the interval of an interaction; in the other group half as many items change."""
    rng = np.random.default_rng(seed)
    truth = expected / n / 2
    old = new = 0
    for _ in range(runs):
        first, second = rng.binomial(n, expected / n), rng.binomial(n, expected / n / 2)
        between = before.interaction_interval(_items(first, n), _items(second, n))
        old += _holds(between, truth)
        one, two = drop_interval(first, 0, n), drop_interval(second, 0, n)
        new += _holds(mover(first / n, one, second / n, two), truth)
    cell = f"{n:,} items a group, {expected:g} and {expected / 2:g} expected to change"
    return Row("coverage of an interaction", cell, ">= .94", Count(old, runs), Count(new, runs))


def adjusted(n: int, expected: float | str, runs: int, seed: int) -> Row:
    """Coverage of the interval of the adjusted effect, at a quarter sd between the groups.

    A number of expected changes: so many target items lose about one sd and the others nothing. A
    word: all items change, with scatter of that kind.
    """
    rng = np.random.default_rng(seed)
    target = np.arange(2 * n) < n
    hits = 0
    for _ in range(runs):
        margin = rng.normal(size=2 * n) + 0.25 * target
        losses, truth = _losses(rng, target, margin, expected, n)
        solved = design(margin, target, np.arange(2 * n, dtype=np.intp))
        hits += _holds(Studentized(solved, Resampler(seed, RESAMPLES)).interval(losses), truth)
    change = expected if isinstance(expected, str) else f"{expected:g} expected to change"
    cell = f"{n:,} items a group, {change}"
    return Row("coverage of an adjusted effect", cell, ">= .94", None, Count(hits, runs))


def clustered(labels: tuple[int, int], nested: bool, runs: int, seed: int) -> Row:
    """Coverage of the adjusted effect where items of one class or paradigm share deviations.

    That of the losses is independent of that of the margins: one deviation that moves both is a
    bias of any adjustment for the margin, not a matter of intervals (docs, "Where it fails").
    """
    rng = np.random.default_rng(seed)
    target = np.arange(1000) < 250
    hits = 0
    for _ in range(runs):
        first = rng.integers(0, labels[0], 250)
        rest = rng.integers(0, labels[1], 750) + (labels[0] if nested else 0)
        clusters = np.unique(np.concatenate([first, rest]), return_inverse=True)[1]
        shared, easier = 0.5 * rng.normal(size=(2, int(clusters.max()) + 1))[:, clusters]
        margin = rng.normal(size=1000) + 0.25 * target + easier
        losses = 0.2 * margin + shared + rng.normal(size=1000)
        solved = design(margin, target, clusters.astype(np.intp))
        hits += _holds(Studentized(solved, Resampler(seed, RESAMPLES)).interval(losses), 0.0)
    cell = f"{labels[0]} and {labels[1]} labels, {'nested in' if nested else 'across'} groups"
    return Row("coverage of an adjusted effect", cell, ">= .94", None, Count(hits, runs))


def shares(share: float, runs: int, seed: int, units: int = 200) -> Row:
    """Rejection where the top is a random mask: draws from all units, and from the rest alone."""
    rng = np.random.default_rng(seed)
    k = round(share * units)
    old = new = 0
    for _ in range(runs):
        effects = rng.exponential(size=units)
        order = rng.permutation(units)
        top, rest = float(effects[order[:k]].sum()), effects[order[k:]]
        left = [float(rng.choice(rest, k, replace=False).sum()) for _ in range(before.DRAWS)]
        old += before.permutation_p(top, left) <= ALPHA
        stopping = Stopping({"layer-matched": [top]})
        while not stopping.enough("layer-matched"):
            stopping.add("layer-matched", [float(rng.permutation(effects)[:k].sum())])
        new += stopping.ranks("layer-matched")[0].p <= ALPHA
    cell = f"{share:.0%} of a site masked"
    return Row("rejection of a random mask", cell, "<= .055", Count(old, runs), Count(new, runs))


def doses(runs: int, seed: int, units: int = 1000) -> Row:
    """Rejection at any of six doses where the top is a random mask at each."""
    rng = np.random.default_rng(seed)
    sizes = [1, 2, 5, 10, 20, 50]
    old = new = 0
    for _ in range(runs):
        effects = rng.normal(size=units) + 0.3
        drawn = np.array([np.cumsum(rng.permutation(effects)) for _ in range(1 + MOST // 5)])
        rows = drawn[:, np.array(sizes) - 1]
        alone = [rank(row[0], row[1 : 1 + before.DRAWS], len(rows)).p for row in rows.T]
        old += min(alone) <= ALPHA
        new += min(found.p for found in ranks_over_doses(rows[0], rows[1:])) <= ALPHA
    return Row("rejection at any dose", "6 doses", "<= .05", Count(old, runs), Count(new, runs))


def single_items(runs: int, seed: int) -> Row:
    """Evidence from a target group of one item."""
    rng = np.random.default_rng(seed)
    world = World((0.9, 0.5), (1, 200), harm=(2.0, 0.1), draws=20)
    old = new = 0
    for _ in range(runs):
        table = world.table(rng)
        old += before.is_evidence(table)
        bench = Bench(table, "target", "other", Resampler(seed, RESAMPLES))
        new += judge_bench(bench).outcome == EVIDENCE
    return Row("false evidence", "target of one item", "0", Count(old, runs), Count(new, runs))


def _losses(
    rng: np.random.Generator,
    target: npt.NDArray[np.bool_],
    margin: Floats,
    kind: float | str,
    n: int,
) -> tuple[Floats, float]:
    if not isinstance(kind, str):
        changed = target & (rng.random(len(target)) < kind / n)
        return changed * rng.normal(1, 0.3, len(target)), kind / n
    scatter: dict[str, Callable[[], Floats]] = {
        "normal": lambda: rng.normal(size=len(target)),
        "heteroscedastic": lambda: rng.normal(size=len(target)) * np.exp(0.5 * margin),
        "skewed": lambda: (
            np.where(target, rng.exponential(size=len(target)) - 1, 0.5)
            * np.where(target, 1.0, rng.normal(size=len(target)))
        ),
    }
    return scatter[kind]() + 0.3 * target + 0.2 * margin, 0.3


def _items(lost: int, n: int) -> Floats:
    return (np.arange(n) < lost).astype(float)


def _holds(ci: tuple[float, float], truth: float) -> bool:
    return ci[0] <= truth <= ci[1]
