"""Whose units Try it looks at, and pictures that fit the model."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from common.base.errors import RunError
from common.study.settings import read_controls
from vision_loc import phantom
from vision_loc.app import tab_which, visit
from vision_loc.experiment import Settings, localize_only

SOME = Settings(
    model="phantom/planted", localizer="phantom-planted:pattern", evaluation="phantom-planted",
    top=(6.25,), controls=read_controls("layer-matched:1"), device="cpu", untrained_seeds=0,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def shown(path: str) -> Image.Image:
    """A picture of the page, which is a file: Gradio writes others anew while they are loaded."""
    with Image.open(path) as picture:
        return picture.copy()


def test_a_list_that_is_shown_again_is_not_written_again() -> None:
    """Another browser, or the same one, may be loading it just then."""
    found = visit.phantom_found()
    first = [Path(path) for path, _ in tab_which.examples(found)]
    for path in first:
        path.write_bytes(path.read_bytes() + b" ")  # a mark: what is written anew loses it
    again = tab_which.fitted(found)[1].value
    assert [Path(each["image"]["path"]) for each in again] == first
    assert all(path.read_bytes().endswith(b" ") for path in first)


def test_who_opens_the_page_finds_a_picture_that_is_answered_and_the_models_name() -> None:
    which, gallery, picture = tab_which.entered(None, None)
    assert which.value == tab_which.OWN
    assert which.choices == [("phantom/cnn, phantom:faces (as it ships)", tab_which.OWN)]
    assert [name for _, name in tab_which.examples(visit.phantom_found())] == [
        phantom.CLASSES[label] for label in tab_which.EXAMPLES
    ]
    assert len(gallery.value) == 10
    assert np.array_equal(shown(picture), phantom.draw(tab_which.EXAMPLES[0], 0, "eval"))
    assert tab_which.entered(None, "own.png")[2] == gr.skip()


def test_another_run_brings_its_model_and_pictures_that_fit_it() -> None:
    localize_only(SOME, Path("runs") / "other")
    found, picture = tab_which.chosen("other")
    assert found.settings.model == "phantom/planted"
    which, gallery = tab_which.fitted(found)
    assert which.value == "other"
    assert [value for _, value in which.choices] == ["", "other"]
    names = [name for _, name in tab_which.examples(found)]
    assert len(gallery.value) == len(names) == 10
    assert names == ["target"] * 5 + ["control"] * 5
    event: Any = SimpleNamespace(index=7)
    assert shown(tab_which.pick_example(event, found)).size == shown(picture).size
    with pytest.raises(RunError, match="no run of that name"):
        tab_which.chosen("../other")


def test_pictures_of_somebodys_own_folder_are_not_shown(tmp_path: Path) -> None:
    phantom.draw(0, 0, "eval").save(tmp_path / "secret.png")
    other = SimpleNamespace(evaluation=f"a={tmp_path}", measure="agreement", model="m")
    found: Any = SimpleNamespace(settings=other, folder=tmp_path)
    assert tab_which.examples(found) == []
    assert not tab_which.fitted(found)[1].visible
