"""The command line that repeats a run."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest

from common.study.commands import command
from common.study.declared import EVALUATING, Setting, read_settings
from common.study.settings import Settings


@dataclass(frozen=True)
class More(Settings):
    target_group: Annotated[str | None, Setting("Who is expected to lose", EVALUATING)] = None


@pytest.fixture(autouse=True)
def no_data_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FUNCLOC_DATA", raising=False)


def said(verb: str, out: str = "runs/a", source: Path | None = None, **given: Any) -> list[str]:
    return shlex.split(command("some-loc", verb, read_settings(More, given), Path(out), source))


def test_only_what_differs_from_the_default_is_said() -> None:
    assert said("run", model="local/net", evaluation="own", top="1,2", untrained=True) == [
        *("some-loc", "run", "--model", "local/net", "--eval", "own", "--top", "1,2"),
        *("--untrained", "--out", "runs/a"),
    ]


def test_names_are_those_of_the_options() -> None:
    words = said("run", model="m", allow_overlap=True, batch_size=3, target_group="noun")
    wanted = ["--allow-overlap", "--batch-size", "3", "--target-group", "noun"]
    assert words[4:-2] == wanted


def test_a_path_with_spaces_is_quoted() -> None:
    words = said("run", "my runs/a", model="m", target=Path("my faces"), control=Path("b"))
    assert words[-6:] == ["--target", "my faces", "--control", "b", "--out", "my runs/a"]


def test_an_evaluation_names_the_map_and_not_the_model() -> None:
    words = said("evaluate", source=Path("runs/map"), model="m", evaluation="own")
    assert words[:6] == ["some-loc", "evaluate", "--map", "runs/map", "--eval", "own"]
    assert "--model" not in words


def test_localizing_says_nothing_of_an_evaluation() -> None:
    words = said("localize", model="m", evaluation="own", controls="", target_group="a", seed=2)
    assert words == ["some-loc", "localize", "--model", "m", "--seed", "2", "--out", "runs/a"]


def test_the_data_root_of_the_environment_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNCLOC_DATA", "/my data")
    assert said("run", model="m")[:2] == ["FUNCLOC_DATA=/my data", "some-loc"]
    assert said("run", model="m", data_root=Path("/other"))[0] == "some-loc"
