"""Where a model of one's own is looked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from common.base.errors import ModelError
from common.models.places import local_path, name_in_roots


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


def test_a_name_says_no_more_of_a_place_than_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roots = [tmp_path / "one", tmp_path / "two"]
    for folder in ("one/a", "two/a", "two/deep/b", "far"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FUNCLOC_MODELS", os.pathsep.join(map(str, roots)))
    assert name_in_roots(f"local/{roots[0] / 'a'}") == "local/a"
    assert name_in_roots(f"local/{roots[1] / 'deep/b'}") == "local/deep/b"
    for name in (f"local/{roots[1] / 'a'}", f"local/{tmp_path / 'far'}", "local/a", "phantom/cnn"):
        assert name_in_roots(name) == name  # the first of two would be another place
