"""How selective a model's units are beside those of untrained networks of its architecture.

Random weights answer differently to different stimuli, too, so that a unit has q < 0.05 says little
by itself. What training added is what the trained model has beyond networks that were never
trained.
"""

from __future__ import annotations

from collections.abc import Sequence

from common.effects.localized import describe_map
from common.effects.parts import Part
from common.measure.moments import Array
from common.measure.rules import ScoreWords
from common.measure.scores import SelectivityMap

PERCENT = 1.0  # of the units, those that have most of a number


class Peak(Part):
    """The upper end of one number over the units."""

    largest: float
    """The largest."""
    top: float
    """Mean over the 1 % of units that have most of it."""


class Peaks(Part):
    """How selective the units of one network are."""

    seed: int | None = None
    """Of its random weights; ``null`` for the model itself."""
    n_selective_q05: int | None
    """Units with a score above 0 and q < 0.05, where the score has a q."""
    n_d_prime: int | None
    """Units that reach the threshold of d′, where the score gives it."""
    n_index: int | None
    """Units that reach the threshold of the selectivity index, where the score gives it."""
    score: Peak
    """Of what ranks the units: t."""
    d_prime: Peak | None
    """Of d′."""
    index: Peak | None
    """Of the selectivity index."""


class Baseline(Part):
    """The model beside untrained networks of its architecture, all shown the same stimuli."""

    trained: Peaks
    """The model."""
    untrained: tuple[Peaks, ...] = ()
    """Networks with random weights, one a seed."""
    left_out: str = ""
    """Why there are none; empty where there are."""

    @property
    def exceeded(self) -> bool:
        """Whether the model's most selective 1 % beats that of every network, by d′ or the score.

        d′ where the score gives it: unlike t it does not grow with the number of stimuli.
        """
        return all(_height(self.trained) > _height(each) for each in self.untrained)

    def deciding(self, words: ScoreWords) -> str:
        """The numbers that :attr:`exceeded` goes by, in words."""
        symbol, form = ("d′", ".2f") if self.trained.d_prime else (words.symbol, words.digits)
        untrained = [*map(_height, self.untrained)]
        name = f"mean {symbol} of the most selective 1 %:"
        return _compared(name, _height(self.trained), untrained, form)


def _height(peaks: Peaks) -> float:
    return (peaks.d_prime or peaks.score).top


def peaks_of(found: SelectivityMap, seed: int | None = None) -> Peaks:
    """How selective the units of a map are.

    Parameters
    ----------
    found : SelectivityMap
        The map.
    seed : int, optional
        Of the network's random weights.
    """
    told, k = describe_map(found), found.n_chosen(PERCENT)
    columns = {name: found.score.columns.get(name) for name in ("d_prime", "index")}
    return Peaks(
        seed=seed,
        n_selective_q05=told.n_selective_q05,
        n_d_prime=told.n_d_prime,
        n_index=told.n_index,
        score=_peak(found.score.value, k),
        **{name: None if values is None else _peak(values, k) for name, values in columns.items()},
    )


def _peak(values: Array, k: int) -> Peak:
    highest = values[values.argsort(kind="stable")[-k:]]
    return Peak(largest=float(highest[-1]), top=float(highest.mean()))


def beside_untrained(found: Baseline, words: ScoreWords) -> str:
    """The sentence of the report and the terminal; empty where nothing was measured or left out.

    Parameters
    ----------
    found : Baseline
        The numbers.
    words : ScoreWords
        Of the score.
    """
    if not found.untrained:
        return f"No untrained networks beside it: {found.left_out}." if found.left_out else ""
    trained, others = found.trained, found.untrained
    told = []
    if trained.n_selective_q05 is not None:
        counts = [each.n_selective_q05 or 0 for each in others]
        told.append(f"units at q < 0.05 {trained.n_selective_q05:,} (untrained {_counts(counts)})")
    scores = [each.score.largest for each in others]
    told.append(_compared(f"highest {words.symbol}", trained.score.largest, scores, words.digits))
    if trained.d_prime is not None:
        peaks = [each.d_prime.largest for each in others if each.d_prime is not None]
        told.append(_compared("highest d′", trained.d_prime.largest, peaks, ".2f"))
    if trained.index is not None:
        peaks = [each.index.largest for each in others if each.index is not None]
        told.append(_compared("highest index", trained.index.largest, peaks, ".2f"))
    n = len(others)
    networks = "an untrained network" if n == 1 else f"{n} untrained networks"
    return f"Beside {networks} of the same architecture: {'; '.join(told)}."


def _compared(name: str, trained: float, others: Sequence[float], form: str) -> str:
    low, high = (format(end, form) for end in (min(others), max(others)))
    return f"{name} {format(trained, form)} (untrained {_range(low, high)})"


def _counts(counts: Sequence[int]) -> str:
    return _range(f"{min(counts):,}", f"{max(counts):,}")


def _range(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"
