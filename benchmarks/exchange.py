"""How often control masks call a mask special that is nothing special, by share of a site.

The top is drawn by chance within its site, so whatever its ablation does, it is one mask among
others: its rank among the control masks must be below .05 in at most 5 % of runs, for every rule
and every share of a site. Harm is the sum of the harms of a mask's units, drawn by chance and, if
wanted, the larger the louder a unit is.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np

from benchmarks.calibration.before import permutation_p
from common.measure.control_rules import against, control
from common.measure.masks import top_percent
from common.measure.matching import MATCHED_PART, matched_part
from common.measure.rules import Score
from common.measure.scores import RECORDED, SelectivityMap
from common.measure.sites import Site
from common.measure.welch import WORDS

SHARES = (1.0, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0)
ALPHA = 0.05


@dataclass(frozen=True)
class Rejection:
    """How often a rule's p was at most .05, in how many runs that had one."""

    rule: str
    share: float
    runs: int
    rate: float


def null_map(rng: np.random.Generator, n_units: int, spread: float) -> SelectivityMap:
    """One site of units whose score says nothing; log loudness has this standard deviation."""
    loudness = np.exp(rng.normal(0, spread, n_units))
    recorded = {name: loudness if name == "magnitude" else np.zeros(n_units) for name in RECORDED}
    score = Score(WORDS, rng.permutation(n_units).astype(float))
    site = Site("layer", shape=(n_units,))
    return SelectivityMap((site,), "channel", "mean", "magnitude", 2, 2, score=score, **recorded)


def rejection(
    rule: str,
    share: float,
    *,
    runs: int = 2000,
    draws: int = 19,
    n_units: int = 200,
    spread: float = 0.5,
    louder_harms: float = 0.0,
    seed: int = 0,
) -> Rejection:
    """Simulate a rule at one share of a site.

    Parameters
    ----------
    rule : str
        A control rule.
    share : float
        Of the site's units, in percent.
    runs, draws, n_units : int, default=2000, 19, 200
        Simulated experiments, control masks of each, units of the site.
    spread : float, default=0.5
        Standard deviation of log loudness over units.
    louder_harms : float, default=0
        How much harm grows with one standard deviation of log loudness, in standard deviations of
        the harm that is by chance.
    seed : int, default=0
        Of all of it.
    """
    rng = np.random.default_rng([seed, round(1000 * share), *rule.encode()])
    p = []
    for _ in range(runs):
        found = null_map(rng, n_units, spread)
        harm = rng.normal(0, 1, n_units) + louder_harms * np.log(found.magnitude) / spread
        top = top_percent(found, share)
        held = matched_part(found, top) if against(rule) == MATCHED_PART else top
        if held is None:
            continue
        first = int(rng.integers(2**31))
        drawn = [control(found, rule, share, first + draw) for draw in range(draws)]
        harms = [float(harm[mask.units].sum()) for mask in drawn]
        p.append(permutation_p(float(harm[held.units].sum()), harms))
    return Rejection(rule, share, len(p), float(np.mean(np.array(p) <= ALPHA)) if p else 0.0)


def main() -> None:
    """Print the table: every drawn rule, share and kind of harm."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    print("rule                share %  louder harms  runs  rejected")
    for rule in ("random", "layer-matched", "magnitude-matched"):
        for share in SHARES:
            for louder in (0.0, 1.0):
                got = rejection(rule, share, runs=runs, louder_harms=louder)
                print(f"{rule:18}  {share:7g}  {louder:12g}  {got.runs:4}  {got.rate:.4f}")


if __name__ == "__main__":
    main()
