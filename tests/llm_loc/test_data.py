"""``llm-loc data`` and ``llm-loc models``: what is here, whether it is whole, and getting it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from llm_loc import cli
from llm_loc.catalogue import catalogue
from tests.common.data.server import Server
from tests.llm_loc.stimuli.test_localizers import write_stories

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    """Run ``llm-loc …``: its exit status, and both streams."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("FUNCLOC_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FUNCLOC_DATA", raising=False)
    monkeypatch.delenv("FUNCLOC_MODELS", raising=False)

    def call(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["llm-loc", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, out, err

    return call


def test_list_names_the_sets_of_texts_alone(command: Command, tmp_path: Path) -> None:
    write_stories(tmp_path / "mine" / "theory-of-mind")
    status, out, _ = command("data", "list", "--data-root", tmp_path / "mine")
    assert status == 0
    rows = {line.split("│")[1].strip(): line for line in out.splitlines() if line[:1] == "│"}
    assert "floc" not in rows
    assert "all as one" in rows["blimp"]
    assert "running text" in rows["prose"]
    assert "comes with the program" in rows["facts"]
    assert "drawn by the program" in rows["multiple-demand"]
    assert str(tmp_path)[:20] in rows["theory-of-mind"]


def test_check_of_stories(command: Command, tmp_path: Path) -> None:
    folder = write_stories(tmp_path / "theory-of-mind")
    words = ("data", "check", "theory-of-mind", "--data-root", tmp_path, "-q")
    status, out, _ = command(*words)
    assert status == 0
    assert "40 of 40 files present and readable; no checksums are published" in out
    (folder / "4b_question.txt").write_text(" ")
    assert "4b_question.txt: is empty" in command(*words)[2]
    (folder / "4b_question.txt").unlink()
    status, _, err = command(*words)
    assert (status, err.count("\n")) == (1, 1)
    assert "belief has 19 files where 20 belong" in err


def test_check_of_facts_which_come_with_the_program(command: Command) -> None:
    status, out, _ = command("data", "check", "facts", "-q")
    assert (status, "present and readable" in out) == (0, True)
    status, out, _ = command("data", "fetch", "facts")
    assert (status, "comes with the program" in out) == (0, True)


def test_fetch_says_that_an_archive_was_not_held_against_a_checksum(
    command: Command, tmp_path: Path
) -> None:
    write_stories(tmp_path / "made" / "tomloc")
    archive = Path(shutil.make_archive(str(tmp_path / "tomloc"), "zip", tmp_path / "made"))
    own = tmp_path / "stories.yaml"
    server = Server()
    try:
        server.files["/tomloc.zip"] = archive.read_bytes()
        download = {"archive": server.url + "tomloc.zip", "strip": "tomloc/", "unchecked": "none"}
        entry = {
            "name": "stories",
            "about": "Made by a test.",
            "source": {"url": "http://nowhere.invalid"},
            "download": download,
            "conditions": {
                "b": {"files": "*b_story.txt", "story": {"question": "*b_question.txt"}}
            },
        }
        own.write_text(yaml.safe_dump(entry))
        status, out, _ = command("data", "fetch", own, "-q")
    finally:
        server.close()
    assert status == 0
    stamp = json.loads((tmp_path / "cache" / "stories" / ".funcloc.json").read_text())
    assert f"Not held against a checksum: none. The archive's SHA-256 is {stamp['sha256']}" in out


def test_pictures_are_for_the_other_command(command: Command) -> None:
    status, _, err = command("data", "check", "floc")
    assert (status, err) == (
        1,
        "llm-loc: data floc: floc is a set of pictures; vision-loc reads it\n",
    )


def test_without_a_network_one_line_says_what_to_put_where(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A port of this machine at which nobody answers stands for the network that is not there.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    status, _, err = command("data", "fetch", "theory-of-mind", "-q")
    assert (status, err.count("\n")) == (1, 1)
    assert f"not found in {tmp_path / 'cache' / 'theory-of-mind'}, and the download failed" in err
    assert "saxelab.mit.edu" in err


def test_models_lists_what_lies_on_this_machine(
    command: Command, folder_of: Callable[..., Path], tmp_path: Path
) -> None:
    folder = folder_of()
    (tmp_path / "models" / "picture").mkdir(parents=True)
    (tmp_path / "models" / "picture" / "config.json").write_text('{"model_type": "vit"}')
    (tmp_path / "models" / "reader").mkdir()
    (tmp_path / "models" / "reader" / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "models" / "writer").symlink_to(folder)
    entries = catalogue(tmp_path / "models")
    assert (entries[0].name, entries[0].where) == ("phantom/lm", "bundled")
    assert [entry.about for entry in entries if entry.where == "local"] == [
        "no language model (vit)",
        "transformers, bert (an encoder: localize only); without weights",
        "transformers, llama",
    ]
    status, out, _ = command("models", "--models-root", tmp_path / "models")
    assert status == 0
    assert "phantom/lm" in out
    assert "hf/ORG/NAME@REVISION" in out
    assert "phantom/lm" not in command("models", "writer", "--models-root", tmp_path / "models")[1]
    status, _, err = command("models", "--models-root", tmp_path / "gone")
    assert (status, "no such folder" in err) == (1, True)
