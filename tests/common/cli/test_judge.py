"""``judge`` of a table of items, a run's or one of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from common import judge
from vision_loc.cli import main


def table(path: Path, shift: float = 1.0, draws: int = 19) -> pd.DataFrame:
    """Items of two groups, of which the top mask takes `shift` more from the first."""
    rng = np.random.default_rng(0)
    groups = np.repeat(["face", "object"], 60)
    margin = rng.normal(1, 1, 120)
    masks = [("intact", "", 0.0), ("top-1", "top", shift)]
    masks += [(f"layer-matched-1-s{i:02d}", "layer-matched", 0.0) for i in range(draws)]
    parts = []
    for name, rule, harm in masks:
        under = margin - (name != "intact") * rng.normal(0.1, 0.5, 120) - harm * (groups == "face")
        parts.append(
            pd.DataFrame(
                {
                    "item": [f"picture{i}" for i in range(120)],
                    "group": groups,
                    "label": "",
                    "mask": name,
                    "rule": rule,
                    "percent": 1.0 if rule else np.nan,
                    "correct": (under > 0).astype(int),
                    "margin": under,
                }
            )
        )
    found = pd.concat(parts, ignore_index=True)
    found.to_csv(path, index=False)
    return found


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["vision-loc", "judge", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_a_table_of_ones_own_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    items = table(tmp_path / "mine.csv")
    assert run(monkeypatch, str(tmp_path / "mine.csv")) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "● Evidence" in said
    assert "that these units serve face more than object" in said
    assert run(monkeypatch, str(tmp_path / "mine.csv"), "--json") == 0
    held = json.loads(capsys.readouterr().out)
    assert held == judge(items, "face", "object").as_json()


def test_the_groups_can_be_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table(tmp_path / "mine.csv")
    words = [str(tmp_path / "mine.csv"), "--target", "object", "--other", "face", "--json"]
    assert run(monkeypatch, *words) == 0
    held = json.loads(capsys.readouterr().out)
    assert (held["target"], held["other"]) == ("object", "face")
    assert held["outcome"] != "evidence"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "mine.csv: is empty"),
        ("item,group,margin\na,b,1,\n", "row 2 has 4 cells"),
        ("item,group\na,b\n", "cannot be read as a table of items"),
        ("item,group,margin\na,b,1\n", "lacks the columns label, mask, rule, percent"),
    ],
)
def test_what_is_no_table_of_items_is_told_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str,
    words: str,
) -> None:
    (tmp_path / "mine.csv").write_text(text)
    assert run(monkeypatch, str(tmp_path / "mine.csv")) == 1
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1
