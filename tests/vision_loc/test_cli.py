"""The command line: exit status 0, or 1 with one line that says what is wrong."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from vision_loc import cli

pytestmark = pytest.mark.draws_report

RUN = [
    "run", "--model", "phantom/planted", "--localizer", "phantom-planted",
    "--eval", "phantom-planted", "--top", "6.25", "--controls", "random:2,layer-matched:2",
    "--device", "cpu", "--quiet",
]  # fmt: skip


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["vision-loc", *words])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def test_run_prints_table_verdict_and_folder(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    assert call(monkeypatch, *RUN, "--out", str(out)) == 0
    printed = capsys.readouterr()
    assert "top 6.25 % (16)" in printed.out
    assert "The 16 units" in printed.out
    assert str(out) in printed.out
    assert printed.err == ""
    assert call(monkeypatch, *RUN, "--out", str(out)) == 0
    assert "nothing was computed" in capsys.readouterr().out
    assert call(monkeypatch, *RUN, "--out", str(out), "--json") == 0
    assert json.loads(capsys.readouterr().out)["judgement"]["adjusted"]["p"] is not None
    (out / "report.html").unlink()
    assert call(monkeypatch, "report", str(out)) == 0
    assert (out / "report.html").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run"], "Missing option"),
        (["run", "--nonsense"], "(see vision-loc run --help)"),
        (
            ["dissociate", "--level", "parameter"],
            "--level; it is of run, localize (see vision-loc d",
        ),
        (["cook"], "No such command"),
        ([*RUN, "--unit", "neuron", "--pooling", "mean"], "a neuron is one position"),
        ([*RUN, "--pooling", "none"], "add --unit neuron"),
        ([*RUN, "--pooling", "last"], "choose one of mean"),
        ([*RUN, "--kind", "layer"], "choose one of block"),
        ([*RUN, "--seed", "-1"], "--seed"),
        (["sites", "--model", "phantom/cat"], "the phantoms are"),
        (["report", "nowhere"], "no finished run"),
        (["compare-sites", "--model", "phantom/cnn", "--kind", "blok"], "--kind blok: choose from"),
        (["evaluate", "--map", "nowhere", "--eval", "phantom"], "nowhere"),
    ],
)
def test_bad_words_get_one_line_and_status_1(
    words: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(monkeypatch, *words) == 1
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert "Traceback" not in printed.err


@pytest.mark.parametrize(
    "command", ["run", "localize", "evaluate", "compare-sites", "sites", "models", "report"]
)
def test_every_command_has_a_help_that_teaches(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, command, "--help") == 0
    assert "Usage" in capsys.readouterr().out


def test_sites_lists_kinds_shapes_and_channels(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "sites", "--model", "phantom/vit", "--kind", "attn") == 0
    assert "blocks.0.attn:output" in capsys.readouterr().out


def test_models_narrows_by_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "models", "regnetx_002") == 0
    printed = capsys.readouterr().out
    assert "phantom/cnn" not in printed
    assert "timm/regnetx_002" in printed
    assert "resnet18" not in printed


def test_localize_writes_a_map_and_prints_where_the_units_lie(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["localize", "--model", "phantom/planted", "--localizer", "phantom-planted"]
    out = tmp_path / "map"
    assert call(monkeypatch, *words, "--device", "cpu", "--quiet", "--out", str(out)) == 0
    assert "blocks.3:output" in capsys.readouterr().out
    assert (out / "selectivity.safetensors").is_file()
    assert (out / "masks.safetensors").is_file()
