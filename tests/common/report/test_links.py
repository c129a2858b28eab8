"""A link in a run folder may lead anywhere, and so is not followed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from common.base.errors import RunError
from common.report.parts import part_of, profile_of
from common.report.sections import continuations, galleries


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "gallery").mkdir(parents=True)
    (folder / "gallery" / "a.png").write_bytes(b"pixels")
    index = [{"title": "t", "pictures": [{"file": "../../etc/a.png"}]}]
    (folder / "gallery" / "gallery.json").write_text(json.dumps(index))
    (tmp_path / "secret").write_text("secret")
    return folder


def test_pictures_of_the_gallery_are_its_own(run: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(run)
    for folder in (run, tmp_path / "link"):  # a run folder itself may be one
        assert galleries(folder)[0]["pictures"][0]["data"] == "cGl4ZWxz"
    (run / "gallery" / "a.png").unlink()
    (run / "gallery" / "a.png").symlink_to(tmp_path / "secret")
    with pytest.raises(RunError, match=r"a.png: is a link, which is not followed"):
        galleries(run)


@pytest.mark.parametrize("name", ["gallery/gallery.json", "gallery/continuations.json"])
def test_neither_are_its_lists(name: str, run: Path, tmp_path: Path) -> None:
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(tmp_path / "secret")
    with pytest.raises(RunError, match="is a link"):
        (galleries if "gallery.json" in name else continuations)(run)


def test_nor_a_linked_folder_nor_other_parts(run: Path, tmp_path: Path) -> None:
    (run / "gallery").rename(tmp_path / "elsewhere")
    (run / "gallery").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="gallery: is a link"):
        galleries(run)
    for name in ("profile.csv", "items.csv"):
        (run / name).symlink_to(tmp_path / "secret")
    with pytest.raises(RunError, match=r"profile.csv: is a link"):
        profile_of(run)
    with pytest.raises(RunError, match=r"items.csv: is a link"):
        part_of(run, "items.csv")
