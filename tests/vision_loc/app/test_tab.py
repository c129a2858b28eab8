"""The handlers of the app's Faces pages, without a browser."""

from __future__ import annotations

import csv
import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from html import escape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from browser import fragments
from browser.events import VISITORS
from browser.outcome import shown
from browser.units import list_layers, pick_layer
from browser.visitors import Stopped
from common.base.errors import RunError, SettingError
from common.base.files import read_json
from common.report.strip import keep_answers, strip_of
from common.study.results import load_results
from common.study.settings import read_controls
from tests.pictures import save_bomb
from vision_loc import phantom
from vision_loc.app import tab, tab_try, visit
from vision_loc.app.tab_units import PAGES
from vision_loc.experiment import Settings, localize_only, run
from vision_loc.gallery import CHANGED

pytestmark = pytest.mark.draws_report

PLANTED = Settings(
    model="phantom/planted",
    localizer="phantom-planted:pattern",
    evaluation="phantom-planted",
    top=(6.25,),
    controls=read_controls("layer-matched:19"),
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
def faces(home: Path) -> visit.Found:
    localize_only(replace(visit.DEMO, device="cpu", untrained_seeds=0), home / "map-faces")
    return visit.found_in(home / "map-faces")


@pytest.fixture(scope="module")
def things(home: Path) -> visit.Found:
    settings = replace(visit.DEMO, localizer="phantom:objects", device="cpu", untrained_seeds=0)
    localize_only(settings, home / "map-objects")
    return visit.found_in(home / "map-objects")


@pytest.fixture(scope="module")
def pictures(home: Path) -> list[str]:
    paths = []
    for label in (0, 20):
        phantom.draw(label, 1, "eval").save(home / f"{label}.png")
        paths.append(str(home / f"{label}.png"))
    return paths


# --- several visitors on one model ---


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


# --- running and stopping ---


def test_stop_in_mid_run_raises_and_the_folder_resumes(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("browser.visitors.BAR_EVERY", 0)
    session = "visitor"

    def bar(*_: object, **__: object) -> None:
        if [*Path("runs").glob("*/partial/intact.safetensors")]:
            VISITORS.stop(session)

    VISITORS.begin(session)
    with pytest.raises(Stopped, match="go on where this run stopped"):
        tab.RUNNING.find(PLANTED, session, bar)
    (folder,) = Path("runs").iterdir()
    assert not (folder / "results.json").exists()
    kept = {file.name for file in (folder / "partial").iterdir()}
    assert "intact.safetensors" in kept
    VISITORS.begin(session)
    found = tab.RUNNING.find(PLANTED, session, quiet)
    assert found.folder.name == folder.name
    whole = read_json(home / "runs" / "planted" / "results.json")
    assert read_json(folder / "results.json") == whole


def test_a_stopped_run_is_no_error_on_the_page() -> None:
    request: Any = SimpleNamespace(session_hash="stopping")
    VISITORS.begin("stopping")
    VISITORS.stop("stopping")
    outputs = tab.run_demo(request, quiet)  # type: ignore[arg-type]
    assert "Stopped; the same settings go on" in outputs[1]


def test_a_finished_run_is_shown_with_its_verdict_table_and_figures() -> None:
    finding, table, curve, rivals, units, row, strip, *files = shown(Path("runs/planted"), "target")
    assert "Cannot tell" in finding  # of so few draws
    assert "Whether these units serve target cannot be told" in finding
    assert "phantom" in finding
    assert "top 6.25 %" in table
    assert table.count("[") >= 3
    assert not curve.visible
    assert rivals.visible
    assert units.visible
    assert row.visible
    assert "without the top 6.25 %" in strip
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
        {"controls": "random:1000000000"},
        {"doses": []},
        {"doses": ["1e9"]},
        {"seed": -1},
        {"seed": 0.5},
        {"seed": None},
        {"seed": 2**31},
    ],
)
def test_only_what_is_on_offer_is_run(changed: dict[str, Any]) -> None:
    form: dict[str, Any] = {
        "model": "phantom/cnn",
        "localizer": "phantom:faces",
        "evaluation": "phantom",
        "statistic": "magnitude",
        "score": "welch",
        "kind": "block",
        "unit": "channel",
        "controls": "magnitude-matched:19",
        "exclude_massive": "",
        "ablation": "zero",
        "doses": ["1"],
        "seed": 3,
    }
    assert (visit.OFFER.chosen(**form).top, visit.OFFER.chosen(**form).seed) == ((1,), 3)
    with pytest.raises(SettingError, match=r"choose from|give a whole number"):
        visit.OFFER.chosen(**{**form, **changed})


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
        (tmp_path / name / "model.safetensors").touch()
    monkeypatch.setenv("FUNCLOC_MODELS", str(tmp_path))
    local = [name for _, name in visit.model_choices() if name.startswith("local/")]
    assert local == ["local/sees"]  # and not where it lies


def test_what_is_offered_to_begin_with_fits_the_model() -> None:
    assert visit.fit("phantom/cnn") == (["phantom:faces", "phantom:objects"], ["phantom"])
    planted = (["phantom-planted:pattern"], ["phantom-planted"])
    assert visit.fit("phantom/planted") == visit.fit("phantom/planted", "agreement") == planted


# --- Try it ---


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


# --- units by layer ---


def test_from_layers_to_a_units_page_to_its_effect(home: Path) -> None:
    found = visit.found_in(home / "runs" / "planted")
    section, layers, *_ = list_layers(found)
    assert section.visible
    counts = {str(site): n for site, n in found.top.counts().items() if n}
    assert [value for _, value in layers.choices] == list(counts)
    name = next(iter(counts))
    listed, units, *_, opened = pick_layer(name, found)
    assert f"all {counts[name]}" in listed
    assert len(units.choices) == counts[name]
    rank = units.choices[0][1]
    page = PAGES.pick_unit(rank, found, opened, None, quiet)  # type: ignore[arg-type]
    facts, figure, most, least, ablate, effect, opened = page
    assert f"Rank {rank} of" in facts
    assert figure.visible
    assert "channel" in figure.alt_text
    assert all("target" in picture["caption"] for picture in most.value)
    assert all("control" in picture["caption"] for picture in least.value)
    assert ablate.visible
    assert effect == ""
    again = PAGES.pick_unit(units.choices[1][1], found, opened, None, quiet)  # type: ignore[arg-type]
    assert again[-1].answers is opened.answers
    table = PAGES.ablate_alone(found, opened, None, quiet)  # type: ignore[arg-type]
    assert "this unit" in table
    assert table.count("[") >= 7


@pytest.mark.parametrize("name", ["../../etc/passwd", "<b>", "", None, 7, "x" * 10_000])
def test_a_layer_or_a_unit_that_is_not_listed_is_one_line(name: Any, home: Path) -> None:
    found = visit.found_in(home / "runs" / "planted")
    with pytest.raises(gr.Error, match="choose one") as caught:
        pick_layer(name, found)
    assert len(caught.value.message) < 200
    *_, opened = pick_layer(str(found.map.sites[-1]), found)
    for session in ((found, opened), (found, None), (None, opened)):
        with pytest.raises(gr.Error, match="choose"):
            PAGES.pick_unit(name, *session, None, quiet)  # type: ignore[arg-type, call-arg]
    with pytest.raises(gr.Error, match="no unit is open"):
        PAGES.ablate_alone(found, opened, None, quiet)  # type: ignore[arg-type]


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


# --- what the Runs page hands over ---


def test_a_run_fills_the_form_again_and_only_with_what_is_on_offer(home: Path) -> None:
    settings = read_json(home / "runs" / "planted" / "run.json")["settings"]
    with pytest.raises(SettingError, match="choose from"):
        visit.OFFER.filled(settings)
    offered = {**settings, "top": "5,1", "controls": "magnitude-matched:19"}
    assert visit.OFFER.filled(offered) == [
        "phantom/planted", "phantom-planted:pattern", "phantom-planted", "magnitude", "welch",
        "block", "channel", "magnitude-matched:19", "", "zero", "", "", "accuracy",
        ["5", "1"], 0,
    ]  # fmt: skip
    assert visit.OFFER.filled({**offered, "ablation": "resample"})[9] == "resample"
    assert visit.OFFER.filled({**offered, "exclude_massive": "100"})[8] == "100"
    for changed in ({"sites": "blocks.3"}, {"untrained": True}):
        (name,) = changed
        with pytest.raises(
            SettingError, match=rf"{name}` .*: the form cannot say .* vision-loc run"
        ):
            visit.OFFER.filled({**offered, **changed})


def test_pictures_are_offered_and_texts_are_not() -> None:
    offered = visit.localizer_choices()
    assert {"phantom:faces", "phantom-planted:pattern"} <= set(offered)
    assert not any(name.startswith(("phantom-lm", "multiple-demand")) for name in offered)


def test_a_folder_of_another_front_end_leaves_try_it_alone(tmp_path: Path) -> None:
    entry = {"command": "FUNCLOC_DATA=d llm-loc run --model m", "settings": {"model": "m"}}
    (tmp_path / "run.json").write_text(json.dumps(entry))
    with pytest.raises(RunError, match="a run of llm-loc, not of vision-loc"):
        visit.found_in(tmp_path)


def test_what_is_no_longer_recognised_is_shown_as_the_run_folder_has_it(home: Path) -> None:
    found = visit.found_in(home / "runs" / "planted")
    shown = tab.lost_html(found)
    kept = read_json(found.folder / "gallery" / "gallery.json")
    (changed,) = (each for each in kept if each["heading"] == CHANGED)
    assert shown.count("<figure>") == len(changed["pictures"]) > 0
    assert all(escape(each["caption"]) in shown for each in changed["pictures"])
    assert "Classes that lost most" in shown


def test_the_strip_says_what_the_items_say(home: Path, tmp_path: Path) -> None:
    folder = home / "runs" / "planted"
    results = load_results(folder)
    strip = strip_of(folder, results)
    assert strip is not None
    with (folder / "items.csv").open() as file:
        rows = {(row["item"], row["mask"]): row for row in csv.DictReader(file)}
    control = results.at(6.25, "layer-matched")[0].mask
    for card in strip.cards:
        for answer, mask in zip(card.answers, ("intact", "top-6.25", control), strict=True):
            row = rows[card.name, mask]
            assert answer.right == (row["prediction"] == row["label"])
            assert answer.said == results.evaluation.classes[row["prediction"]]
            assert card.group == row["group"]
    told = ["without the top 6.25 %", "without as many layer-matched units"]
    assert [answer.when for answer in card.answers] == ["intact", *told]
    html = fragments.strip(strip)
    assert html.count("<img") == len(strip.cards) == html.count("<figure>")
    report = (folder / "report.html").read_text()
    assert escape(strip.note) in report
    assert report.count("without the top 6.25 %:") == len(strip.cards)
    # And the same without the items, where the answers were kept.
    shutil.copytree(folder, tmp_path / "own")
    keep_answers(tmp_path / "own", results)
    (tmp_path / "own" / "items.csv").unlink()
    assert strip_of(tmp_path / "own", results) == strip
    (tmp_path / "own" / "gallery" / "strip.json").unlink()
    assert strip_of(tmp_path / "own", results) is None
