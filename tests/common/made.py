"""Results made of a few numbers, for the rooms that only read them."""

from __future__ import annotations

from typing import Any

from common.effects.results import Results

RATE = {"accuracy": 0.98, "ci": [0.96, 1.0], "n": 50}
MODEL = {"name": "local/net", "fingerprint": "f" * 32, "n_parameters": 12345, "dtype": "float32"}
LOCALIZER = {
    "name": "floc:faces", "target": ["face"], "control": ["object"], "n_target": 9, "n_control": 9,
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


def permutation(rule: str, draws: int, p: float | None, percent: float = 1.0) -> dict[str, Any]:
    """The top mask against the draws of a rule."""
    means = {"control_mean": 0.01, "control_max": 0.05}
    return {"percent": percent, "rule": rule, "draws": draws, "p": p, **means}


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
        "permutations": [],
        "permutation_p": None,
        "warnings": ["Mind the gap."],
        "verdict": "It did.",
    }
    return Results.model_validate({**filled, **others, **changes})
