"""Selectivity maps: for every unit, how much more it answers to the target than to the control.

A map holds the score of one rule (:mod:`common.measure.rules`), the means of both conditions and
what masks and ablation need of every unit. Everything is computed in float64; nothing here has seen
an activation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError

from common.base.errors import RunError, SettingError
from common.base.files import read_arrays, save_arrays
from common.measure.displayed import map_html
from common.measure.loudness import EXCLUDED, level_of, times_median
from common.measure.moments import Array, Moments, Statistic
from common.measure.rules import Contrast, Score, ScoreRule
from common.measure.score_rules import DEFAULT_SCORE as DEFAULT_SCORE
from common.measure.score_rules import SCORE_RULES as SCORE_RULES
from common.measure.score_rules import check_effort as check_effort
from common.measure.score_rules import check_level as check_level
from common.measure.score_rules import score_identity as score_identity
from common.measure.score_rules import score_rule as score_rule
from common.measure.shares import CHOSEN, chosen_first, n_chosen, without_doses
from common.measure.sites import WEIGHT, Pooling, Site, Unit
from common.measure.welch import WELCH, check_sides, joined

LEAST_D_PRIME, LEAST_INDEX = 1.0, 1 / 3  # from which on an effect is counted as one
TRUNCATED = "truncated"  # how many units a percentage is, where it is not rounded
RECORDED = ("mean_target", "mean_control", "output_control", "magnitude")
BROKEN = (OSError, SafetensorError, KeyError, TypeError, ValueError, SettingError)
CONTRACT = ("t", "p", "q", "d_prime", "mean_target", "mean_control")
OF_TEXTS = ("output_first", "peak")
STEPS = ("step", "steps")  # of a site; said where its module has several calls
COLUMNS = (*CONTRACT, "output_control", "magnitude")


@dataclass(frozen=True)
class SelectivityMap:
    """What a localizer found, for all units of all sites in one row.

    Attributes
    ----------
    sites : tuple of Site
        In running order; a site's units lie beside each other, in the order of its tensor.
    unit, pooling, statistic : str
        What was measured. The units of sites of weights are weights.
    n_target, n_control : int
        Number of stimuli in each condition.
    score : Score
        What ranks the units, with p, q and further columns where its rule has them.
    mean_target, mean_control : array of shape (n_units,)
        Means of the statistic.
    output_control : array of shape (n_units,)
        Mean output over the control condition, with its sign: for ablation by the mean. Weights
        have none, and it is 0.
    magnitude : array of shape (n_units,)
        Mean \\|activation\\| over all stimuli, or \\|weight\\|: what control masks are matched on.
    output_first, peak : array of shape (n_units,), optional
        Of texts: mean output at the first token over the control condition, for ablation by the
        mean where the unit stands; the largest \\|output\\| at any token of any stimulus.
    about : dict
        Whatever else is worth keeping with the map (fingerprints, split halves).

    Examples
    --------
    >>> found.n_units, found.t.shape, [str(site) for site in found.sites]
    (16, (16,), ['1:output', '3:output'])
    """

    sites: tuple[Site, ...]
    unit: Unit
    pooling: Pooling
    statistic: Statistic
    n_target: int
    n_control: int
    score: Score
    mean_target: Array
    mean_control: Array
    output_control: Array
    magnitude: Array
    about: dict[str, Any] = field(default_factory=dict)
    output_first: Array | None = None
    peak: Array | None = None

    def __repr__(self) -> str:
        units = f"{self.n_units:,} {self.unit}s at {len(self.sites)} sites"
        return f"<map of {units} by {self.score.name}>"

    @property
    def n_units(self) -> int:
        """Number of units over all sites."""
        return len(self.score.value)

    @property
    def t(self) -> Array:
        """The score's column t, where its rule has one."""
        return self.score.column("t")

    @property
    def p(self) -> Array:
        """The score's p, where its rule has a test."""
        return self.score.column("p")

    @property
    def q(self) -> Array:
        """The score's q over all units, where its rule has a test."""
        return self.score.column("q")

    @property
    def d_prime(self) -> Array:
        """d′, where the score's rule gives it."""
        return self.score.column("d_prime")

    def n_chosen(self, percent: float) -> int:
        """How many units a percentage is, by the rule that the map was made for."""
        return n_chosen(self.n_units, percent, truncated=self.about.get("k") == TRUNCATED)

    def column(self, name: str) -> Array:
        """One column of the score, or of what was recorded, shape (n_units,)."""
        own = (*RECORDED, *self.of_texts)
        recorded: Array = getattr(self, name) if name in own else self.score.column(name)
        return recorded

    @property
    def of_texts(self) -> tuple[str, ...]:
        """Columns that only maps of texts have, and not those from before."""
        return tuple(name for name in OF_TEXTS if getattr(self, name) is not None)

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
        """Units by falling score, ties by rising index: array of int of shape (n_units,).

        Those that are left out of masks come last, and those of a list first.
        """
        order = chosen_first(np.argsort(-self.score.value, kind="stable"), self.about)
        out = self.excluded[order]
        return np.concatenate([order[~out], order[out]])

    @property
    def loudness(self) -> Array:
        """What units are called massive by: the peak where it is known, or the mean."""
        return self.magnitude if self.peak is None else self.peak

    @cached_property
    def _orders(self) -> dict[int, np.ndarray]:
        return {}

    def by_loudness(self, number: int) -> np.ndarray:
        """Units of a site from the quietest on, by their places in it; ties by rising place.

        Kept, for each draw of a control asks for it: four bytes a unit.
        """
        if number not in self._orders:
            start, stop = self.offsets[number : number + 2]
            order = np.argsort(level_of(self.magnitude[start:stop]), kind="stable")
            small = len(order) <= np.iinfo(np.int32).max
            self._orders[number] = order.astype(np.int32) if small else order
        return self._orders[number]

    @cached_property
    def times_median(self) -> Array:
        """Loudness over that of the median unit of its site, shape (n_units,)."""
        return times_median(self.loudness, self.offsets)

    @cached_property
    def excluded(self) -> np.ndarray:
        """Units that no mask is chosen from: array of bool of shape (n_units,)."""
        least = self.about.get(EXCLUDED)
        if least is None:
            return np.zeros(self.n_units, dtype=bool)
        out: np.ndarray = self.times_median >= least
        return out

    def without(self, least: float | None) -> SelectivityMap:
        """The same, with masks of units below so many times the median alone; of all for ``None``.

        How many top units are lower by their sign, and what top masks of halves share, is no longer
        known.
        """
        if self.about.get(EXCLUDED) == least:
            return self
        gone = (EXCLUDED, "lower_signed")
        about = {k: v for k, v in without_doses(self.about).items() if k not in gone}
        return replace(self, about={**about, **({} if least is None else {EXCLUDED: least})})

    @cached_property
    def fingerprint(self) -> str:
        """Changes whenever anything that a mask depends on changes."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(json.dumps([str(site) for site in self.sites]).encode())
        digest.update(json.dumps([self.unit, self.pooling, self.statistic]).encode())
        if self.score.name != DEFAULT_SCORE:  # maps from before there were others keep theirs
            digest.update(self.score.name.encode())
        texts = [getattr(self, name) for name in self.of_texts]
        for values in (self.score.value, self.magnitude, self.output_control, *texts):
            digest.update(np.ascontiguousarray(values).tobytes())
        for told in (EXCLUDED, CHOSEN):
            if told in self.about:
                digest.update(str(self.about[told]).encode())
        return digest.hexdigest()

    def check_shapes(self) -> None:
        """Raise ValueError unless every column has a value for every unit of the sites."""
        n_units = int(self.offsets[-1])
        for name in (*self.score.arrays, *RECORDED, *self.of_texts):
            if self.column(name).shape != (n_units,):
                raise ValueError(f"its {name} are not of {n_units:,} units")

    def at(self, site: Site, column: str | None = None) -> Array:
        """The score, or one column, at one site: ``(channels,)``, or the tensor's own shape."""
        number = self.sites.index(site)
        row = self.score.value if column is None else self.column(column)
        values: Array = row[self.offsets[number] : self.offsets[number + 1]]
        return values.reshape(site.unit_shape(self.unit))

    def by_site(self, column: str) -> dict[Site, Array]:
        """One column of every site, flat."""
        return {site: self.at(site, column).ravel() for site in self.sites}

    def _repr_html_(self) -> str:
        return map_html(self)

    def save(self, path: Path) -> None:
        """Write ``SITE/COLUMN`` arrays and the description, atomically."""
        names = (*self.score.arrays, *recorded_of(self.unit), *self.of_texts)
        arrays = {f"{site}/{name}": self.at(site, name) for site in self.sites for name in names}
        about = {
            "score": {"name": self.score.name, "columns": [*self.score.arrays]},
            "sites": [_plain(site) for site in self.sites],
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
            arrays, said = read_arrays(path)
            about = json.loads(said["selectivity"])
            sites = tuple(
                Site(**{**site, "shape": tuple(site["shape"])}) for site in about.pop("sites")
            )
            told = about.pop("score", {"name": DEFAULT_SCORE, "columns": CONTRACT[:4]})
            texts = [n for n in OF_TEXTS if any(key.endswith(f"/{n}") for key in arrays)]
            kept = recorded_of(about["unit"])
            columns: dict[str, Any] = {
                name: np.concatenate([arrays[f"{site}/{name}"].ravel() for site in sites])
                for name in (*told["columns"], *kept, *texts)
            }
            recorded = {name: columns.pop(name) for name in (*kept, *texts)}
            recorded.setdefault("output_control", nothing(recorded["magnitude"].shape))
            score = Score.of(score_rule(told["name"]).words, columns)
            found = cls(sites=sites, score=score, **about, **recorded)
            found.check_shapes()
            return found
        except BROKEN as error:
            reason = f"{type(error).__name__} {error}" if isinstance(error, KeyError) else error
            raise RunError(f"{path}: not a selectivity map ({reason})") from error


def recorded_of(unit: Unit) -> tuple[str, ...]:
    """What a map's file has beside the score: weights have no output."""
    return tuple(n for n in RECORDED if unit != WEIGHT or n != "output_control")


def nothing(shape: tuple[int, ...]) -> Array:
    """Zeros that take no memory."""
    zeros: Array = np.broadcast_to(np.float32(0), shape)
    return zeros


def scored(
    contrast: Contrast,
    rule: ScoreRule,
    *,
    unit: Unit = "channel",
    pooling: Pooling = "mean",
    statistic: Statistic = "magnitude",
    about: dict[str, Any] | None = None,
) -> SelectivityMap:
    """The map of what was gathered, scored by a rule.

    Parameters
    ----------
    contrast : Contrast
        What was gathered over both conditions.
    rule : ScoreRule
        How units are scored.
    unit, pooling, statistic : str
        How it was recorded.
    about : dict, optional
        Kept with the map.

    Raises
    ------
    DataError
        If a condition has fewer than two stimuli, or an activation was not finite.
    """
    one, two = joined(contrast.target), joined(contrast.control)
    check_sides(one, two)
    score = rule.end(contrast)
    loudness = one.count * one.magnitude + two.count * two.magnitude
    return SelectivityMap(
        sites=tuple(contrast.target),
        unit=unit,
        pooling=pooling,
        statistic=statistic,
        n_target=one.count,
        n_control=two.count,
        score=score,
        mean_target=one.mean,
        mean_control=two.mean,
        output_control=two.output,
        magnitude=loudness / (one.count + two.count),
        about={**(about or {}), **score.about},
        output_first=two.first,
        peak=None if one.peak is None or two.peak is None else np.maximum(one.peak, two.peak),
    )


def welch(
    target: Mapping[Site, Moments],
    control: Mapping[Site, Moments],
    *,
    unit: Unit = "channel",
    pooling: Pooling = "mean",
    statistic: Statistic = "magnitude",
    about: dict[str, Any] | None = None,
) -> SelectivityMap:
    """Contrast two conditions by the default rule, unit by unit.

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
        A unit that never changes gets t = 0, p = 1 and d′ = 0; one that separates the conditions
        without any variance ranks first.

    Raises
    ------
    DataError
        If a condition has fewer than two stimuli, or an activation was not finite.

    Examples
    --------
    >>> with record(model, where) as one:
    ...     _ = model(faces)
    >>> with record(model, where) as two:
    ...     _ = model(objects)
    >>> welch(one.moments, two.moments).n_units
    16
    """
    seen = Contrast(target, control)
    return scored(seen, WELCH, unit=unit, pooling=pooling, statistic=statistic, about=about)


def _plain(site: Site) -> dict[str, Any]:
    """A site's parts; which call of its module it is only where that has several."""
    parts = asdict(site)
    return parts if site.steps > 1 else {k: v for k, v in parts.items() if k not in STEPS}
