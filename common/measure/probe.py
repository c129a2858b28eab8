"""Weights of a linear probe: which units of a site a reader of that site alone would go by.

A logistic regression with an L2 penalty is fitted to the pooled activations of each site. How well
it tells held-out stimuli apart says that the difference is *decodable* there; whether the model
*needs* it there is what ablation asks. Unlike all other scores it needs the activations of all
stimuli at once: those of as many sites at a time as fit into :data:`ROOM`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from common.base.errors import DataError, SettingError
from common.base.heavy import torch
from common.measure.attach import attached, tensor_of
from common.measure.batch import Batch, Fitting
from common.measure.moments import Array
from common.measure.rules import Contrast, Score, ScoreRule, ScoreWords, Watching
from common.measure.sinks import counted
from common.measure.sites import Site
from common.measure.turns import attached_to

if TYPE_CHECKING:
    from torch import Tensor

ROOM = 1 << 30  # bytes of activations that are kept at once
FOLDS = 5
PENALTY = 1.0  # scikit-learn's C, for activations in standard deviations
WORDS = ScoreWords(
    name="probe",
    symbol="w",
    label="weight of a linear probe of the site, in standard deviations of the unit",
    prose="the weight of a linear probe of its site",
    title="Probe: weight in a linear probe of the unit’s site",
    method=(
        "For each site a logistic regression with an L2 penalty (C = 1, both sides weighted "
        "alike) was fitted to the pooled activations of its units, in standard deviations of each. "
        "The score is a unit’s weight, positive towards the target. How well each site’s probe "
        f"tells held-out stimuli apart was measured by {FOLDS}-fold cross-validation."
    ),
    references=(
        "Alain, G., & Bengio, Y. (2017). Understanding intermediate layers using linear classifier "
        "probes. ICLR workshop. arXiv:1610.01644.",
        "Pedregosa, F., et al. (2011). Scikit-learn: machine learning in Python. J. Mach. Learn. "
        "Res., 12, 2825–2830.",
    ),
    digits=".3g",
    scale=0.0,
)


@dataclass(frozen=True)
class Fitted:
    """The probes of one set of stimuli.

    Attributes
    ----------
    weights : array of shape (n_units,)
        Of all sites, in standard deviations of each unit.
    right : dict of Site to (int, int), optional
        Held-out stimuli of the target and of the control that each site's probe got right.
    sizes : (int, int)
        Stimuli of either.
    """

    weights: Array
    right: dict[Site, tuple[int, int]]
    sizes: tuple[int, int]


class Probes:
    """Probes of all stimuli, and of each half."""

    def __init__(self) -> None:
        self.parts: dict[tuple[tuple[int, ...], ...], list[tuple[Site, Array, Any]]] = {}
        self.sizes: dict[tuple[tuple[int, ...], ...], tuple[int, int]] = {}

    def add(self, site: Site, values: np.ndarray, groups: np.ndarray, seed: int) -> None:
        """Fit a site's probes to its activations, shape (n_stimuli, n_units)."""
        for sides in (((0,), (2,)), ((1,), (3,)), ((0, 1), (2, 3))):
            is_target = np.isin(groups, sides[0])
            some = is_target | np.isin(groups, sides[1])
            x, y = values[some], is_target[some]
            whole = len(sides[0]) == 2
            right = held_out(x, y, seed) if whole else None
            self.parts.setdefault(sides, []).append((site, weights_of(x, y), right))
            self.sizes[sides] = (int(y.sum()), int((~y).sum()))

    def of(self, groups: tuple[tuple[int, ...], ...]) -> Fitted:
        """The probes of the stimuli of some groups."""
        parts = self.parts[groups]
        right = {site: each for site, _, each in parts if each is not None}
        return Fitted(np.concatenate([each for _, each, _ in parts]), right, self.sizes[groups])


def _regression() -> Any:
    from sklearn.linear_model import LogisticRegression  # slow to import
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    linear = LogisticRegression(C=PENALTY, class_weight="balanced", max_iter=10_000)
    return make_pipeline(StandardScaler(), linear)


def weights_of(values: np.ndarray, is_target: np.ndarray) -> Array:
    """Weight of each unit in a probe of all stimuli, in its standard deviations.

    Parameters
    ----------
    values : array of shape (n_stimuli, n_units)
        Activations.
    is_target : array of bool of shape (n_stimuli,)
        Which stimuli are the target's.
    """
    fitted = _regression().fit(values.astype(np.float64), is_target)
    weights: Array = fitted[-1].coef_[0].astype(np.float64)
    return weights


def held_out(values: np.ndarray, is_target: np.ndarray, seed: int) -> tuple[int, int]:
    """Stimuli of the target and of the control that probes of other stimuli get right.

    Parameters
    ----------
    values, is_target
        As in :func:`weights_of`.
    seed : int
        Of the folds.
    """
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    folds = min(FOLDS, int(is_target.sum()), int((~is_target).sum()))
    split = StratifiedKFold(folds, shuffle=True, random_state=seed)
    said = cross_val_predict(_regression(), values.astype(np.float64), is_target, cv=split)
    right = said == is_target
    return int(right[is_target].sum()), int(right[~is_target].sum())


def shares(where: Watching, room: int = ROOM) -> Iterator[list[Site]]:
    """The sites, as many at a time as fit.

    Raises
    ------
    SettingError
        If one does not fit by itself.
    """
    some: list[Site] = []
    kept = 0
    for site in where.sites:
        size = 4 * len(where.groups) * site.n_units(where.unit)
        if size > room:
            raise SettingError(
                f"`score` probe: keeps all activations of a site at once, and those of {site} are "
                f"{size / 1e9:.1f} GB ({len(where.groups):,} stimuli x "
                f"{site.n_units(where.unit):,} units), more than {room / 1e9:.1f}; choose fewer "
                "stimuli, `unit` channel, or other `sites`"
            )
        if kept + size > room:
            yield some
            some, kept = [], 0
        some.append(site)
        kept += size
    yield some


def gather(where: Watching, sites: Sequence[Site]) -> dict[Site, np.ndarray]:
    """Pooled activations of all stimuli at some sites, each of shape (n_stimuli, n_units)."""
    n = len(where.groups)
    found = {site: np.zeros((n, site.n_units(where.unit)), np.float32) for site in sites}
    now: dict[str, Any] = {}

    def read(site: Site, value: Any) -> None:
        found[site][now["places"]] = _pooled(where, site, tensor_of(site, value), now["tokens"])

    def show(batch: Batch) -> None:
        now.update(places=batch.where, tokens=batch.tokens)
        batch.run()

    hooks = attached_to(where.module, sites, lambda site: partial(read, site))
    fitting = Fitting(show)
    with torch.inference_mode(), attached(hooks):
        for batch in where.batches():
            fitting(batch)
    return found


def _pooled(where: Watching, site: Site, tensor: Tensor, tokens: Tensor | None) -> np.ndarray:
    """One number a unit and stimulus, as it is recorded."""
    values = tensor.abs() if where.statistic == "mean-magnitude" else tensor
    read = counted(tokens, where.pooling, where.left_out)
    pooled = site.pool(values.detach(), where.unit, where.pooling, read)
    pooled = pooled if where.statistic == "signed" else pooled.abs()
    found: np.ndarray = pooled.float().cpu().numpy()
    return found


def probe(where: Watching) -> Probes:
    """Fit the probes of all sites."""
    found, done = Probes(), 0
    for sites in [*shares(where)]:
        for site, values in gather(where, sites).items():
            if not np.isfinite(values).all():
                raise DataError(f"{site}: activations are NaN or infinite, so no probe can be made")
            found.add(site, values, where.groups, where.seed)
            done += 1
            where.progress("probe", done, len(where.sites))
    return found


def _score(contrast: Contrast) -> Score:
    fitted = contrast.watched.of(contrast.groups)
    told = {str(site): list(right) for site, right in fitted.right.items()}
    about = {"decodable": {"n": list(fitted.sizes), "right": told}}
    return Score(WORDS, fitted.weights, about=about)


PROBE = ScoreRule(
    WORDS,
    end=_score,
    value=lambda contrast: contrast.watched.of(contrast.groups).weights,
    later=probe,
    passes=lambda _sites, _units, _effort: 2.0,
)
