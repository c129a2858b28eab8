"""The handlers of the app's Faces pages, without a browser."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from common.errors import RunError, SettingError
from vision_loc import phantom, tab
from vision_loc.experiment import Settings, localize_only, run

PLANTED = Settings(
    model="phantom/planted",
    localizer="phantom-planted:pattern",
    evaluation="phantom-planted",
    top="6.25",
    controls="layer-matched:19",
    device="cpu",
)


def quiet(*_: object, **__: object) -> None:
    """A progress bar that nobody sees."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to work in that holds one finished run."""
    folder = tmp_path_factory.mktemp("app")
    run(PLANTED, folder / "runs" / "planted")
    return folder


@pytest.fixture(autouse=True)
def _at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)


@pytest.fixture(scope="module")
def faces(home: Path) -> tab.Found:
    localize_only(replace(tab.DEMO, device="cpu"), home / "map-faces")
    return tab.found_in(home / "map-faces")


@pytest.fixture(scope="module")
def things(home: Path) -> tab.Found:
    settings = replace(tab.DEMO, localizer="phantom:objects", device="cpu")
    localize_only(settings, home / "map-objects")
    return tab.found_in(home / "map-objects")


@pytest.fixture(scope="module")
def pictures(home: Path) -> list[str]:
    paths = []
    for label in (0, 20):
        phantom.draw(label, 1, "eval").save(home / f"{label}.png")
        paths.append(str(home / f"{label}.png"))
    return paths


# --- several visitors on one model ---


def test_two_interleaved_sessions_each_get_what_they_get_alone(
    faces: tab.Found, things: tab.Found, pictures: list[str]
) -> None:
    asked = [
        (picture, percent, found)
        for found in (faces, things)
        for picture in pictures
        for percent in (0.5, 1.0, 5.0)
    ]
    alone = [tab.look(*each, quiet)[:4] for each in asked]
    assert len({str(answer) for answer in alone}) == len(alone)
    orders = [np.random.default_rng(seed).permutation(np.tile(np.arange(12), 3)) for seed in (0, 1)]
    together = threading.Barrier(2)

    def visit(order: np.ndarray) -> list[tuple[int, Any]]:
        together.wait()
        return [(i, tab.look(*asked[i], quiet)[:4]) for i in order.tolist()]

    with ThreadPoolExecutor(2) as pool:
        answers = [answer for visitor in pool.map(visit, orders) for answer in visitor]
    assert len(answers) == 72
    for number, answer in answers:
        assert answer == alone[number]
    with tab.MODELS.held(faces.settings) as model:
        modules = list(model.module.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in modules)


def test_a_model_is_held_by_one_event_at_a_time(faces: tab.Found) -> None:
    inside: list[int] = []
    most: list[int] = []

    def hold(number: int) -> None:
        with tab.MODELS.held(faces.settings):
            inside.append(number)
            most.append(len(inside))
            threading.Event().wait(0.01)
            inside.remove(number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(hold, range(8)))
    assert max(most) == 1


def test_models_that_nobody_asked_for_lately_are_put_away() -> None:
    shelf = tab.Models(kept=1)
    with shelf.held(Settings("phantom/planted", device="cpu")) as first:
        pass
    with shelf.held(Settings("phantom/vit", device="cpu")):
        pass
    with shelf.held(Settings("phantom/planted", device="cpu")) as again:
        assert again is not first


# --- running and stopping ---


def test_stop_in_mid_run_raises_and_the_folder_resumes(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    session = "visitor"
    told: list[str] = []

    def bar(_: object, desc: str) -> None:
        told.append(desc)
        if len([line for line in told if line.startswith("Step 3")]) == 5:
            tab.VISITORS.stop(session)

    tab.VISITORS.begin(session)
    with pytest.raises(tab.Stopped, match="go on where this run stopped"):
        tab.find(PLANTED, session, bar)
    (folder,) = Path("runs").iterdir()
    assert not (folder / "results.json").exists()
    kept = {file.name for file in (folder / "partial").iterdir()}
    assert {"intact.safetensors", "top-6.25.safetensors"} <= kept
    tab.VISITORS.begin(session)
    found = tab.find(PLANTED, session, quiet)
    assert found.folder.name == folder.name
    whole = tab.read_json(home / "runs" / "planted" / "results.json")
    assert tab.read_json(folder / "results.json") == whole


def test_a_stop_is_for_one_visitor_and_one_run() -> None:
    visitors = tab.Visitors()
    visitors.stop("nobody")
    for session in ("one", "two"):
        visitors.begin(session)
    visitors.stop("one")
    visitors.check("two")
    with pytest.raises(tab.Stopped):
        visitors.check("one")
    visitors.begin("one")
    visitors.check("one")
    visitors.end("one")


def test_a_stopped_run_is_no_error_on_the_page() -> None:
    request: Any = SimpleNamespace(session_hash="stopping")
    tab.VISITORS.begin("stopping")
    tab.VISITORS.stop("stopping")
    outputs = tab.run_demo(request, quiet)  # type: ignore[arg-type]
    assert "Stopped; the same settings go on" in outputs[1]


def test_closing_the_page_stops_the_run() -> None:
    request: Any = SimpleNamespace(session_hash="leaving")
    tab.VISITORS.begin("leaving")
    tab.leave(request)
    with pytest.raises(tab.Stopped):
        tab.VISITORS.check("leaving")
    tab.VISITORS.end("leaving")


def test_the_bar_names_the_step_and_the_time_left() -> None:
    told: list[str] = []
    show = tab.follow("", lambda _, desc: told.append(desc))
    show("localize", 0, 8)
    threading.Event().wait(0.01)
    show("localize", 4, 8)
    assert told[0].startswith("Step 1 of 3")
    assert "s left" in told[1]


def test_a_finished_run_is_shown_with_its_verdict_table_and_figures() -> None:
    finding, table, curve, rivals, units, row, *files = tab.shown(
        tab.found_in(Path("runs/planted"))
    )
    assert "Evidence that these units serve target more than control" in finding
    assert "phantom" in finding
    assert "top 6.25 %" in table
    assert table.count("[") >= 3
    assert not curve.visible
    assert rivals.visible
    assert units.visible
    assert row.visible
    assert all(file.interactive for file in files)


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "local/../../etc"},
        {"model": "timm/resnet50"},
        {"localizer": "/etc/passwd:faces"},
        {"evaluation": "../.."},
        {"statistic": "loud"},
        {"kind": "block;"},
        {"unit": "cell"},
        {"doses": []},
        {"doses": ["1e9"]},
    ],
)
def test_only_what_is_on_offer_is_run(changed: dict[str, Any]) -> None:
    form: dict[str, Any] = {
        "model": "phantom/cnn",
        "localizer": "phantom:faces",
        "evaluation": "phantom",
        "statistic": "magnitude",
        "kind": "block",
        "unit": "channel",
        "doses": ["1"],
    }
    assert tab.chosen_settings(**form).top == "1"
    with pytest.raises(SettingError, match="choose from"):
        tab.chosen_settings(**{**form, **changed})


def test_model_folders_are_offered_from_the_named_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, config in (
        ("sees", '{"architecture": "resnet18"}'),
        ("reads", '{"architectures": ["LlamaForCausalLM"]}'),
        ("broken", "{"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(config)
    monkeypatch.setenv("FUNCLOC_MODELS", str(tmp_path))
    local = [name for _, name in tab.model_choices() if name.startswith("local/")]
    assert local == [f"local/{tmp_path / 'sees'}"]


def test_what_is_offered_to_begin_with_fits_the_model() -> None:
    assert tab.fitting("phantom/cnn") == ("phantom:faces", "phantom")
    assert tab.fitting("phantom/planted") == ("phantom-planted:pattern", "phantom-planted")


# --- Try it ---


def test_without_its_units_a_face_is_lost_and_under_the_control_it_is_not(
    faces: tab.Found, pictures: list[str]
) -> None:
    intact, ablated, rival, note, _ = tab.look(pictures[0], 5.0, faces, quiet)  # type: ignore[arg-type]
    assert next(iter(intact)) == next(iter(rival)) == "face-01"
    assert next(iter(ablated)) != "face-01"
    assert "times as strongly" in note


def test_a_visitor_who_ran_nothing_gets_the_phantom(
    tmp_path: Path, pictures: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    *_, note, found = tab.look(pictures[0], 1.0, None, quiet)  # type: ignore[arg-type]
    assert found.title == "phantom:faces in phantom/cnn"
    assert "phantom:faces" in note


def test_too_many_units_for_a_control_are_said_and_the_rest_is_shown(
    faces: tab.Found, pictures: list[str]
) -> None:
    intact, ablated, rival, note, _ = tab.look(pictures[0], 60.0, faces, quiet)  # type: ignore[arg-type]
    assert intact
    assert ablated
    assert not rival
    assert "No control of this size" in note


def _bomb(path: Path) -> None:
    Image.new("1", (30_000, 30_000)).save(path)


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("words.png", lambda path: path.write_text("no picture"), "words.png: no picture"),
        ("empty.jpg", lambda path: path.write_bytes(b""), "empty.jpg: no picture"),
        ("page.svg", lambda path: path.write_text("<svg onload='x'/>"), "page.svg: no picture"),
        ("paper.png", lambda path: Image.new("RGB", (8, 8)).save(path, "EPS"), "no picture"),
        ("<b>.png", lambda path: path.write_text("no"), "&lt;b&gt;.png"),
        ("huge.png", _bomb, "huge.png: far too many pixels"),
    ],
)
def test_bad_uploads_get_one_line(
    name: str, write: Any, message: str, tmp_path: Path, faces: tab.Found
) -> None:
    write(tmp_path / name)
    with pytest.raises(gr.Error) as caught:
        tab.look(str(tmp_path / name), 1.0, faces, quiet)  # type: ignore[arg-type]
    assert message in caught.value.message
    assert str(tmp_path) not in caught.value.message
    assert "\n" not in caught.value.message


def test_a_broken_picture_gets_one_line(tmp_path: Path, faces: tab.Found) -> None:
    phantom.draw(0, 0, "eval").save(tmp_path / "whole.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:2000])
    with pytest.raises(gr.Error, match=r"half\.png: broken"):
        tab.look(str(tmp_path / "half.png"), 1.0, faces, quiet)  # type: ignore[arg-type]


# --- Runs ---


def test_the_listing_finds_run_folders_and_nothing_else(home: Path) -> None:
    (home / "runs" / "other").mkdir(exist_ok=True)
    (home / "runs" / "link").symlink_to(home / "runs" / "planted")
    (home / "runs" / "broken").mkdir()
    (home / "runs" / "broken" / "run.json").write_text("[]")
    (entry,) = tab.list_runs()
    assert (entry.folder.name, entry.model, entry.finished) == ("planted", "phantom/planted", True)
    html, names = tab.refresh()
    assert "phantom-planted:pattern" in html
    assert [value for _, value in names.choices] == ["planted"]
    frame, row, *files, found = tab.open_run("planted")
    assert "sandbox=''" in frame
    assert "<script" not in frame
    assert row.visible
    assert len(files) == 3
    assert found.title == "phantom-planted:pattern in phantom/planted"


@pytest.mark.parametrize("name", ["../app", "/etc/passwd", "runs/planted", ".", "link", "<b>"])
def test_a_name_that_is_no_run_is_refused(name: str) -> None:
    with pytest.raises(gr.Error, match="no finished run"):
        tab.open_run(name)


def test_what_data_says_is_escaped() -> None:
    bad = "<script>alert(1)</script>"
    entry = tab.Entry(Path(bad), bad, bad, bad, True, bad)
    assert "<script" not in tab.runs_html([entry])


def test_a_folder_of_another_front_end_leaves_try_it_alone(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"settings": {"prompt": 1}}')
    with pytest.raises(RunError, match="not a run of a vision model"):
        tab.found_in(tmp_path)
