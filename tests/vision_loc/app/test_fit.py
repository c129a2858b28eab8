"""Which benchmarks are proposed for a model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from vision_loc.app import fit, visit

BENCHMARKS = {
    "thousand": [f"n{number:08}" for number in range(1000)],
    "hundred": [f"n{number:08}" for number in range(0, 1000, 10)],
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two benchmarks like those that are known, with a picture a class."""
    for name, wnids in zip(
        ("imagenet-sample", "tinyimagenet100"), BENCHMARKS.values(), strict=True
    ):
        (tmp_path / name).mkdir()
        rows = "\n".join(f"{wnid},name of {wnid},face" for wnid in wnids)
        (tmp_path / name / "labels.csv").write_text(f"wnid,class_name,group\n{rows}\n")
    monkeypatch.setenv("FUNCLOC_DATA", str(tmp_path))


def model(folder: Path, config: Mapping[str, Any]) -> str:
    (folder / "model").mkdir()
    (folder / "model" / "config.json").write_text(json.dumps(config))
    return f"local/{folder / 'model'}"


def named(labels: list[str]) -> dict[str, Any]:
    return {"id2label": dict(enumerate(labels))}


HUNDRED, THOUSAND = BENCHMARKS["hundred"], BENCHMARKS["thousand"]
LARGE, SMALL = "imagenet-sample", "tinyimagenet100"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"num_classes": 100, "label_names": HUNDRED}, [SMALL]),
        ({"num_classes": 1000, "label_names": THOUSAND}, [LARGE, SMALL]),
        ({"num_classes": 21841}, [LARGE, SMALL]),
        (named(THOUSAND[:990]), [LARGE, SMALL]),
        (named([f"name of {wnid}" for wnid in HUNDRED]), [SMALL]),
        (named(HUNDRED[:60]), [SMALL]),
        # Nothing fits, so agreement is all that is left, on any of them.
        (named(HUNDRED[:10]), [LARGE, SMALL]),
        ({"num_classes": 10}, [LARGE, SMALL]),
        ({}, [LARGE, SMALL]),
        ({"num_classes": "many", "id2label": 3}, [LARGE, SMALL]),
    ],
)
def test_benchmarks_whose_classes_a_model_knows_are_proposed_the_best_fit_first(
    config: Mapping[str, Any], expected: list[str], tmp_path: Path
) -> None:
    name = model(tmp_path, config)
    assert fit.fitting(name, [LARGE, SMALL]) == expected
    localizers, evaluations = visit.fit(name)
    assert not any(each.startswith("phantom") for each in evaluations)
    assert [each for each in evaluations if each in (LARGE, SMALL)] == expected
    assert set(visit.fit(name, "agreement")[1]) >= {LARGE, SMALL}
    assert localizers


def test_a_model_that_is_not_here_yet_may_know_everything() -> None:
    for name in ("torchvision/resnet18", "timm/vit_tiny.in1k", "hf/org/m@main", "pip/none", "x"):
        assert fit.fitting(name, [SMALL, LARGE]) == [LARGE, SMALL]


def test_the_form_proposes_what_fits_and_keeps_what_was_chosen(tmp_path: Path) -> None:
    name = model(tmp_path, named(HUNDRED))
    proposed = visit.OFFER.choices_beside({"model": name})["evaluation"]
    assert proposed == [SMALL]
    beside = visit.OFFER.choices_beside({"model": name, "evaluation": LARGE})
    assert beside["evaluation"] == [SMALL, LARGE]
    beside = visit.OFFER.choices_beside({"model": name, "evaluation": "../etc"})
    assert beside["evaluation"] == [SMALL]
