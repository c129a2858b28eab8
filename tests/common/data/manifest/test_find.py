"""Where the data of a manifest lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.base.cache import cache_folder
from common.base.errors import DataError
from common.data.manifest import Manifest, data_folder, load_manifest
from tests.common.data.manifest.conftest import GOOD


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The folders that are looked through, none of which exists yet."""
    found = {name: tmp_path / name / "small" for name in ("option", "variable", "cache")}
    monkeypatch.setenv("FUNCLOC_DATA", str(found["variable"].parent))
    monkeypatch.setenv("FUNCLOC_CACHE", str(found["cache"].parent))
    return found


@pytest.fixture
def manifest(write) -> Manifest:
    return load_manifest(write(GOOD))


def test_the_option_comes_before_the_variable(manifest, places) -> None:
    for name in ("option", "variable", "cache"):
        places[name].mkdir(parents=True)
    assert data_folder(manifest, places["option"].parent) == places["option"]
    assert data_folder(manifest) == places["variable"]


def test_the_cache_comes_last(manifest, places, monkeypatch: pytest.MonkeyPatch) -> None:
    places["cache"].mkdir(parents=True)
    assert data_folder(manifest, places["option"].parent) == places["cache"]
    assert data_folder(manifest) == places["cache"]
    monkeypatch.delenv("FUNCLOC_DATA")
    assert data_folder(manifest) == places["cache"]


def test_a_file_of_that_name_is_no_folder(manifest, places) -> None:
    places["cache"].parent.mkdir()
    places["cache"].write_text("")
    with pytest.raises(DataError):
        data_folder(manifest)


def test_data_that_are_nowhere_are_an_error_that_says_what_to_put_where(manifest, places) -> None:
    with pytest.raises(DataError) as caught:
        data_folder(manifest)
    message = str(caught.value)
    assert message.startswith("small: not found in ")
    for part in (places["variable"], places["cache"], "https://example.org/small"):
        assert str(part) in message
    assert "FUNCLOC_DATA or `data_root` to the folder that holds small/" in message
    assert "\n" not in message


def test_the_cache_has_a_place_without_being_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNCLOC_CACHE", "")
    assert cache_folder().is_absolute()
    assert "funcloc" in cache_folder().name
