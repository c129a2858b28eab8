"""The numbers of a phantom's run that no change of words or verdict may touch.

``python -m tests.reference.numbers`` runs the phantoms and writes ``phantoms.json`` anew: for a
phantom that was trained anew, and for nothing else.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from common.base.files import digest_of, save_json
from common.measure.masks import load_masks
from common.measure.scores import SelectivityMap
from common.study import verbs
from common.study.declared import read_settings
from common.study.results import load_results

KEPT = Path(__file__).parent / "phantoms.json"
RULES = ("top", "bottom")  # which draw nothing


def numbers(folder: Path) -> dict[str, Any]:
    """What is kept of a run folder."""
    results = load_results(folder)
    found = SelectivityMap.load(folder / "selectivity.safetensors")
    masks = load_masks(folder / "masks.safetensors", found)
    half = results.selectivity.split_half
    assert half is not None
    return {
        "model_fingerprint": results.model.fingerprint,
        "n_units": results.selectivity.n_units,
        "n_selective_q05": results.selectivity.n_selective_q05,
        "t_max": results.selectivity.t_max,
        "t_sum": float(found.t.sum()),
        "split_half": half.correlation,
        "dice": half.dice,
        "intact": {name: rate.accuracy for name, rate in results.intact.items()},
        "masks": {
            entry.mask: {
                "units": digest_of(sorted(masks[entry.mask].units.tolist())),
                "accuracy": {name: each.accuracy for name, each in entry.groups.items()},
                "interaction": entry.interaction,
            }
            for entry in results.ablations
            if entry.rule in RULES
        },
        "perplexity": {
            text.text: {
                "intact": text.intact.nats,
                **{entry.mask: entry.nats for entry in text.ablations if entry.rule in RULES},
            }
            for text in results.perplexity
        },
    }


class Bare:
    """A front end that shows nothing besides its numbers, which takes most of a short run."""

    def __init__(self, front: Any) -> None:
        self._front = front

    def __getattr__(self, name: str) -> Any:
        return getattr(self._front, name)

    def evaluating(self, *given: Any) -> Any:
        tested = self._front.evaluating(*given)
        tested.illustrate = lambda *_: None
        return tested


def rerun(settings: dict[str, str], folder: Path) -> None:
    """The run of some settings, with the one control mask that is not drawn, and no report."""
    from llm_loc import experiment as language
    from vision_loc import experiment as vision

    of = language if settings["model"].startswith("phantom/lm") else vision
    given = {**settings, "controls": "bottom:1", "untrained_seeds": "0", "device": "cpu"}
    chosen = read_settings(of.Settings, given)
    with patch.object(verbs, "make_report"):
        verbs.run(Bare(of.FRONT), chosen, folder)


def kept() -> dict[str, dict[str, Any]]:
    """By name, the settings of a run and its numbers."""
    found: dict[str, dict[str, Any]] = json.loads(KEPT.read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    made = {}
    for name, entry in kept().items():
        with TemporaryDirectory() as scratch:
            rerun(entry["settings"], Path(scratch) / "run")
            made[name] = {**entry, "numbers": numbers(Path(scratch) / "run")}
    save_json(KEPT, made)
