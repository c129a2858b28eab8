"""Two finished runs side by side: what differs in their settings, and what each found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.base.files import read_json
from common.effects.finding import amount, amount_within
from common.effects.results import Results
from common.effects.words import between, points
from common.report.verdicts import BADGES
from common.study.folder import differences
from common.study.listing import Entry

NOTHING = "–"


@dataclass(frozen=True)
class Compared:
    """One line of a comparison.

    Attributes
    ----------
    name : str
        What is compared.
    left, right : str
        What it is in either run.
    """

    name: str
    left: str
    right: str

    @property
    def differs(self) -> bool:
        """Whether the two runs differ in it."""
        return self.left != self.right


def compare(one: Entry, two: Entry) -> list[Compared]:
    """The settings of two finished runs, those that differ first.

    What the settings only name counts too: two runs of one model name on other weights, or of one
    localizer on other stimuli, differ.
    """
    names = dict.fromkeys([*one.settings, *two.settings])
    said = [Compared(name, _word(one.settings, name), _word(two.settings, name)) for name in names]
    lines = [line for line in said if (line.left, line.right) != (NOTHING, NOTHING)]
    lines += _hidden_differences(one, two)
    return sorted(lines, key=lambda line: not line.differs)


def _word(settings: Mapping[str, Any], name: str) -> str:
    value = settings.get(name)
    return NOTHING if value is None else str(value)


def _hidden_differences(one: Entry, two: Entry) -> list[Compared]:
    """Fingerprints of what was read: model, stimuli, sites."""
    left, right = (read_json(entry.folder / "run.json")["identity"] for entry in (one, two))
    prints = (
        "model.fingerprint",
        "model.config",
        "localizer.stimuli",
        "evaluation.stimuli",
        "sites",
    )
    return [
        Compared(name, _at(left, name), _at(right, name))
        for name in differences(left, right)
        if name in prints
    ]


def _at(identity: Mapping[str, Any], name: str) -> str:
    value: Any = identity
    for key in name.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return NOTHING if value is None else str(value)[:12]


def outcomes(one: Results, two: Results) -> list[Compared]:
    """What two runs found, each at the dose of its verdict."""
    left, right = _found(one), _found(two)
    names = dict.fromkeys([*left, *right])
    return [Compared(name, left.get(name, NOTHING), right.get(name, NOTHING)) for name in names]


def _found(results: Results) -> dict[str, str]:
    top, judgement = results.top(), results.judgement
    adjusted, p = judgement.adjusted, judgement.adjusted.p
    found = {
        "units": f"{top.n_units:,} ({top.percent:g} % of {results.selectivity.n_units:,})",
        "outcome": str(BADGES[judgement.outcome]),
        "adjusted effect": amount_within(adjusted),
        "p among matched control masks": NOTHING if p is None else f"{p:.3f}",
    }
    for word, group in zip(("target", "other"), results.groups, strict=False):
        effect = top.groups[group]
        found[f"drop on the {word} group"] = (
            f"{group}: {points(effect.drop)} {between(effect.drop_ci)}, n = {effect.n:,}"
        )
    if len(results.groups) > 1:
        found[f"interaction of {judgement.measure}"] = (
            f"{points(top.interaction)} {between(top.interaction_ci)}"
        )
    if (visible := judgement.smallest_visible) is not None:
        found["smallest visible effect"] = amount(visible).lstrip("+")
    for name, judged in results.text_judgements.items():
        lost = amount_within(judged.adjusted)
        found[f"on {name}"] = f"{BADGES[judged.outcome]}: {lost} nats a token"
    return found
