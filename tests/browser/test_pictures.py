"""Files of pictures: written once, and whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from gradio.data_classes import ImageData
from PIL import Image

from browser import pictures


def test_a_picture_that_is_shown_again_keeps_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    path = Path(pictures.kept(Image.new("RGB", (40, 30), "red")))
    path.write_bytes(path.read_bytes() + b" ")  # a mark: what is written anew loses it
    assert pictures.kept(Image.new("RGB", (40, 30), "red")) == str(path)
    assert path.read_bytes().endswith(b" ")
    assert pictures.kept(Image.new("RGB", (40, 30), "blue")) != str(path)
    with Image.open(path) as kept:
        assert kept.convert("RGB").getpixel((0, 0)) == (255, 0, 0)
    assert [each.name for each in tmp_path.rglob("*.*")] == ["image.png"] * 2  # and no draft


def test_a_place_begins_with_a_file_that_gradio_leaves_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    picture = Image.new("RGB", (40, 30), "red")
    place = pictures.place("A figure", first=picture)
    given = place.postprocess(pictures.kept(picture))
    assert given is not None
    assert isinstance(given, ImageData)
    assert given.path == pictures.kept(picture)
