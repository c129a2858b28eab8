"""The handlers of the app's Faces pages: running, showing, units; without a browser."""

from __future__ import annotations

import csv
import shutil
from html import escape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from browser import fragments
from browser.events import VISITORS
from browser.outcome import shown
from browser.units import list_layers, pick_layer
from browser.visitors import Stopped
from common.base.errors import SettingError
from common.base.files import read_json
from common.report.strip import keep_answers, strip_of
from common.study.results import load_results
from common.study.settings import read_controls
from vision_loc.app import tab, visit
from vision_loc.app.tab_units import PAGES
from vision_loc.experiment import Settings, run
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
    finding, table, curve, rivals, units, row, strip, *files = shown(Path("runs/planted"))
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
