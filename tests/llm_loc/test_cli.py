"""The command line: exit status 0, or 1 with one line that says what is wrong."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

from llm_loc import cli

pytestmark = pytest.mark.draws_report


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
    assert "The 5 units (10 % of 48) most selective for sentences-vs-nonwords" in " ".join(
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
    assert call(monkeypatch, *asked, "--top-p", "0.9") == 1
    assert "does nothing without --temperature" in capsys.readouterr().err


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


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--nonsense"], "No such option"),
        (["--pooling", "cls"], "choose one of last"),
        (["--protocol", "loose"], "choose one of full"),
        (["--kind", "layer"], "choose one of block"),
        (["--eval", "prose.txt"], "no such file"),
        (["--target-group", "plants"], "it has group: animals, things"),
        (
            ["--model", "local/nowhere"],
            "nothing there (looked for nowhere, models/nowhere; FUNCLOC_MODELS)",
        ),
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


def bad_files(folder: Path) -> dict[str, Path]:
    """Files of text that no run can start from."""
    texts = {
        "empty.csv": "",
        "long.txt": "\n".join(["bread " * 300] * 4),
        "long-pairs.csv": "good,bad,group\n" + "".join(f"{'a ' * 300},b,{g}\n" for g in "xy"),
        "one.csv": "good,bad\na b,b a\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return {name: folder / name for name in texts}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--target", "empty.csv"], "empty.csv: is empty"),
        (["--eval", "empty.csv"], "empty.csv: is empty"),
        (["--target", "CONTROL"], "there is one condition only"),
        (["--target", "long.txt"], "tokens, but local/"),
        (["--eval", "long-pairs.csv", "--target-group", "x"], "reads 128 at most"),
        (["--eval", "one.csv"], "--target-group animals: one has none such"),
        (["--eval", "tinyimagenet100"], "is a set of pictures; vision-loc reads it"),
    ],
)
def test_texts_that_no_run_can_start_from(
    more: list[str],
    message: str,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    files = {**bad_files(tmp_path), "CONTROL": Path(words[words.index("--control") + 1])}
    given = [str(files.get(word, word)) for word in more]
    assert call(monkeypatch, *words, *given, "--out", str(tmp_path / "run")) == 1
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert not (tmp_path / "run").exists()


def test_a_prompt_longer_than_the_context(
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    out = str(tmp_path / "map")
    assert call(monkeypatch, "localize", *words[1:7], "--out", out, "--quiet") == 0
    capsys.readouterr()
    for prompt in ("bread " * 300, "bread " * 20):
        assert call(monkeypatch, "generate", "--map", out, "--prompt", prompt,
                    "--max-new-tokens", "120") == 1  # fmt: skip
        error = capsys.readouterr().err
        assert "reads 128 at most" in error
        assert error.count("\n") == 1


def test_a_tokenizer_that_knows_none_of_the_words(
    folder_of: Callable[..., Path],
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(folder_of(), folder)
    core = Tokenizer(WordLevel({"<unk>": 0, "zzz": 1}, unk_token="<unk>"))
    core.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>").save_pretrained(folder)
    assert call(monkeypatch, *words, "--model", f"local/{folder}") == 1
    error = capsys.readouterr().err
    assert "knows none of its words" in error
    assert error.count("\n") == 1


def test_lm_eval_without_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    assert call(monkeypatch, "lm-eval", "--map", "nowhere", "--tasks", "blimp") == 1
    assert "pip install 'funcloc[lm-eval]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    ["run", "localize", "evaluate", "generate", "lm-eval", "sites", "models", "data", "report"],
)
def test_every_command_has_a_help(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, command, "--help") == 0
    assert "Usage" in capsys.readouterr().out
