"""Tables of items from worlds where the truth is known.

Margins are in sd of a group's intact margins, which are normal around the mean that gives the
group its intact accuracy. A mask takes from every item what the world says and adds scatter of its
own; the top takes more than its controls and scatters more, in every world.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from common.effects.table import Table

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
MATCHED = ("layer-matched", "magnitude-matched")
PERCENT = 1.0


@dataclass(frozen=True)
class World:
    """How margins come about.

    Attributes
    ----------
    accuracies : (float, float)
        Intact, of target and other.
    sizes : (int, int)
        Items of target and other.
    kind : str
        ``additive``: every item loses the same. ``multiplicative``: every margin shrinks by the
        same factor. ``noisy``: additive, but a fifth of the variance of intact margins is chance
        that no ablated pass shares. ``forgetful``: the same, but controls share that chance and the
        top mask alone forgets it, so that its margins fall back towards their group's mean.
        ``heteroscedastic``: additive; scatter grows with the
        margin and is twice as large in the target. ``saturating``: additive below a smooth ceiling.
        ``skewed``: additive, with scatter of long tails to one side in the target.
    shift : float
        What the target loses besides, in sd of its margins: the truth to be found.
    harm : (float, float)
        What the top and what a control takes.
    scatter : (float, float)
        Sd of a mask's own scatter, of the top and of a control.
    draws : int
        Of each matched rule.
    """

    accuracies: tuple[float, float]
    sizes: tuple[int, int]
    kind: str = "additive"
    shift: float = 0.0
    harm: tuple[float, float] = (0.5, 0.2)
    scatter: tuple[float, float] = (0.5, 0.3)
    draws: int = 39

    def table(self, rng: np.random.Generator) -> Table:
        """One run of the experiment."""
        target = np.arange(sum(self.sizes)) < self.sizes[0]
        means = np.asarray(stats.norm.ppf(np.asarray(self.accuracies)))
        latent = rng.normal(size=len(target)) + np.where(target, means[0], means[1])
        intact = self._intact(latent, rng)
        kept = intact if self.kind == "forgetful" else latent
        top = self._ablated(latent, target, 0, rng, 1)
        controls = self._ablated(kept, target, 1, rng, 2 * self.draws)
        margins = np.column_stack([top - self.shift * target[:, None], controls])
        if self.kind == "saturating":
            intact, margins = _ceiling(intact), _ceiling(margins)
        return laid_out(target, intact, margins, self.draws)

    def _intact(self, latent: Floats, rng: np.random.Generator) -> Floats:
        """Intact margins: what masked passes share, and chance."""
        chance = 0.5 if self.kind in ("noisy", "forgetful") else 0.0
        return latent + chance * rng.normal(size=len(latent))

    def _ablated(
        self, stable: Floats, target: Bools, which: int, rng: np.random.Generator, masks: int
    ) -> Floats:
        harm, scatter = self.harm[which], self.scatter[which]
        own = rng.normal(size=(len(stable), masks))
        if self.kind == "noisy" or (self.kind == "forgetful" and which == 0):
            own = own + 0.5 / scatter * rng.normal(size=own.shape)
        if self.kind == "skewed":
            own = np.where(target[:, None], 1 - rng.exponential(size=own.shape), own)
        if self.kind == "heteroscedastic":
            own = own * np.exp(0.3 * stable)[:, None] * np.where(target, 2, 1)[:, None]
        kept = stable * (1 - harm) if self.kind == "multiplicative" else stable - harm
        return kept[:, None] + scatter * own


def laid_out(target: Bools, intact: Floats, margins: Floats, draws: int) -> Table:
    """A table of a top mask and its controls, half of each matched rule.

    Parameters
    ----------
    target : array of bool of shape (n_items,)
        Target items.
    intact : array of shape (n_items,)
        Intact margins.
    margins : array of shape (n_items, 1 + 2 * draws)
        Under the top mask, the layer-matched and the magnitude-matched ones.
    draws : int
        Of each rule.
    """
    rules = ["top", *["layer-matched"] * draws, *["magnitude-matched"] * draws]
    masks = pd.DataFrame(
        {"mask": [f"{rule}-{n}" for n, rule in enumerate(rules)], "rule": rules, "percent": PERCENT}
    )
    labels = np.full(len(target), "", dtype=object)
    return Table(target, labels, intact, margins, intact > 0, margins > 0, masks, (PERCENT,))


def _ceiling(margins: Floats) -> Floats:
    """Rises one to one far below 1 and never above it."""
    return np.asarray(1 - np.logaddexp(0.0, -2.0 * (margins - 1)) / 2)
