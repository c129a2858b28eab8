"""Selectivity maps: for every unit, how much more it answers to the target than to the control.

The statistic is Welch's t (unequal variances; AlKhamissi et al. 2024, sec. 3), with a two-sided p,
a q after Benjamini and Hochberg (1995) over all units of the map, and d′. Everything is computed
from moments, in float64; nothing here has seen an activation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import scipy  # its parts are loaded where they are first used
from safetensors import SafetensorError, safe_open

from common.base.errors import RunError
from common.base.files import save_arrays
from common.measure.moments import Array, Moments, Statistic
from common.measure.sites import Pooling, Site, Unit

CONTRACT = ("t", "p", "q", "d_prime", "mean_target", "mean_control")
COLUMNS = (*CONTRACT, "output_control", "magnitude")


@dataclass(frozen=True)
class SelectivityMap:
    """What a localizer found, for all units of all sites in one row.

    Attributes
    ----------
    sites : tuple of Site
        In running order; a site's units lie beside each other, in the order of its tensor.
    unit, pooling, statistic : str
        What was measured.
    n_target, n_control : int
        Number of stimuli in each condition.
    t, p, q, d_prime : array of shape (n_units,)
        Welch's t (target minus control), its two-sided p, Benjamini-Hochberg q, and d′.
    mean_target, mean_control : array of shape (n_units,)
        Means of the statistic.
    output_control : array of shape (n_units,)
        Mean output over the control condition, with its sign: for ablation by the mean.
    magnitude : array of shape (n_units,)
        Mean \\|activation\\| over all stimuli: what control masks are matched on.
    about : dict
        Whatever else is worth keeping with the map (fingerprints, split halves).
    """

    sites: tuple[Site, ...]
    unit: Unit
    pooling: Pooling
    statistic: Statistic
    n_target: int
    n_control: int
    t: Array
    p: Array
    q: Array
    d_prime: Array
    mean_target: Array
    mean_control: Array
    output_control: Array
    magnitude: Array
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def n_units(self) -> int:
        """Number of units over all sites."""
        return len(self.t)

    @cached_property
    def offsets(self) -> np.ndarray:
        """Where each site's units begin, and the total: array of int of shape (n_sites + 1,)."""
        return np.cumsum([0, *(site.n_units(self.unit) for site in self.sites)])

    @cached_property
    def site_of_unit(self) -> np.ndarray:
        """Index of each unit's site: array of int of shape (n_units,)."""
        return np.repeat(np.arange(len(self.sites)), np.diff(self.offsets))

    @cached_property
    def ranking(self) -> np.ndarray:
        """Units by falling t, ties by rising index: array of int of shape (n_units,)."""
        return np.argsort(-self.t, kind="stable")

    @cached_property
    def fingerprint(self) -> str:
        """Changes whenever anything that a mask depends on changes."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(json.dumps([str(site) for site in self.sites]).encode())
        digest.update(json.dumps([self.unit, self.pooling, self.statistic]).encode())
        for values in (self.t, self.magnitude, self.output_control):
            digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()

    def at(self, site: Site, column: str = "t") -> Array:
        """One column at one site, shape ``(channels,)`` or the tensor's own for neurons."""
        number = self.sites.index(site)
        values: Array = getattr(self, column)[self.offsets[number] : self.offsets[number + 1]]
        return values.reshape(site.unit_shape(self.unit))

    def by_site(self, column: str) -> dict[Site, Array]:
        """One column of every site, flat."""
        return {site: self.at(site, column).ravel() for site in self.sites}

    def save(self, path: Path) -> None:
        """Write ``SITE/COLUMN`` arrays (float64) and the description, atomically."""
        arrays = {f"{site}/{name}": self.at(site, name) for site in self.sites for name in COLUMNS}
        about = {
            "sites": [asdict(site) for site in self.sites],
            "unit": self.unit,
            "pooling": self.pooling,
            "statistic": self.statistic,
            "n_target": self.n_target,
            "n_control": self.n_control,
            "about": self.about,
        }
        save_arrays(path, arrays, {"selectivity": json.dumps(about, sort_keys=True)})

    @classmethod
    def load(cls, path: Path) -> SelectivityMap:
        """Read what :meth:`save` wrote.

        Raises
        ------
        RunError
            If the file is not such a map.
        """
        try:
            with safe_open(path, framework="numpy") as file:
                about = json.loads(file.metadata()["selectivity"])
                sites = tuple(
                    Site(**{**site, "shape": tuple(site["shape"])}) for site in about.pop("sites")
                )
                columns: dict[str, Any] = {
                    name: np.concatenate(
                        [file.get_tensor(f"{site}/{name}").ravel() for site in sites]
                    )
                    for name in COLUMNS
                }
                return cls(sites=sites, **about, **columns)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise RunError(f"{path}: not a selectivity map ({error})") from error


def welch(
    target: Mapping[Site, Moments],
    control: Mapping[Site, Moments],
    *,
    unit: Unit = "channel",
    pooling: Pooling = "mean",
    statistic: Statistic = "magnitude",
    about: dict[str, Any] | None = None,
) -> SelectivityMap:
    """Contrast two conditions, unit by unit.

    Parameters
    ----------
    target, control : mapping of Site to Moments
        What :func:`common.record` collected over each condition.
    unit, pooling, statistic : str
        How it was recorded.
    about : dict, optional
        Kept with the map.

    Returns
    -------
    SelectivityMap
        A unit without variance in either condition gets t = 0, p = 1 and d′ = 0.

    Notes
    -----
    t and its degrees of freedom are Welch's (1947), as in ``scipy.stats.ttest_ind`` with
    ``equal_var=False``; q is ``scipy.stats.false_discovery_control``; d′ is the difference of the
    means over the root of the mean of the two variances.
    """
    sites = tuple(target)
    one, two = [target[site] for site in sites], [control[site] for site in sites]
    mean_one, mean_two = _joined(one, "mean"), _joined(two, "mean")
    var_one, var_two = _joined(one, "variance"), _joined(two, "variance")
    n_one, n_two = one[0].count, two[0].count
    t, freedom = welch_t(mean_one, var_one, n_one, mean_two, var_two, n_two)
    p = two_sided_p(t, freedom)
    spread = np.sqrt((var_one + var_two) / 2)
    loudness = n_one * _joined(one, "magnitude") + n_two * _joined(two, "magnitude")
    return SelectivityMap(
        sites=sites,
        unit=unit,
        pooling=pooling,
        statistic=statistic,
        n_target=n_one,
        n_control=n_two,
        t=t,
        p=p,
        q=scipy.stats.false_discovery_control(p, method="bh"),
        d_prime=_ratio(mean_one - mean_two, spread),
        mean_target=mean_one,
        mean_control=mean_two,
        output_control=_joined(two, "output"),
        magnitude=loudness / (n_one + n_two),
        about=about or {},
    )


def t_alone(target: Mapping[Site, Moments], control: Mapping[Site, Moments]) -> Array:
    """Only the t of :func:`welch`, for all units in one row."""
    pairs = [(target[site], control[site]) for site in target]
    return np.concatenate(
        [
            welch_t(one.mean, one.variance, one.count, two.mean, two.variance, two.count)[0]
            for one, two in pairs
        ]
    )


def welch_t(
    mean_one: Array, var_one: Array, n_one: int, mean_two: Array, var_two: Array, n_two: int
) -> tuple[Array, Array]:
    """Welch's t and its degrees of freedom from means and sample variances.

    A unit without variance has t = 0 and no degree of freedom.
    """
    share_one, share_two = var_one / max(n_one, 1), var_two / max(n_two, 1)
    total = share_one + share_two
    t = _ratio(mean_one - mean_two, np.sqrt(total))
    # Welch-Satterthwaite; in shares of the total, which cannot underflow as squares of them would.
    part_one, part_two = _ratio(share_one, total), _ratio(share_two, total)
    inverse = part_one**2 / max(n_one - 1, 1) + part_two**2 / max(n_two - 1, 1)
    return t, _ratio(np.ones_like(inverse), inverse)


def two_sided_p(t: Array, freedom: Array) -> Array:
    """Two-sided p of Student's t, 1 where there is no degree of freedom."""
    p = np.ones_like(t)
    varies = freedom > 0
    p[varies] = 2 * scipy.stats.t.sf(np.abs(t[varies]), freedom[varies])
    return p


def _ratio(upper: Array, lower: Array) -> Array:
    """Elementwise ratio, 0 where the denominator is 0."""
    return np.divide(upper, lower, out=np.zeros_like(lower), where=lower > 0)


def _joined(parts: Sequence[Moments], name: str) -> Array:
    return np.concatenate([getattr(part, name) for part in parts])


@dataclass(frozen=True)
class SplitHalf:
    """How well two halves of the localizer agree.

    Attributes
    ----------
    correlation : float
        Pearson's r of t over units, between the maps of the two halves.
    dice : dict of float to float
        For each percent, the Dice overlap of the two halves' top masks.
    dice_chance : dict of float to float
        The overlap that random masks of that size would have.
    """

    correlation: float
    dice: dict[float, float]
    dice_chance: dict[float, float]


def split_half(one: Array, two: Array, percents: Sequence[float]) -> SplitHalf:
    """Compare the t of the same units, each of shape (n_units,), in two halves of the stimuli."""
    dice, chance = {}, {}
    for percent in percents:
        k = n_chosen(len(one), percent)
        shared = int((in_top(one, k) & in_top(two, k)).sum())
        dice[percent], chance[percent] = shared / k, k / len(one)
    varies = np.ptp(one) > 0 and np.ptp(two) > 0
    correlation = float(np.corrcoef(one, two)[0, 1]) if varies else 0.0
    return SplitHalf(correlation, dice, chance)


def in_top(t: Array, k: int) -> np.ndarray:
    """Which units are the k with the highest t, ties by rising index, without sorting them all.

    Returns
    -------
    array of bool of shape (n_units,)
    """
    threshold = np.partition(t, len(t) - k)[len(t) - k]
    chosen: np.ndarray = t > threshold
    ties = np.flatnonzero(t == threshold)
    chosen[ties[: k - int(chosen.sum())]] = True
    return chosen


def n_chosen(n_units: int, percent: float) -> int:
    """How many units a percentage is: rounded to the nearest, and never none."""
    return max(1, round(n_units * percent / 100))
