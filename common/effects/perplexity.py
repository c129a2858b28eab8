"""How well a running text is predicted, intact and under every mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from common.effects.items import Outcome
from common.effects.parts import Interval, MaskPart, Part
from common.effects.resample import Resampler, percentile
from common.measure.masks import Mask


@dataclass(frozen=True)
class MeasuredText:
    """A text whose perplexity is measured beside the items.

    Attributes
    ----------
    name : str
        Key of its nats among :attr:`common.effects.items.Outcome.beside`.
    window : int
        Tokens in a window; all but its first are predicted.
    bytes : array of int of shape (n_windows,)
        Bytes that the predicted tokens of each window stand for.
    """

    name: str
    window: int
    bytes: np.ndarray


class Nats(Part):
    """How badly a text is predicted; lower is better."""

    nats: float
    """Mean negative log-probability."""
    nats_ci: Interval
    """Its 95 % bootstrap interval over windows."""
    perplexity: float
    """Its exponential."""
    perplexity_ci: Interval
    """The exponential of the interval."""


class TextNats(Nats):
    """How badly a text is predicted, by token and by byte."""

    per_byte: Nats | None = None
    """The same for a byte, which compares models of other tokens."""


class TextUnderMask(TextNats, MaskPart):
    """How badly a text is predicted under one mask."""

    rise: float
    """Nats a token above intact, paired by window."""
    rise_ci: Interval
    """Its 95 % bootstrap interval over windows."""


class TextPerplexity(Part):
    """One text, intact and under every mask."""

    text: str
    """Which one."""
    window: int
    """Tokens in a window; all but its first are predicted."""
    n: int
    """Windows."""
    bytes: int | None = None
    """Bytes that all predicted tokens stand for."""
    intact: TextNats
    """Without a mask, by token."""
    ablations: tuple[TextUnderMask, ...]
    """One entry a mask."""

    @property
    def doses(self) -> tuple[float, ...]:
        """The doses in the order of the masks."""
        return tuple(dict.fromkeys(entry.percent for entry in self.ablations))

    def drawn(self, dose: float) -> dict[str, list[TextUnderMask]]:
        """The masks of a dose by their rule, both in order."""
        found: dict[str, list[TextUnderMask]] = {}
        for entry in self.ablations:
            if entry.percent == dose:
                found.setdefault(entry.rule, []).append(entry)
        return found

    @property
    def tops(self) -> list[TextUnderMask]:
        """The top masks by rising dose."""
        tops = [entry for entry in self.ablations if entry.rule == "top"]
        return sorted(tops, key=lambda entry: entry.percent)


def describe_text(
    text: MeasuredText, masks: Sequence[Mask], outcomes: Mapping[str, Outcome], resampler: Resampler
) -> TextPerplexity:
    """Perplexity of one text, intact and under every mask, with intervals over its windows."""
    intact = outcomes["intact"].beside[text.name]
    return TextPerplexity(
        text=text.name,
        window=text.window,
        n=len(intact),
        bytes=int(text.bytes.sum()),
        intact=_nats(intact, text, resampler),
        ablations=tuple(
            _under(mask, intact, outcomes[mask.name].beside[text.name], text, resampler)
            for mask in masks
        ),
    )


def _under(
    mask: Mask, intact: np.ndarray, ablated: np.ndarray, text: MeasuredText, resampler: Resampler
) -> TextUnderMask:
    predicted, more = _nats(ablated, text, resampler), ablated - intact
    return TextUnderMask(
        mask=mask.name,
        rule=mask.rule,
        percent=mask.percent,
        seed=mask.seed,
        nats=predicted.nats,
        nats_ci=predicted.nats_ci,
        perplexity=predicted.perplexity,
        perplexity_ci=predicted.perplexity_ci,
        per_byte=predicted.per_byte,
        rise=float(more.mean()),
        rise_ci=percentile(resampler.means(more)),
    )


def _nats(nats: np.ndarray, text: MeasuredText, resampler: Resampler) -> TextNats:
    """Mean nats a token over windows of equal size, and its exponential, with their intervals.

    The same for a byte, a ratio of two sums over windows; its interval is that of the windows'
    deviations from the ratio (linearized, as usual for a ratio).
    """
    means = resampler.means(nats)
    tokens = nats * (text.window - 1)
    ratio = float(tokens.sum() / text.bytes.sum())
    deviations = (tokens - ratio * text.bytes) / text.bytes.mean()
    ratios = ratio + resampler.means(deviations)
    low, high = percentile(means)
    mean = float(nats.mean())
    return TextNats(
        nats=mean,
        nats_ci=(low, high),
        perplexity=_perplexity(mean),
        perplexity_ci=(_perplexity(low), _perplexity(high)),
        per_byte=_a_byte(ratio, percentile(ratios)),
    )


def _a_byte(nats: float, between: Interval) -> Nats:
    low, high = between
    return Nats(
        nats=nats,
        nats_ci=between,
        perplexity=_perplexity(nats),
        perplexity_ci=(_perplexity(low), _perplexity(high)),
    )


def _perplexity(nats: float) -> float:
    return float(np.exp(min(nats, 700.0)))  # beyond it no float64 is left, and JSON has no infinity
