"""Scores by attribution: how much the loss on the target is predicted to rise without a unit.

What the loss is, is said by the front end: of a picture the cross entropy of the intact model's own
prediction, of a text the mean cross entropy of its own next tokens; neither needs a label.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from common.base.errors import SettingError
from common.measure.attribution import watch
from common.measure.moments import Array, Moments
from common.measure.rules import Contrast, Score, ScoreRule, ScoreWords
from common.measure.welch import joined, p_and_q, tested

PASSES = 3.0  # a pass forward and one back, which makes about two products where the first made one
LOSS = (
    "the loss being the cross entropy of the intact model’s own prediction (pictures) or the mean "
    "cross entropy of the text’s own next tokens in nats (texts), neither of which needs a label"
)
REFERENCES = (
    "Molchanov, P., Tyree, S., Karras, T., Aila, T., & Kautz, J. (2017). Pruning convolutional "
    "neural networks for resource efficient inference. ICLR. arXiv:1611.06440. (First-order effect "
    "of a unit on the loss.)",
    "Nanda, N. (2023). Attribution patching: activation patching at industrial scale. "
    "neelnanda.io. (The same towards any replacement.)",
)
WORDS = ScoreWords(
    name="gradient",
    symbol="dL",
    label="predicted rise of the loss without the unit (target minus control, nats)",
    prose="the predicted rise of the loss without the unit",
    title="Gradient: predicted rise of the loss without the unit",
    method=(
        "For each unit the rise of the loss when its output is set to zero was predicted to first "
        "order: minus the sum over positions of activation times the gradient of the loss, "
        f"{LOSS}. The score dL is its mean over the target minus that over the control, streamed "
        "in float64; t, p and q are those of Welch’s test on it. A plain difference ranks units "
        "high that matter for everything and a little more for the target; specific is what is "
        "left of the target’s mean after regressing it on the control’s over units."
    ),
    references=REFERENCES,
    digits=".3g",
    scale=0.0,
    beside=("specific",),
)
SPECIFIC_WORDS = replace(
    WORDS,
    name="gradient-specific",
    symbol="specific",
    label="predicted rise of the loss on the target beyond what the control predicts (nats)",
    prose="the predicted rise of the loss on the target beyond what the control predicts",
    title="Gradient, without what target and control share",
    method=(
        "For each unit the rise of the loss when its output is set to zero was predicted to first "
        "order: minus the sum over positions of activation times the gradient of the loss, "
        f"{LOSS}. Its mean over the target was regressed over units on its mean over the control "
        "(least squares with an intercept); the score is the residual: what a unit matters for "
        "the target beyond what it matters for everything."
    ),
    beside=("dL",),
)
MEAN_WORDS = replace(
    WORDS,
    name="gradient-mean",
    symbol="dL_mean",
    label="predicted rise of the loss with the unit at its mean (target minus control, nats)",
    prose="the predicted rise of the loss with the unit at its mean",
    title="Gradient: predicted rise of the loss with the unit at its mean",
    method=(
        "For each unit the rise of the loss when its output is set to its own mean over the "
        "control condition was predicted to first order: the sum over positions of that mean minus "
        f"the activation, times the gradient of the loss, {LOSS}. The score is its mean over the "
        "target minus that over the control, streamed in float64."
    ),
    beside=("specific",),
)


@dataclass(frozen=True)
class Effects:
    """Mean predicted rise of the loss of every unit, on either side.

    Attributes
    ----------
    one, two : Moments
        Of the effect of zero over the target and the control; `output` is the slope's mean.
    mean : tuple of two arrays, or None
        Of the effect of the unit's mean; none where a unit has no one mean (heads).
    """

    one: Moments
    two: Moments
    mean: tuple[Array, Array] | None

    @classmethod
    def of(cls, contrast: Contrast) -> Effects:
        """Those of all that was gathered, or of a half.

        Raises
        ------
        SettingError
            If nothing has gone back through the model.
        """
        if contrast.watched is None:
            raise SettingError("`score` gradient: needs passes with a loss, as contrast makes them")
        one, two = (joined(contrast.watched.moments(side)) for side in contrast.groups)
        if any(site.width > 1 for site in contrast.target):
            return cls(one, two, None)
        level = joined(contrast.control)
        return cls(one, two, (_towards(level, one), _towards(level, two)))

    @property
    def zero(self) -> Array:
        """Target minus control of the effect of zero."""
        difference: Array = self.one.mean - self.two.mean
        return difference

    @property
    def specific(self) -> Array:
        """The target's effect of zero beyond what the control's predicts."""
        return residual(self.one.mean, self.two.mean)

    def at_mean(self) -> Array:
        """Target minus control of the effect of the mean.

        Raises
        ------
        SettingError
            If units are heads.
        """
        if self.mean is None:
            raise SettingError(
                "`score` gradient-mean: a head is a slice of channels, of which the map keeps one "
                "number; choose gradient"
            )
        difference: Array = self.mean[0] - self.mean[1]
        return difference

    @property
    def columns(self) -> dict[str, Array]:
        """All that is known of each unit."""
        mean = {} if self.mean is None else {"dL_mean": self.mean[0] - self.mean[1]}
        sides = {"dL_target": self.one.mean, "dL_control": self.two.mean}
        return {"dL": self.zero, "specific": self.specific, **mean, **sides}


def _towards(level: Moments, effect: Moments) -> Array:
    """Mean effect of the replacement by `level`'s mean output, and at first tokens by theirs."""
    if effect.first is None or level.first is None:
        return effect.mean + level.output * effect.output
    rest = effect.output - effect.first
    return effect.mean + level.output * rest + level.first * effect.first


def residual(target: Array, control: Array) -> Array:
    """What is left of `target` after least squares on `control` with an intercept, over units."""
    own, common = target - target.mean(), control - control.mean()
    variance = float(np.square(common).sum())
    slope = float((own * common).sum()) / variance if variance else 0.0
    left: Array = own - slope * common
    return left


def _score(contrast: Contrast) -> Score:
    """The difference, with Welch's t of the effects, p and q over all units."""
    effects = Effects.of(contrast)
    t, freedom, _ = tested(effects.one, effects.two)
    p, q = p_and_q(t, freedom)
    return Score(WORDS, effects.zero, p, q, {"t": t, **_others(effects, WORDS)})


def rise(words: ScoreWords, one: Moments, two: Moments, **more: Array) -> Score:
    """The score of a rule that measures by how much the loss rises without each unit.

    Parameters
    ----------
    words : ScoreWords
        Of the rule.
    one, two : Moments
        Of the rise over the target and over the control.
    **more
        Further columns.
    """
    t, freedom, _ = tested(one, two)
    p, q = p_and_q(t, freedom)
    columns = {
        "t": t,
        "specific": residual(one.mean, two.mean),
        "dL_target": one.mean,
        "dL_control": two.mean,
    }
    return Score(words, one.mean - two.mean, p, q, {**columns, **more})


def _specific(contrast: Contrast) -> Score:
    effects = Effects.of(contrast)
    return Score(SPECIFIC_WORDS, effects.specific, columns=_others(effects, SPECIFIC_WORDS))


def _at_mean(contrast: Contrast) -> Score:
    effects = Effects.of(contrast)
    return Score(MEAN_WORDS, effects.at_mean(), columns=_others(effects, MEAN_WORDS))


def _others(effects: Effects, words: ScoreWords) -> dict[str, Array]:
    """The columns beside the value."""
    return {name: each for name, each in effects.columns.items() if name != words.symbol}


GRADIENT, GRADIENT_SPECIFIC, GRADIENT_MEAN = (
    ScoreRule(
        words, end=end, watch=watch, needs_gradients=True, needs_loss=True,
        passes=lambda _sites, _units, _effort: PASSES,
    )
    for words, end in ((WORDS, _score), (SPECIFIC_WORDS, _specific), (MEAN_WORDS, _at_mean))
)  # fmt: skip
