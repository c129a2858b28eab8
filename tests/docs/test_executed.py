"""Every command of the pages is run, on phantoms and in small, as far as a phantom can stand in."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from common.cli.main import run_command
from tests.docs.pages import PAGES, Command, commands
from tests.docs.stand_ins import BRIEF, NOT_RUN, RUNS, own_files, stands_in
from tests.docs.test_command_lines import PROGRAMS, called

EVERY = [command for path in PAGES for command in commands(path) if called(command.words)]


def why_not(command: Command) -> str | None:
    line = " ".join(command.words)
    return next((why for part, why in NOT_RUN.items() if part in line), None)


TO_RUN = [command for command in EVERY if why_not(command) is None]


def call(program: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(sys, "argv", [program, *words])
    with pytest.raises(SystemExit) as stopped:
        run_command(PROGRAMS[program][0], program)
    return stopped.value.code


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader's folder: what begins with my or mine, and runs of either program."""
    top = tmp_path_factory.mktemp("reader")
    for program, model in (("vision-loc", "phantom/cnn"), ("llm-loc", "phantom/lm")):
        place = top / program
        place.mkdir()
        own_files(place, program)
        with pytest.MonkeyPatch.context() as patched:
            patched.chdir(place)
            for localizer, (name, *copies) in RUNS[program].items():
                words = f"run --model {model} --localizer {localizer} --top 1,2,5 --out runs/{name}"
                assert call(program, [*words.split(), *BRIEF["run"].split()], patched) == 0
                for copy in copies:
                    shutil.copytree(place / "runs" / name, place / "runs" / copy)
    return top


def test_what_is_not_run_is_there() -> None:
    lines = [" ".join(command.words) for command in EVERY]
    assert not [part for part in NOT_RUN if not any(part in line for line in lines)]
    assert len(TO_RUN) > 45


@pytest.mark.slow  # runs some fifty experiments in small: minutes
@pytest.mark.parametrize("command", TO_RUN, ids=str)
def test_a_command_runs(
    command: Command,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = called(command.words)
    assert found is not None
    program, words = found
    monkeypatch.chdir(folder / program)
    monkeypatch.setenv("FUNCLOC_CACHE", str(folder / "cache"))
    full = [each for word in stands_in(program, words) for each in spread(word)]
    for number, word in enumerate(full[:-1]):
        if word == "--out":  # a folder of its own, whatever other commands leave
            full[number + 1] = f"new/{command.page}-{command.line}"
        if word == "--map" and not Path(full[number + 1]).exists():
            full[number + 1] = "runs/A"  # made by another line
    status = call(program, full, monkeypatch)
    assert status == 0, capsys.readouterr().err


def spread(word: str) -> list[str]:
    """What a shell makes of a word, in a folder where nobody else ran anything."""
    return ["runs/A", "runs/B", "runs/C"] if word == "runs/*" else [word]
