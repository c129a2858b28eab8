"""What the localizer found, in numbers: selective units, and a phantom's own area among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from common.base.heavy import scipy
from common.effects.paired import mover, rate
from common.effects.parts import Interval, OpenPart, Part
from common.effects.words import percent as said_percent
from common.measure.operations import OPERATIONS
from common.measure.rules import ScoreWords
from common.measure.scores import (
    DEFAULT_SCORE,
    LEAST_D_PRIME,
    LEAST_INDEX,
    SelectivityMap,
    score_rule,
)
from common.measure.shares import CHOSEN
from common.measure.sites import WEIGHT, Site

D_PRIME, INDEX = "least_d_prime", "least_index"  # what a map calls its thresholds


class SplitHalves(Part):
    """How well maps of two random halves of the stimuli agree."""

    correlation: float
    """Pearson's r of the two halves' scores over units."""
    dice: dict[str, float]
    """By dose, the overlap (Dice) of the two halves' top masks."""
    dice_chance: dict[str, float]
    """By dose, the overlap that random masks of that size would have."""


class Beside(Part):
    """Another ranking of the same units, which the score's rule gives beside its own."""

    highest: float
    """The highest value."""
    correlation: float
    """Spearman's rank correlation with the score over units."""
    shared: dict[str, float]
    """By dose, the share of the top units that are among as many top units by it, too."""


class Decodable(Part):
    """How well a linear probe of each site tells held-out stimuli apart."""

    n: tuple[int, int]
    """Stimuli of the target and of the control."""
    right: dict[str, tuple[int, int]]
    """By site, how many of either its probe got right."""

    def accuracy(self, site: str) -> tuple[float, Interval]:
        """Mean of the shares of either side that are right, and its 95 % interval (MOVER)."""
        one, two = (
            rate(np.arange(n) < right) for n, right in zip(self.n, self.right[site], strict=True)
        )
        low, high = two.ci
        interval = mover(one.accuracy, one.ci, -two.accuracy, (-high, -low))
        return (one.accuracy + two.accuracy) / 2, (interval[0] / 2, interval[1] / 2)

    @property
    def said(self) -> str:
        """The accuracy of every site, in words."""
        told = [f"{site} {said_percent(self.accuracy(site)[0])}" for site in self.right]
        return (
            f"Decodable (held-out, mean of {self.n[0]:,} target and {self.n[1]:,} control): "
            f"{', '.join(told)}."
        )


class Chosen(Part):
    """Units of a list, which a run masks in the place of those with the highest score."""

    name: str
    """What the list is called."""
    n_units: int
    """How many it holds."""
    n_selective_q05: int | None
    """How many of them have a score above 0 and q < 0.05, where the score has a q."""


class Spread(Part):
    """A number over random splits."""

    mean: float
    """Its mean over them."""
    low: float
    """What 2.5 % of them lie below."""
    high: float
    """What 2.5 % of them lie above."""


class Splits(Part):
    """How stable the map and its masks are over random halves of the stimuli."""

    n: int
    """How many splits."""
    correlation: Spread
    """Of the maps of two halves."""
    dice: dict[str, Spread]
    """By dose, the share of units that the top masks of two halves have in common."""
    held: dict[str, float]
    """By dose, how many of the halves' top masks a unit of the top mask is in, on average."""
    n_mostly: dict[str, int]
    """By dose, units of the top mask that are in nine of ten of these."""

    def said(self, dose: str) -> str:
        """The same in words, for one dose."""
        told = (
            f"Over {self.n} random halves r = {self.correlation.mean:.2f} "
            f"({self.correlation.low:.2f} to {self.correlation.high:.2f})"
        )
        if dose not in self.dice:
            return f"{told}."
        own = self.dice[dose]
        return (
            f"{told}; top masks of two halves share {said_percent(own.mean)} "
            f"({100 * own.low:.0f} to {100 * own.high:.0f}); a unit of the top {dose} % is in "
            f"{said_percent(self.held[dose])} of the halves’ masks on average, "
            f"{self.n_mostly[dose]:,} of them in nine of ten."
        )


class Selectivity(OpenPart):
    """What the localizer found."""

    n_units: int
    """Units of all sites."""
    n_sites: int
    """Sites that were read."""
    unit: str
    """``channel`` or ``neuron``; ``weight`` at the level of parameters."""
    pooling: str
    """How positions became one number."""
    statistic: str
    """``magnitude`` (absolute activation) or ``signed``."""
    n_target: int
    """Stimuli of the target conditions that the map rests on."""
    n_control: int
    """Stimuli of the control conditions that it rests on."""
    score: str = DEFAULT_SCORE
    """What ranks the units: ``welch``."""
    n_selective_q05: int | None
    """Units with a score above 0 and q < 0.05, where the score has a q."""
    t_max: float
    """The highest score."""
    least_d_prime: float = LEAST_D_PRIME
    """Threshold of d′."""
    least_index: float = LEAST_INDEX
    """Threshold of the selectivity index."""
    n_d_prime: int | None = None
    """Units with d′ of `least_d_prime` and more; at 1 the conditions are a standard deviation
    apart."""
    n_selective_category: int | None = None
    """Units with t > 0 and q < 0.05 where a condition and not a stimulus is the case."""
    n_index: int | None = None
    """Units with a selectivity index of `least_index` and more; at 1/3 they are twice as strong for
    the target."""
    k: str = "rounded"
    """How a dose becomes a number of units; ``truncated`` as in the paper's code."""
    lower_signed: dict[str, int] | None = None
    """By dose, top units whose mean with its sign is lower for the target."""
    twins: dict[str, int] | None = None
    """By dose, top units that have the same numbers as one before them at another site: a map and
    its flattened copy (``op``)."""
    separated: tuple[str, ...] = ()
    """Units that separate the conditions without any variance; they rank first."""
    model_fingerprint: str | None = None
    """Of the model that the map belongs to."""
    protocol: str | None = None
    """As in ``localizer`` (language)."""
    left_out: str | None = None
    """Which positions of a text its means leave out: the ``first token``, where attention sinks
    live; ``null`` for pictures, and for maps from before, whose means read all tokens."""
    split_half: SplitHalves | None = None
    """How well two halves of the stimuli agree."""
    splits: Splits | None = None
    """How well many random halves agree, where they were asked for."""
    decodable: Decodable | None = None
    """How well probes of single sites tell the sides apart, where the score is by probe."""
    beside: dict[str, Beside] | None = None
    """Other rankings of the same units, by the name of their column, where the score has some."""
    chosen: Chosen | None = None
    """The list of units that was masked, where it was not the top of the map."""

    @property
    def means_over(self) -> str:
        """Which tokens a text's means are over, in words; empty for pictures."""
        if self.left_out is not None:
            return f"over all tokens of a text but the {self.left_out}, an attention sink"
        if self.protocol is not None:
            return (
                "over all tokens of a text, the first among them, whose massive activations may be "
                "most of it: the map was made before sinks were left out"
            )
        return ""

    @property
    def told_beside(self) -> list[str]:
        """How far other rankings of the same units agree with the score, in words."""
        told = []
        for name, other in (self.beside or {}).items():
            at = ((f"{100 * share:.0f} %", dose) for dose, share in other.shared.items())
            shares = ", ".join(f"{share} at {dose} %" for share, dose in at)
            told.append(
                f"By {name} the top mask would share with this one {shares} of its units; over all "
                f"units the two rank alike by {other.correlation:.2f} (Spearman)."
            )
        return told

    @property
    def thresholds(self) -> tuple[str, str]:
        """What counts as an effect, in words: ``d′ ≥ 1`` and ``index ≥ 1/3``."""
        simple = Fraction(self.least_index).limit_denominator(9)
        exact = float(simple) == self.least_index and simple.denominator == 3
        index = str(simple) if exact else f"{self.least_index:.3g}"
        return f"d′ ≥ {self.least_d_prime:.3g}", f"index ≥ {index}"

    @property
    def effect_sizes(self) -> str:
        """How many units reach the thresholds; empty for a score that has no effect sizes."""
        counts = zip((self.n_d_prime, self.n_index), self.thresholds, strict=True)
        return ", ".join(f"{n:,} with {least}" for n, least in counts if n is not None)

    @property
    def words(self) -> ScoreWords:
        """How its score is spoken of."""
        return score_rule(self.score).words


class AreaShare(Part):
    """How far a top mask and a built-in area are the same units."""

    of_top: float
    """Share of the top units that lie in the area."""
    of_area: float
    """Share of the area that is among the top units."""


class Area(Part):
    """A phantom's built-in area, so that the right answer is known."""

    n_units: int
    """How large it is."""
    percent: float
    """How large it is, in percent of all units."""
    share: dict[str, AreaShare]
    """By dose, how much of it the top mask is."""

    def at(self, dose: float) -> AreaShare | None:
        """The share at a dose: JSON knows only strings as keys."""
        return next((share for key, share in self.share.items() if float(key) == dose), None)


def describe_map(found: SelectivityMap) -> Selectivity:
    """What the results say of a map."""
    selective = found.score.selective()
    least_d_prime = found.about.get(D_PRIME, LEAST_D_PRIME)
    least_index = found.about.get(INDEX, LEAST_INDEX)
    return Selectivity.model_validate(
        {
            "n_units": found.n_units,
            "n_sites": len(found.sites),
            "unit": found.sites[0].unit_word(found.unit),
            "pooling": found.pooling,
            "statistic": found.statistic,
            "n_target": found.n_target,
            "n_control": found.n_control,
            "score": found.score.name,
            "n_selective_q05": None if selective is None else int(selective.sum()),
            "t_max": float(found.score.value.max()),
            D_PRIME: least_d_prime,
            INDEX: least_index,
            "n_d_prime": _n_from(found, "d_prime", least_d_prime),
            "n_selective_category": _n_by_category(found),
            "n_index": _n_from(found, "index", least_index),
            **({"beside": _beside(found)} if found.score.words.beside else {}),
            **({"twins": twins} if (twins := _twins(found)) else {}),
            **{name: told for name, told in found.about.items() if name != OPERATIONS},
            **({CHOSEN: _chosen(found.about[CHOSEN], selective)} if CHOSEN in found.about else {}),
        }
    )


def _chosen(told: Mapping[str, Any], selective: np.ndarray | None) -> Chosen:
    units = told["units"]
    n = None if selective is None else int(selective[units].sum())
    return Chosen(name=told["name"], n_units=len(units), n_selective_q05=n)


def _twins(found: SelectivityMap) -> dict[str, int]:
    """Doses of whose top units some are another one, read at another site."""
    told: dict[str, int] = {}
    if found.unit == WEIGHT:
        return told
    for dose in found.about.get("split_half", {}).get("dice", {}):
        top = found.ranking[: found.n_chosen(float(dose))]
        means = np.column_stack([found.mean_target[top], found.mean_control[top]])
        own = np.column_stack([means, found.site_of_unit[top]])[means[:, 0] != means[:, 1]]
        at_sites, alone = (len(np.unique(each, axis=0)) for each in (own, own[:, :2]))
        if at_sites > alone:
            told[dose] = at_sites - alone
    return told


def _beside(found: SelectivityMap) -> dict[str, Beside]:
    """Every other ranking that the score's words name and the map has."""
    doses = found.about.get("split_half", {}).get("dice", {})
    told = {}
    for name in found.score.words.beside:
        values = found.score.columns.get(name)
        if values is None:
            continue
        order = np.argsort(-values, kind="stable")
        order = order[~found.excluded[order]]
        sizes = {dose: found.n_chosen(float(dose)) for dose in doses}
        told[name] = Beside(
            highest=float(values[order].max()),
            correlation=float(scipy.stats.spearmanr(found.score.value, values).statistic),
            shared={
                dose: len(np.intersect1d(found.ranking[:k], order[:k])) / k
                for dose, k in sizes.items()
            },
        )
    return told


def _n_from(found: SelectivityMap, column: str, least: float) -> int | None:
    """Units that reach a column's threshold; ``None`` for a score without that column."""
    values = found.score.columns.get(column)
    return None if values is None else int((values >= least).sum())


def _n_by_category(found: SelectivityMap) -> int | None:
    t, q = (found.score.columns.get(name) for name in ("t_category", "q_category"))
    return None if t is None or q is None else int(((q < 0.05) & (t > 0)).sum())


def share_of_area(
    area: Mapping[str, np.ndarray], found: SelectivityMap, percents: Sequence[float]
) -> Area:
    """How much of a built-in area the top units are (a phantom knows its own).

    Parameters
    ----------
    area : mapping of str to array of int
        The area's channels by module.
    found : SelectivityMap
        The map.
    percents : sequence of float
        The doses.
    """
    inside = np.concatenate(
        [_inside(area.get(site.module), site.unit_shape(found.unit), site) for site in found.sites]
    )
    size = int(inside.sum())
    shares = {}
    for percent in percents:
        k = found.n_chosen(percent)
        hits = int(inside[found.ranking[:k]].sum())
        shares[f"{percent:g}"] = AreaShare(of_top=hits / k, of_area=hits / size if size else 0.0)
    return Area(n_units=size, percent=100 * size / found.n_units, share=shares)


def _inside(channels: np.ndarray | None, shape: tuple[int, ...], site: Site) -> np.ndarray:
    inside = np.zeros(shape, dtype=bool)
    if channels is not None:
        place: list[slice | np.ndarray] = [slice(None)] * len(shape)
        place[0 if len(shape) == 1 else site.axis - 1] = channels
        inside[tuple(place)] = True
    return inside.ravel()
