"""Where a model of one's own is looked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from common.base.errors import ModelError
from common.models.places import local_path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FUNCLOC_MODELS", raising=False)
    for place in ("models/net", "zoo/net", "zoo/other", "own"):
        (tmp_path / place).mkdir(parents=True)
    return tmp_path


def test_a_path_comes_first_then_the_folders_of_models(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert local_path("local/own", "own") == Path("own")
    assert local_path("local/net", "net") == Path("models/net")
    monkeypatch.setenv("FUNCLOC_MODELS", os.pathsep.join(["empty", str(here / "zoo")]))
    assert local_path("local/net", "net") == here / "zoo/net"
    (here / "net").mkdir()
    assert local_path("local/net", "net") == Path("net")
    assert local_path("local//x", str(here / "zoo/other")) == here / "zoo/other"


def test_nothing_there_names_every_place(here: Path) -> None:
    with pytest.raises(ModelError, match=r"`model` local/a: .*looked for a, models/a; FUNC"):
        local_path("local/a", "a")
    gone = here / "gone"
    with pytest.raises(ModelError, match=rf"looked for {gone}; FUNC"):
        local_path("local/gone", str(gone))
