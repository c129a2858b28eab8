"""Try it: a picture before and after, for several visitors of one model; without a browser."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from common.base.errors import RunError
from tests.pictures import save_bomb
from tests.vision_loc.app.conftest import mapped
from vision_loc import phantom
from vision_loc.app import tab_try, visit


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("try")


@pytest.fixture(autouse=True)
def _at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)


@pytest.fixture(scope="module")
def things(home: Path) -> visit.Found:
    return mapped(home / "map-objects", localizer="phantom:objects")


@pytest.fixture(scope="module")
def pictures(home: Path) -> list[str]:
    paths = []
    for label in (0, 20):
        phantom.draw(label, 1, "eval").save(home / f"{label}.png")
        paths.append(str(home / f"{label}.png"))
    return paths


def test_two_interleaved_sessions_each_get_what_they_get_alone(
    faces: visit.Found, things: visit.Found, pictures: list[str]
) -> None:
    asked = [
        (picture, percent, found)
        for found in (faces, things)
        for picture in pictures
        for percent in (0.5, 1.0, 5.0)
    ]
    alone = [tab_try.show(*each, None)[:5] for each in asked]
    assert len({str(answer) for answer in alone}) == len(alone)
    orders = [np.random.default_rng(seed).permutation(np.tile(np.arange(12), 3)) for seed in (0, 1)]
    together = threading.Barrier(2)

    def stay(order: np.ndarray) -> list[tuple[int, Any]]:
        together.wait()
        return [(i, tab_try.show(*asked[i], None)[:5]) for i in order.tolist()]  # type: ignore[call-arg]

    with ThreadPoolExecutor(2) as pool:
        answers = [answer for visitor in pool.map(stay, orders) for answer in visitor]
    assert len(answers) == 72
    for number, answer in answers:
        assert answer == alone[number]
    with visit.MODELS.held(faces.settings) as model:
        modules = list(model.module.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in modules)


def test_a_model_is_held_by_one_event_at_a_time(faces: visit.Found) -> None:
    inside: list[int] = []
    most: list[int] = []

    def hold(number: int) -> None:
        with visit.MODELS.held(faces.settings):
            inside.append(number)
            most.append(len(inside))
            threading.Event().wait(0.01)
            inside.remove(number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(hold, range(8)))
    assert max(most) == 1


def test_without_its_units_a_face_is_lost_and_under_the_control_it_is_not(
    faces: visit.Found, pictures: list[str]
) -> None:
    intact, ablated, rival, note, *_ = tab_try.show(pictures[0], 1.0, faces, None)
    assert next(iter(intact)) == next(iter(rival)) == "face-01"
    assert next(iter(ablated)) != "face-01"
    assert "times as strongly" in note


def test_a_visitor_who_ran_nothing_gets_the_phantom(
    tmp_path: Path, pictures: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    *_, note, _, found, _ = tab_try.show(pictures[0], 1.0, None, None)
    assert found.title == "phantom:faces in phantom/cnn"
    assert "phantom:faces" in note


def test_too_many_units_for_a_control_are_said_and_the_rest_is_shown(
    faces: visit.Found, pictures: list[str]
) -> None:
    intact, ablated, rival, note, *_ = tab_try.show(pictures[0], 20.0, faces, None)
    assert intact
    assert ablated
    assert not rival
    assert "No control of this size" in note


def test_a_slider_that_comes_back_needs_no_model_and_no_second_intact_pass(
    faces: visit.Found, pictures: list[str]
) -> None:
    passes: list[bool] = []
    with visit.MODELS.held(faces.settings) as model:
        handle = model.module.register_forward_hook(lambda *_: passes.append(True))
    try:
        *first, _, held = tab_try.show(pictures[0], 5.0, faces, None)
        assert len(passes) == 5  # intact (thrice, when the first picture comes), top, control
        tab_try.show(pictures[0], 2.0, faces, held)
        assert len(passes) == 7
        with visit.MODELS.held(faces.settings):  # nobody waits for a model that is not needed
            *again, _, _ = tab_try.show(pictures[0], 5.0, faces, held)
        assert (len(passes), again) == (7, first)
        *_, other = tab_try.show(pictures[1], 5.0, faces, held)
        assert len(passes) == 12
        assert other.look is not held.look
    finally:
        handle.remove()


@pytest.mark.parametrize("percent", [0, 20.1, -1, float("nan"), 1e300, None, "1"])
def test_a_percent_off_the_slider_gets_one_line(
    percent: Any, faces: visit.Found, pictures: list[str]
) -> None:
    with pytest.raises(gr.Error, match="give a number from"):
        tab_try.show(pictures[0], percent, faces, None)


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("words.png", lambda path: path.write_text("no picture"), "words.png: no picture"),
        ("empty.jpg", lambda path: path.write_bytes(b""), "empty.jpg: no picture"),
        ("page.svg", lambda path: path.write_text("<svg onload='x'/>"), "page.svg: no picture"),
        ("paper.png", lambda path: Image.new("RGB", (8, 8)).save(path, "EPS"), "no picture"),
        ("<b>.png", lambda path: path.write_text("no"), "&lt;b&gt;.png"),
        ("huge.png", save_bomb, "huge.png: far too many pixels"),
    ],
)
def test_bad_uploads_get_one_line(
    name: str, write: Any, message: str, tmp_path: Path, faces: visit.Found
) -> None:
    write(tmp_path / name)
    with pytest.raises(gr.Error) as caught:
        tab_try.show(str(tmp_path / name), 1.0, faces, None)
    assert message in caught.value.message
    assert str(tmp_path) not in caught.value.message
    assert "\n" not in caught.value.message


def test_a_broken_picture_gets_one_line(tmp_path: Path, faces: visit.Found) -> None:
    phantom.draw(0, 0, "eval").save(tmp_path / "whole.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:2000])
    with pytest.raises(gr.Error, match=r"half\.png: broken"):
        tab_try.show(str(tmp_path / "half.png"), 1.0, faces, None)


def test_a_folder_of_another_front_end_leaves_try_it_alone(tmp_path: Path) -> None:
    entry = {"command": "FUNCLOC_DATA=d llm-loc run --model m", "settings": {"model": "m"}}
    (tmp_path / "run.json").write_text(json.dumps(entry))
    with pytest.raises(RunError, match="a run of llm-loc, not of vision-loc"):
        visit.found_in(tmp_path)


def test_a_file_that_is_no_picture_is_taken_back_with_all_that_was_told(tmp_path: Path) -> None:
    words = tmp_path / "words.png"
    words.write_text("words")
    left, *told = tab_try.unless_bad(str(words))
    assert left is None
    assert (*told[:5], None, told[5]) == tab_try.show(None, 1, None, None)
    Image.new("RGB", (8, 8)).save(tmp_path / "grey.png")
    for fine in (None, str(tmp_path / "grey.png")):
        assert tab_try.unless_bad(fine) == gr.skip()
