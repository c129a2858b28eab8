"""The table of score rules, and what is asked of a name in it."""

from __future__ import annotations

from typing import Any

from common.base.errors import SettingError
from common.measure.causal import CAUSAL
from common.measure.gradient import GRADIENT, GRADIENT_MEAN, GRADIENT_SPECIFIC
from common.measure.integrated import INTEGRATED
from common.measure.probe import PROBE
from common.measure.rules import ScoreRule
from common.measure.saliency import SALIENCY, SALIENCY_SPECIFIC
from common.measure.welch import CONJUNCTION, WELCH

DEFAULT_SCORE = WELCH.name
RULES = (
    *(WELCH, CONJUNCTION, GRADIENT, GRADIENT_SPECIFIC, GRADIENT_MEAN, INTEGRATED, CAUSAL, PROBE),
    *(SALIENCY, SALIENCY_SPECIFIC),
)
SCORE_RULES: dict[str, ScoreRule] = {rule.name: rule for rule in RULES}
"""All score rules, by name. Another one is an entry here, and no more."""


def score_rule(name: str) -> ScoreRule:
    """The score rule of that name.

    Raises
    ------
    SettingError
        If there is none.
    """
    if name not in SCORE_RULES:
        raise SettingError(f"no score is called {name!r}: choose from {', '.join(SCORE_RULES)}")
    return SCORE_RULES[name]


def score_identity(name: str, effort: int | None = None) -> dict[str, Any]:
    """What a run's identity says of its score: nothing of the default, so older runs keep theirs.

    Raises
    ------
    SettingError
        If there is no such score.
    """
    other = {} if score_rule(name).name == DEFAULT_SCORE else {"score": name}
    return other if effort is None else {**other, "effort": effort}


def check_level(score: str, level: str) -> None:
    """Refuse a score of units where weights are asked for, and the other way round.

    Raises
    ------
    SettingError
        If so.
    """
    rule = score_rule(score)
    if rule.level != level:
        fit = ", ".join(each.name for each in SCORE_RULES.values() if each.level == level)
        raise SettingError(
            f"`score` {score}: is of `level` {rule.level}; at `level` {level} choose from {fit}"
        )


def check_effort(score: str, effort: int | None) -> None:
    """Refuse an effort of a score that has none.

    Raises
    ------
    SettingError
        If so.
    """
    if effort is not None and score_rule(score).effort is None:
        having = ", ".join(rule.name for rule in SCORE_RULES.values() if rule.effort is not None)
        raise SettingError(f"`effort`: `score` {score} takes what it takes; {having} have a choice")
