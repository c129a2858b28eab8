"""Runs side by side, and the units of a map, from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from common.measure.masks import save_masks, top_percent
from common.report.figures import forest
from common.study.results import save_results
from common.study.side_by_side import side_by_side
from common.study.unit_list import chosen_map
from tests.common.made import EVALUATION, estimate, judgement, made, verdict_at
from tests.common.measure.test_unit_table import made as made_map
from vision_loc.cli import main

SETTINGS = {"score": "welch", "kind": "block", "within": None, "classes": "all"}


def make(root: Path, name: str, model: str, effect: float, **more: Any) -> str:
    folder = root / name
    folder.mkdir()
    seen = more.pop("evaluation", {**EVALUATION, "shown": more.pop("shown", "same")})
    about = {
        "identity": {"evaluation": {"stimuli": more.pop("stimuli", "same")}},
        "settings": SETTINGS | more.pop("set", {}),
        "started": name,
    }
    (folder / "run.json").write_text(json.dumps(about))
    judged = judgement((verdict_at(1.0, adjusted=estimate(effect)),))
    described = {"name": model, "fingerprint": model * 2, "n_parameters": 1, "dtype": "float32"}
    save_results(folder, made(model=described, judgement=judged, evaluation=seen, **more))
    return str(folder)


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["vision-loc", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_models_are_sorted_and_pooled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [make(tmp_path, name, f"local/some/{name}", effect)
            for name, effect in (("low", 0.1), ("high", 0.5))]  # fmt: skip
    table, figure = tmp_path / "runs.csv", tmp_path / "forest.png"
    more = ["--csv", str(table), "--figure", str(figure)]
    assert run(monkeypatch, "compare", *runs, *more) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.index("high") < said.index("low")
    assert "Mean over 2 models" in said
    assert "note" not in said
    read = pd.read_csv(table)
    assert [*read["run"]] == ["high", "low"]
    assert [*read["effect"]] == [0.5, 0.1]
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert run(monkeypatch, "compare", *runs, "--json", "--sort", "model") == 0
    held = json.loads(capsys.readouterr().out)
    assert [row["model"] for row in held["runs"]] == ["high", "low"]
    assert held["pooled"]["effect"] == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("models", "apart", "names"),
    [(("small", "large"), "model", ["large", "small"]), (("same", "same"), "run", ["two", "one"])],
)
def test_a_forest_plot_names_what_tells_the_runs_apart(
    models: tuple[str, str], apart: str, names: list[str], tmp_path: Path
) -> None:
    runs = [
        make(tmp_path, name, model, effect)
        for name, model, effect in zip(("one", "two"), models, (0.1, 0.2), strict=True)
    ]
    sides = side_by_side([Path(each) for each in runs])
    assert (sides.apart, [name for name, _ in sides.named]) == (apart, names)
    axes = forest(sides.named, sides.pooled, sides.apart).axes[0]
    assert axes.get_ylabel() == apart
    assert [each.get_text() for each in axes.get_yticklabels()][:2] == names


@pytest.mark.parametrize(
    ("model", "more", "note"),
    [
        ("same", {}, "one model is one subject"),
        ("other", {"ablation": "mean"}, "replace units in different ways"),
        ("other", {"set": {"score": "gradient", "kind": "attn"}}, "ways (kind, score)"),
        ("other", {"set": {"within": "margin"}}, "groups of some runs were made alike"),
        ("other", {"set": {"classes": "shared"}}, "choose among all of its classes"),
        ("other", {"shown": "others"}, "evaluated on different items"),
    ],
)
def test_what_makes_them_hard_to_compare_is_said_and_nothing_pooled(
    model: str, more: dict[str, Any], note: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    runs = make(tmp_path, "one", "same", 0.1), make(tmp_path, "two", model, 0.2, **more)
    assert run(monkeypatch, "compare", *runs) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert note in said
    assert "Mean over" not in said


def test_items_are_the_same_ones_whatever_number_a_model_gives_their_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = make(tmp_path, "one", "a", 0.1, stimuli="with classes 3 and 5")
    two = make(tmp_path, "two", "b", 0.2, stimuli="with classes 301 and 505")
    assert run(monkeypatch, "compare", one, two) == 0
    assert "Mean over 2 models" in capsys.readouterr().out
    # Where a run is older, what it was evaluated on is known with its classes alone.
    old = make(tmp_path, "old", "c", 0.2, stimuli="with classes 301 and 505", shown=None)
    for other, same in ((one, False), (two, True)):
        assert run(monkeypatch, "compare", other, old) == 0
        assert ("Mean over 2 models" in capsys.readouterr().out) is same


def test_choices_among_more_classes_are_told_and_pooled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chances = [dict.fromkeys(("face", "object"), 1 / n) for n in (100, 1000)]
    evaluations = [{**EVALUATION, "shown": "same", "chances": each} for each in chances]
    one, two = (
        make(tmp_path, name, name, 0.1, evaluation=each)
        for name, each in zip(("one", "two"), evaluations, strict=True)
    )
    assert run(monkeypatch, "compare", one, two) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "choose among more classes than others" in said
    assert "Mean over 2 models" in said


def test_what_is_no_run_is_left_out_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As ``compare runs/*`` names whatever lies there."""
    one, two = make(tmp_path, "one", "a", 0.1), make(tmp_path, "two", "b", 0.2)
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites" / "sites.json").write_text("{}")
    (tmp_path / "seeds.json").write_text("{}")
    others = [str(tmp_path / "sites"), str(tmp_path / "seeds.json")]
    assert run(monkeypatch, "compare", *others, one, two) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Left out, for there is no finished run in it: sites, seeds.json." in said
    assert "Mean over 2 models" in said
    assert run(monkeypatch, "compare", one, others[0]) == 1
    assert "holds a comparison of kinds of sites, and no run of its own" in capsys.readouterr().err


def test_what_cannot_be_compared_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = make(tmp_path, "one", "a", 0.1), make(tmp_path, "two", "b", 0.1)
    for words, said in (
        ([one], "needs two run folders or more"),
        ([one, one], "one: is named twice"),
        ([one, str(tmp_path)], "holds no finished run"),
        ([one, two, "--sort", "colour"], "--sort colour: choose one of effect, model, started"),
        ([one, two, "--figure", "forest.doc"], "choose a name that ends in .png, .svg, .pdf"),
    ):
        assert run(monkeypatch, "compare", *words) == 1
        told = capsys.readouterr().err
        assert said in told
        assert told.count("\n") == 1


def test_units_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = made_map("channel")
    found.save(tmp_path / "selectivity.safetensors")
    table = tmp_path / "units.csv"
    assert run(monkeypatch, "units", "--map", str(tmp_path), "--top", "3", "--csv", str(table)) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"3 of {found.n_units} units, by Welch’s t" in said
    assert len(pd.read_csv(table)) == 3
    assert run(monkeypatch, "units", "--map", str(tmp_path), "--json") == 0
    assert len(json.loads(capsys.readouterr().out)) == found.n_units
    assert run(monkeypatch, "units", "--map", str(tmp_path / "none")) == 1
    assert "not a selectivity map" in capsys.readouterr().err


def test_the_units_of_a_mask_and_of_two_combined_are_listed_to_be_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = made_map("channel")
    found.save(tmp_path / "selectivity.safetensors")
    masks = [top_percent(found, dose) for dose in (50, 25)]
    save_masks(tmp_path / "masks.safetensors", masks)
    table = tmp_path / "units.csv"
    words = ["units", "--map", str(tmp_path), "--csv", str(table)]
    assert run(monkeypatch, *words, "--mask", "top-25") == 0
    assert chosen_map(found, table, "top-25").about["chosen"]["units"] == sorted(masks[1].units)
    more = ["--mask", "top-50", "--combine", "difference", "--with-mask", "top-25"]
    assert run(monkeypatch, *words, *more) == 0
    left = set(masks[0].units) - set(masks[1].units)
    assert set(chosen_map(found, table, None).about["chosen"]["units"]) == left
    assert [*pd.read_csv(table)["mask"].unique()] == ["difference"]
    capsys.readouterr()
    for more, said in (
        (["--mask", "top-3"], "--mask top-3:"),
        (["--combine", "union"], "--combine: say the other mask, by --with, --with-mask or both"),
    ):
        assert run(monkeypatch, *words, *more) == 1
        assert said in capsys.readouterr().err
