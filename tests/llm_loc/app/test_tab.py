"""The handlers of the app's Language page: running, showing, units; without a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from huggingface_hub import constants

from browser import offer
from browser.events import VISITORS
from browser.units import list_layers, pick_layer
from browser.visitors import Stopped
from common.base.errors import RunError, SettingError
from llm_loc.app import tab, visit
from llm_loc.app.tab_units import PAGES
from llm_loc.experiment import Settings
from llm_loc.stimuli import Text
from tests.llm_loc.app.conftest import quiet

pytestmark = pytest.mark.draws_report


FORM: dict[str, Any] = {
    "model": "phantom/lm",
    "localizer": "phantom-lm:language",
    "evaluation": "phantom-lm",
    "statistic": "magnitude",
    "score": "welch",
    "kind": "block",
    "controls": "magnitude-matched:1",
    "exclude_massive": "",
    "ablation": "zero",
    "untrained_seeds": "0",
    "items": "",
    "match": "none",
    "doses": ["5"],
    "seed": 0,
}


@pytest.fixture(autouse=True)
def _at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setattr(offer, "controls_offered", lambda: {"as few as can be": FORM["controls"]})


@pytest.fixture(scope="module")
def shown(home: Path) -> Iterator[list[Any]]:
    """What the page shows of a run of a small model's; run once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setattr(offer, "controls_offered", lambda: {"as few as can be": FORM["controls"]})
        yield tab.run_chosen(**FORM, progress=quiet)  # type: ignore[arg-type]


def test_a_run_shows_finding_table_figures_and_what_was_lost(shown: list[Any]) -> None:
    _, finding, table, _, rivals, _, row, *rest = shown
    *_, ours, profile, worst, numbers, head, name, now = rest
    assert "phantom/lm" in head
    assert name == now == shown[0].folder.name
    assert "phantom" in finding
    assert "top 5 %" in table
    for figure in (rivals, ours, profile, worst):
        assert figure.visible
    assert row.visible
    assert "Accuracy by phenomenon" in numbers


def test_from_layers_to_a_units_page_to_its_effect(language: visit.Found) -> None:
    section, layers, *_ = list_layers(language)
    assert section.visible
    label, site = layers.choices[0]
    listed, units, *_, opened = pick_layer(site, language)
    assert f"Units of {site} in the mask" in listed
    assert len(units.choices) == int(label.split("· ")[1])
    rank = units.choices[0][1]
    page = PAGES.pick_unit(rank, language, opened, None, quiet)  # type: ignore[arg-type]
    facts, figure, most, least, ablate, effect, opened = page
    assert f"Rank {rank} of" in facts
    assert figure.visible
    assert "channel" in figure.alt_text
    for place, word, numbers in zip(
        (most, least), ("most", "least"), opened.answers.extremes(opened.unit, 6), strict=True
    ):
        assert place.visible
        assert f"drive it {word}" in place.value
        for number in numbers:
            text, response = opened.answers.stimuli[number], opened.answers.of(opened.unit)[number]
            assert text.text in place.value
            assert f"{response:.3g}" in place.value
    assert ablate.visible
    assert effect == ""
    again = PAGES.pick_unit(units.choices[-1][1], language, opened, None, quiet)  # type: ignore[arg-type]
    assert again[-1].answers is opened.answers
    table = PAGES.ablate_alone(language, opened, None, quiet)  # type: ignore[arg-type]
    assert "this unit" in table
    assert table.count("[") >= 7


@pytest.mark.parametrize("name", ["../../etc/passwd", "<b>", "", None, 7, "x" * 10_000])
def test_a_layer_or_a_unit_that_is_none_is_one_line(name: Any, language: visit.Found) -> None:
    with pytest.raises(gr.Error, match="choose one") as caught:
        pick_layer(name, language)
    assert len(caught.value.message) < 200
    site = str(language.top.sites[int(np.flatnonzero([*language.top.counts().values()])[0])])
    *_, opened = pick_layer(site, language)
    for session in ((language, opened), (language, None), (None, opened)):
        with pytest.raises(gr.Error, match="choose"):
            PAGES.pick_unit(name, *session, None, quiet)  # type: ignore[arg-type, call-arg]
    with pytest.raises(gr.Error, match="no unit is open"):
        PAGES.ablate_alone(language, opened, None, quiet)  # type: ignore[arg-type]
    with pytest.raises(gr.Error, match="there is no map yet"):
        pick_layer(site, None)


def test_long_and_hostile_texts_are_shown_short_and_escaped() -> None:
    texts = tuple(Text(f"t:{i}", "<b>", "<script> " + "word\n" * 100) for i in range(8))
    known: Any = SimpleNamespace(stimuli=texts, of=lambda _unit: np.arange(8.0))
    shown = PAGES.fill("most", known, 3, [7, 0]).value
    assert "<script>" not in shown
    assert "<b>" not in shown
    assert "&lt;script&gt; word word" in shown
    assert len(shown) < 2000


def test_a_run_fills_the_form_again_and_only_what_the_form_can_say(shown: list[Any]) -> None:
    settings = json.loads((shown[0].folder / "run.json").read_text())["settings"]
    assert visit.OFFER.filled(settings) == [*FORM.values()]
    for changed, message in (
        ({"pooling": "mean"}, "`pooling` mean: the form cannot say that"),
        ({"localizer": None}, r"localizer \(none\): choose from"),
        ({"top": "3"}, "dose 3: choose from"),
    ):
        with pytest.raises(SettingError, match=message):
            visit.OFFER.filled({**settings, **changed})


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "local/../../etc"},
        {"model": None},
        {"localizer": "/etc/passwd:language"},
        {"evaluation": "../../etc/passwd.txt"},
        {"statistic": "loud"},
        {"kind": "javascript:alert(1)"},
        {"controls": "random:1000000000"},
        {"doses": []},
        {"doses": ["1e9"]},
        {"seed": -1},
        {"seed": 0.5},
        {"seed": None},
        {"seed": 2**31},
        {"seed": float("inf")},
    ],
)
def test_only_what_is_on_offer_is_run(changed: dict[str, Any]) -> None:
    assert visit.OFFER.chosen(**FORM).top == (5.0,)
    with pytest.raises(SettingError, match=r"choose from|give a whole number"):
        visit.OFFER.chosen(**{**FORM, **changed})


def test_models_are_offered_from_the_named_place_and_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders, hub = tmp_path / "folders", tmp_path / "hub"
    for name, config in (
        ("reads", '{"architectures": ["LlamaForCausalLM"]}'),
        ("sees", '{"architectures": ["ViTForImageClassification"]}'),
        ("broken", "{"),
        ("list", "[]"),
    ):
        cached = hub / f"models--org--{name}"
        (cached / "refs").mkdir(parents=True)
        (cached / "refs" / "main").write_text("0" * 40)
        for place in (folders / name, cached / "snapshots" / ("0" * 40)):
            place.mkdir(parents=True)
            (place / "config.json").write_text(config)
            (place / "model.safetensors").touch()
    (folders / "packed.gguf").touch()
    monkeypatch.setenv("FUNCLOC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FUNCLOC_MODELS", str(folders))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(hub))
    assert visit.model_choices() == [
        ("phantom/lm", "phantom/lm"),
        ("phantom/lm-plain", "phantom/lm-plain"),
        ("packed.gguf", "local/packed.gguf"),
        ("reads", "local/reads"),
        ("hf/org/reads (downloaded)", "hf/org/reads"),
    ]


def test_what_is_offered_to_begin_with_fits_the_model() -> None:
    localizers, evaluations = visit.fit("phantom/lm")
    assert (localizers[0], evaluations[0]) == ("phantom-lm:language", "phantom-lm")
    assert all(name.startswith("phantom-lm") for name in (*localizers, *evaluations))
    localizers, evaluations = visit.fit("local/models/other")
    assert not localizers[0].startswith("phantom")
    assert not evaluations[0].startswith("phantom")


def test_texts_are_offered_and_pictures_are_not() -> None:
    offered = visit.localizer_choices()
    assert {"phantom-lm:language", "multiple-demand:difficulty"} <= set(offered)
    assert not any(name.startswith(("phantom:", "phantom-planted:", "floc")) for name in offered)
    assert "phantom-lm" in visit.evaluation_choices()


def test_a_folder_of_another_front_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"front": "vision-loc", "settings": {"model": "m"}}')
    with pytest.raises(RunError, match="a run of vision-loc, not of llm-loc"):
        visit.found_in(tmp_path)


def test_a_run_that_was_stopped_while_it_waited_does_not_begin() -> None:
    VISITORS.begin("waiting")
    VISITORS.stop("waiting")
    with pytest.raises(Stopped):
        tab.RUNNING.find(Settings("phantom/lm"), "waiting", quiet)
