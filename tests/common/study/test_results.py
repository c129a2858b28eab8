"""``results.json``: written and read in one place, older ones read, damaged ones named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from common.base.errors import RunError
from common.effects.judge import judge
from common.effects.results import Localized, Results
from common.study.digests import DIGESTS
from common.study.results import NAME, SCHEMA, load_results, results_json, save_results
from tests.common.made import ablation, made

FOUND = made(ablations=[ablation(), ablation("random", seed=3)])


def kept(folder: Path, **changes: Any) -> dict[str, Any]:
    """A file of results with changes; a key that is changed to ``...`` goes."""
    save_results(folder, FOUND)
    value = {**json.loads((folder / NAME).read_text()), **changes}
    value = {key: each for key, each in value.items() if each is not ...}
    (folder / NAME).write_text(json.dumps(value))
    (folder / DIGESTS).unlink()
    return value


def test_what_is_written_is_read(tmp_path: Path) -> None:
    save_results(tmp_path, FOUND)
    assert load_results(tmp_path) == FOUND
    assert results_json(load_results(tmp_path)) == json.loads((tmp_path / NAME).read_text())


def test_results_of_before_there_were_judgements_are_judged_anew(tmp_path: Path) -> None:
    kept(tmp_path, schema=..., judgement=...)
    rng = np.random.default_rng(0)
    named = {entry.mask: entry.rule for entry in FOUND.ablations}
    rows = [
        {"item": f"{group}{i}", "group": group, "mask": mask, "label": 0, "correct": 1}
        for mask in ("intact", *named)
        for group in ("face", "object")
        for i in range(40)
    ]
    items = pd.DataFrame(rows).assign(margin=rng.normal(1, 1, len(rows)))
    items.to_csv(tmp_path / "items.csv", index=False)
    found = load_results(tmp_path)
    known = items.assign(rule=items["mask"].map(named), percent=1.0)
    wanted = judge(known, "face", "object")
    assert found.judgement == wanted
    assert found.judgement.outcome == "cannot tell"
    assert found.ablations == FOUND.ablations


def test_old_results_without_items_say_what_to_do(tmp_path: Path) -> None:
    kept(tmp_path, schema=1, judgement=...)
    with pytest.raises(RunError, match=r"an older funcloc.*run it again in a new folder"):
        load_results(tmp_path)


def test_a_key_that_was_not_given_is_not_written_and_null_is(tmp_path: Path) -> None:
    value = kept(tmp_path)
    assert value["schema"] == SCHEMA
    assert {"area", "breakdown", "perplexity"}.isdisjoint(value)
    assert "untrained" not in value["model"]
    assert value["judgement"]["matched_part"] is None
    assert [entry["seed"] for entry in value["ablations"]] == [None, 3]


def test_keys_that_a_front_end_adds_are_kept(tmp_path: Path) -> None:
    one = made(model={"sample_rate": 16_000}, localizer={"seconds": [1, 2]})
    save_results(tmp_path, one)
    again = results_json(load_results(tmp_path))
    assert (again["model"]["sample_rate"], again["localizer"]["seconds"]) == (16_000, [1, 2])


def test_a_folder_without_results_is_not_finished(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"holds no finished run \(no results\.json\)"):
        load_results(tmp_path)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"verdict": 3}, "verdict"),
        ({"intact": ...}, "intact"),
        ({"intact": {"face": {"accuracy": 1.0, "n": 3}}}, "intact.face.ci"),
        ({"ablations": [{**ablation(), "groups": 3}]}, "ablations.0.groups"),
        ({"selectivity": None}, "selectivity"),
        ({"schema": "one"}, "schema"),
    ],
)
def test_damage_is_told_in_one_line_with_file_and_key(
    changes: dict[str, Any], key: str, tmp_path: Path
) -> None:
    kept(tmp_path, **changes)
    with pytest.raises(RunError) as caught:
        load_results(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / NAME}: damaged at {key} (")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["[]", "3", "null", '"results"'])
def test_another_json_is_told_too(text: str, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(RunError, match="damaged at all of it"):
        load_results(tmp_path)


def test_half_a_file_is_told_too(tmp_path: Path) -> None:
    kept(tmp_path)
    (tmp_path / NAME).write_text((tmp_path / NAME).read_text()[:500])
    with pytest.raises(RunError, match="cannot be read"):
        load_results(tmp_path)


def test_results_of_a_later_schema_ask_for_a_later_version(tmp_path: Path) -> None:
    kept(tmp_path, schema=SCHEMA + 1)
    with pytest.raises(RunError, match="newer funcloc"):
        load_results(tmp_path)


def test_the_first_half_is_written_alike() -> None:
    half = Localized(model=FOUND.model, localizer=FOUND.localizer, selectivity=FOUND.selectivity)
    whole = results_json(FOUND)
    keys = ("schema", "model", "localizer", "selectivity")
    assert results_json(half) == {key: whole[key] for key in keys}


# --- what is asked of them ---


def test_masks_are_found_by_dose_and_rule() -> None:
    found = made(
        ablations=[
            *(ablation("top", 5.0, n_units=60), ablation("random", 5.0, seed=0)),
            *(ablation(), ablation("bottom"), ablation("random", seed=0)),
            ablation("random", seed=1),
        ],
    )
    assert found.doses == (5.0, 1.0)
    assert found.rules(1.0) == ["top", "bottom", "random"]
    assert [entry.seed for entry in found.at(1.0, "random")] == [0, 1]
    assert (found.top().n_units, found.top(5.0).n_units) == (12, 60)
    assert found.groups == ("face", "object")


@pytest.mark.parametrize(
    ("model", "evaluation", "chance"),
    [
        ({}, {}, None),
        ({"chance": 0.1}, {}, 0.1),
        ({"chance": 0.1}, {"chances": {"face": 0.5}}, 0.5),
        ({"chance": 0.1}, {"chances": {"object": 0.5}}, 0.1),
    ],
)
def test_a_group_has_its_own_chance_or_the_models(
    model: dict[str, Any], evaluation: dict[str, Any], chance: float | None
) -> None:
    assert made(model=model, evaluation=evaluation).chance("face") == chance


def test_results_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        FOUND.verdict = "Otherwise."  # type: ignore[misc]
    assert isinstance(FOUND, Results)
