"""Results made of a few numbers, for the rooms that only read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from common.effects.results import Results
from common.measure.control_rules import is_matched

RATE = {"accuracy": 0.98, "ci": [0.96, 1.0], "n": 50}
MODEL = {"name": "local/net", "fingerprint": "f" * 32, "n_parameters": 12345, "dtype": "float32"}
LOCALIZER = {
    "name": "floc:faces", "target": ["face"], "control": ["object"],
    "n_target": 90, "n_control": 90,
}  # fmt: skip
SELECTIVITY = {
    "n_units": 1200, "n_sites": 2, "unit": "channel", "pooling": "mean", "statistic": "magnitude",
    "n_target": 9, "n_control": 9, "n_selective_q05": 90, "t_max": 12.5,
}  # fmt: skip
EVALUATION = {"name": "pictures", "target": "face", "other": "object", "n_items": 100}


def effect(accuracy: float = 0.5, drop: float = 0.48, n: int = 50) -> dict[str, Any]:
    """What a mask does to a group."""
    ends = {"ci": [accuracy - 0.02, accuracy + 0.02], "drop_ci": [drop - 0.05, drop + 0.03]}
    return {"accuracy": accuracy, "n": n, "drop": drop, "mcnemar_p": 0.01, **ends}


def ablation(rule: str = "top", percent: float = 1.0, **changes: Any) -> dict[str, Any]:
    """An entry of one mask."""
    groups = {"face": effect(), "object": effect(0.97, 0.01)}
    return {
        "mask": f"{rule}-{percent:g}",
        "rule": rule,
        "percent": percent,
        "seed": None,
        "n_units": 12,
        "groups": groups,
        "interaction": 0.47,
        "interaction_ci": [0.4, 0.54],
        **changes,
    }


def estimate(effect: float = 0.5, p: float | None = None, reach: float = 0.1) -> dict[str, Any]:
    """An effect and its interval."""
    return {"effect": effect, "ci": [effect - reach, effect + reach], "p": p}


def comparison(rule: str, draws: int = 20, p: float = 0.048, **changes: Any) -> dict[str, Any]:
    """A mask against the draws of a rule."""
    return {
        "rule": rule,
        "against": "top",
        "matched": is_matched(rule),
        "draws": draws,
        "p": p,
        "p_alone": p,
        "least": 1 / (draws + 1),
        "settled": False,
        "mean": 0.02,
        "most": 0.11,
        "excess": estimate(0.48),
        "interaction_p": p,
        "accuracy": {"face": 0.97, "object": 0.98},
        "loss": {"face": 0.05, "object": 0.04},
        **changes,
    }


def group(accuracy: float = 0.5, n: int = 50) -> dict[str, Any]:
    """What a judgement says of one group."""
    lost = round(n * (0.98 - accuracy))
    drop = {
        "effect": lost / n, "ci": [lost / n - 0.1, lost / n + 0.1], "lost": lost, "won": 0, "n": n,
        "mcnemar_p": 0.01,
    }  # fmt: skip
    rate = {"accuracy": accuracy, "ci": [accuracy - 0.02, accuracy + 0.02], "n": n}
    return {"n": n, "intact": RATE, "ablated": rate, "drop": drop, "loss": estimate(0.6)}


def verdict_at(percent: float = 1.0, mask: str = "", **changes: Any) -> dict[str, Any]:
    """The verdict on one mask."""
    return {
        "percent": percent,
        "mask": mask or f"top-{percent:g}",
        "outcome": "evidence",
        "reason": "",
        "adjusted": estimate(p=0.048),
        "plain": estimate(),
        "interaction": estimate(0.47, 0.048),
        "smallest_visible": 0.31,
        "comparisons": [comparison("layer-matched")],
        "groups": {"face": group(), "object": group(0.97)},
        "n_changed": 25,
        **changes,
    }


def judgement(
    doses: Sequence[dict[str, Any]] = (),
    matched_parts: Sequence[dict[str, Any]] = (),
    **changes: Any,
) -> dict[str, Any]:
    """What a judgement holds; the first of its doses leads."""
    every = list(doses) or [verdict_at()]
    keys = ("outcome", "reason", "adjusted", "interaction", "smallest_visible", "percent")
    head = {key: every[0][key] for key in keys}
    part = next((each for each in matched_parts if each["percent"] == head["percent"]), None)
    return {
        **head,
        "warnings": [],
        "target": "face",
        "other": "object",
        "doses": every,
        "matched_part": part,
        "matched_parts": list(matched_parts),
        **changes,
    }


def judged_by(ablations: Sequence[dict[str, Any]], target: str, other: str | None) -> Any:
    """A judgement of the masks of some results, with a comparison for each rule drawn often."""
    doses = []
    for dose in dict.fromkeys(entry["percent"] for entry in ablations):
        drawn = Counter(e["rule"] for e in ablations if e["percent"] == dose and e["rule"] != "top")
        levels = {name: {target: 0.9, other or target: 0.8} for name in ("accuracy", "loss")}
        compared = [comparison(rule, n, **levels) for rule, n in drawn.items() if n > 1]
        groups = {
            name: group(accuracy) for name, accuracy in ((target, 0.5), (other, 0.97)) if name
        }
        doses.append(verdict_at(dose, comparisons=compared, groups=groups))
    return judgement(doses, target=target, other=other)


def made(**changes: Any) -> Results:
    """Results, all of it given or made up; parts of the first four are filled up."""
    parts = {
        "model": MODEL, "localizer": LOCALIZER, "selectivity": SELECTIVITY,
        "evaluation": EVALUATION,
    }  # fmt: skip
    filled = {key: {**part, **changes.pop(key, {})} for key, part in parts.items()}
    others = {
        "ablation": "zero",
        "intact": {"face": RATE, "object": RATE},
        "ablations": [ablation()],
        "headline_percent": 1.0,
        "warnings": ["Mind the gap."],
        "verdict": "It did.",
    }
    given = {**filled, **others, **changes}
    if "judgement" not in given:
        target, other = given["evaluation"]["target"], given["evaluation"]["other"]
        given["judgement"] = judged_by(given["ablations"], target, other)
    return Results.model_validate(given)
