"""The command line: exit status 0, or 1 with one line that says what is wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_loc import cli


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["llm-loc", *words])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


@pytest.fixture
def words(folder_of: Callable[..., Path], own_files: tuple[Path, ...]) -> list[str]:
    target, control, pairs, _ = own_files
    return [
        "run", "--model", f"local/{folder_of()}", "--target", str(target),
        "--control", str(control), "--eval", str(pairs), "--target-group", "animals",
        "--top", "10", "--controls", "random:2", "--device", "cpu", "--quiet",
    ]  # fmt: skip


def test_run_then_generate(
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    out = str(tmp_path / "run")
    assert call(monkeypatch, *words, "--out", out) == 0
    printed = capsys.readouterr()
    assert "Zeroing the 5 units (10 % of 48) most selective for sentences-vs-nonwords" in " ".join(
        printed.out.split()
    )
    assert printed.err == ""
    assert call(monkeypatch, *words, "--out", out) == 0
    assert "nothing was computed" in capsys.readouterr().out
    asked = ["generate", "--map", out, "--prompt", "the old", "--max-new-tokens", "4"]
    assert call(monkeypatch, *asked, "--top", "10", "--json") == 0
    texts = json.loads(capsys.readouterr().out)["texts"]
    assert list(texts) == ["intact", "top-10", "layer-matched-10-s00"]
    assert call(monkeypatch, *asked) == 0
    assert "intact" in capsys.readouterr().out


def test_localize_sites_and_models(
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    localize = ["localize", *words[1:7], "--out", str(tmp_path / "map"), "--quiet"]
    assert call(monkeypatch, *localize) == 0
    assert "model.layers.2:output" in capsys.readouterr().out
    assert call(monkeypatch, "sites", *words[1:3], "--kind", "attn", "--left-out") == 0
    printed = capsys.readouterr().out
    assert "model.layers.0.self_attn:output" in printed
    assert "post_attention_layernorm" not in printed
    assert "left out: lm_head" in printed
    assert call(monkeypatch, "models") == 0
    assert "local/PATH" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--nonsense"], "No such option"),
        (["--pooling", "cls"], "choose one of last"),
        (["--protocol", "loose"], "choose one of full"),
        (["--kind", "layer"], "choose one of block"),
        (["--eval", "prose.txt"], "no such file"),
        (["--target-group", "plants"], "it has group: animals, things"),
        (["--model", "local/nowhere"], "holds no config.json"),
    ],
)
def test_bad_words_get_one_line_and_status_1(
    more: list[str],
    message: str,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(monkeypatch, *words, *more) == 1
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert "Traceback" not in printed.err


@pytest.mark.parametrize(
    "command", ["run", "localize", "evaluate", "generate", "sites", "models", "report"]
)
def test_every_command_has_a_help(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, command, "--help") == 0
    assert "Usage" in capsys.readouterr().out
