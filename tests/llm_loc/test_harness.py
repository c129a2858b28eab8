"""Tasks of lm-eval under an ablation; skipped where the extra is not installed."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from common.base.errors import DataError, SettingError
from common.measure.masks import top_percent
from llm_loc import harness
from llm_loc.harness import evaluate_tasks, item_scores
from llm_loc.localize import find_sites, localize
from tests.llm_loc.conftest import ModelMaker
from tests.llm_loc.test_localize import STIMULI

TASK = """
task: funcloc_tiny
dataset_path: json
dataset_kwargs: {data_files: {test: ITEMS}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{prompt}}"
doc_to_choice: "{{choices}}"
doc_to_target: label
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
"""
needed = pytest.mark.skipif(find_spec("lm_eval") is None, reason="lm-eval is an extra")


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one small task, which needs no network."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    items = [
        {"prompt": f"the {noun} who lives", "choices": ["next door", "door next"], "label": i % 2}
        for i, noun in enumerate(("girl", "farmer", "king", "dog", "child", "brother"))
    ]
    (tmp_path / "items.jsonl").write_text("\n".join(map(json.dumps, items)) + "\n")
    (tmp_path / "tiny.yaml").write_text(TASK.replace("ITEMS", str(tmp_path / "items.jsonl")))
    return tmp_path


@needed
def test_a_task_of_ones_own_intact_and_under_a_mask(make_model: ModelMaker, tasks: Path) -> None:
    model = make_model()
    found = localize(model, STIMULI, find_sites(model))
    mask = top_percent(found, 50)
    (entry,) = evaluate_tasks(model, ["funcloc_tiny"], [mask], found, include=tasks)
    assert (entry.task, entry.metric, entry.n) == ("funcloc_tiny", "acc", 6)
    (ablated,) = entry.ablations
    assert ablated.drop == pytest.approx(entry.intact - ablated.score)
    low, high = ablated.drop_ci
    assert low <= ablated.drop <= high
    again = item_scores(model, ["funcloc_tiny"], include=tasks)
    assert again["funcloc_tiny", "acc"].mean() == entry.intact


@needed
def test_a_task_that_there_is_not(make_model: ModelMaker) -> None:
    with pytest.raises(DataError, match="lm-eval knows no such task"):
        item_scores(make_model(), ["no_such_task"])


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(SettingError, match=r"pip install 'funcloc\[lm-eval\]'"):
        harness.check_installed()


def test_scores_are_in_the_order_of_the_items_and_numbers_only() -> None:
    items = [
        {"doc_id": 1, "metrics": ["acc", "bleu"], "acc": 0.0, "bleu": ("a", "b")},
        {"doc_id": 0, "metrics": ["acc", "bleu"], "acc": 1.0, "bleu": ("c", "d")},
    ]
    found = harness._scores({"task": items})
    assert list(found) == [("task", "acc")]
    assert np.array_equal(found["task", "acc"], [1.0, 0.0])


def test_an_answer_that_is_read_in_two_ways_is_no_two_items() -> None:
    items = [
        {"doc_id": number, "filter": way, "metrics": ["exact_match"], "exact_match": score}
        for way, scores in (("strict", (0.0, 1.0)), ("flexible", (1.0, 1.0)))
        for number, score in enumerate(scores)
    ]
    found = harness._scores({"task": items})
    assert {key: values.tolist() for key, values in found.items()} == {
        ("task", "exact_match,strict"): [0.0, 1.0],
        ("task", "exact_match,flexible"): [1.0, 1.0],
    }


def test_the_drop_is_paired_with_intact(
    make_model: ModelMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter(
        ({("t", "acc"): np.array([1.0, 1, 0, 1])}, {("t", "acc"): np.array([1.0, 0, 0, 0])})
    )
    monkeypatch.setattr(harness, "item_scores", lambda *_, **__: next(scores))
    model = make_model()
    found = localize(model, STIMULI, find_sites(model))
    (entry,) = evaluate_tasks(model, ["t"], [top_percent(found, 50)], found)
    (ablated,) = entry.ablations
    assert (entry.task, entry.metric, entry.n, entry.intact) == ("t", "acc", 4, 0.75)
    assert (ablated.mask, ablated.rule, ablated.percent) == ("top-50", "top", 50.0)
    assert (ablated.score, ablated.drop) == (0.25, 0.5)
    assert ablated.drop_ci[0] <= 0.5 <= ablated.drop_ci[1]
    assert list(entry.as_json()) == ["task", "metric", "n", "intact", "ablations"]
