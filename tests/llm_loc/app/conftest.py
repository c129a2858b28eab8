"""What the tests of the Language page share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llm_loc.app import visit
from llm_loc.experiment import localize_only


def quiet(*_: object, **__: object) -> None:
    """A progress bar that nobody sees."""


def mapped(folder: Path, **changed: Any) -> visit.Found:
    """What the page has of a map of the phantom, made in this folder."""
    localize_only(replace(visit.DEMO, device="cpu", untrained_seeds=0, **changed), folder)
    return visit.found_in(folder)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to work in."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def language(tmp_path_factory: pytest.TempPathFactory) -> visit.Found:
    """The map that a visitor finds; made once."""
    return mapped(tmp_path_factory.mktemp("language") / "map")
