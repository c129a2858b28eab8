"""``sweep`` on the command line: a line a run, a table, failures by name, and the exit status."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import vision_loc.cli
from common.cli.main import run_command

FILE = """
models: [phantom/planted, phantom/nosuch]
localizers: ["phantom-planted:pattern"]
settings: {eval: phantom-planted, controls: "random:1", untrained_seeds: 0, device: cpu}
"""


def swept(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["vision-loc", "sweep", *words])
    with pytest.raises(SystemExit) as ended:
        run_command(vision_loc.cli.app, "vision-loc")
    return int(ended.value.code or 0)


def test_one_that_fails_is_named_in_the_table_and_by_the_exit_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "mine.yaml", str(tmp_path / "out")
    path.write_text(FILE)
    assert swept(monkeypatch, str(path), "--out", out) == 1
    said = capsys.readouterr().out
    assert "1 of 2  planted-phantom_planted_pattern-s0-" in said
    assert "2 of 2  nosuch-phantom_planted_pattern-s0-top1-" in said
    assert said.count("failed") == 3  # its line, the table, and why below that
    assert said.count("phantom/nosuch: ") == 2
    assert f"Run folders: {out}" in said
    path.write_text(FILE.replace(", phantom/nosuch", ""))
    assert swept(monkeypatch, str(path), "--out", out, "--json") == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert one["results"]["judgement"]["outcome"]
    assert one["settings"]["model"] == "phantom/planted"


def test_a_file_that_makes_no_sense_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(FILE.replace("eval:", "top: 0, eval:"))
    assert swept(monkeypatch, str(path)) == 1
    assert capsys.readouterr().err.startswith(f"vision-loc: {path}: --top 0: give percentages")
