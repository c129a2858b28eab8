"""The handlers of the app's Language page, without a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from html import unescape
from itertools import pairwise
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
from common.measure.masks import top_percent
from llm_loc.app import tab, visit
from llm_loc.app.tab_units import PAGES
from llm_loc.app.tab_write import VOICES, voices, write
from llm_loc.experiment import Settings, localize_only
from llm_loc.generate import Sampling, continuations, stream
from llm_loc.stimuli import Text
from llm_loc.tokens import token_changes

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
SHORT = Sampling(max_new_tokens=5)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to work in."""
    return tmp_path_factory.mktemp("language")


@pytest.fixture(autouse=True)
def _at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setattr(offer, "controls_offered", lambda: {"as few as can be": FORM["controls"]})


def mapped(folder: Path, **changed: Any) -> visit.Found:
    localize_only(replace(visit.DEMO, device="cpu", untrained_seeds=0, **changed), folder)
    return visit.found_in(folder)


@pytest.fixture(scope="module")
def language(home: Path) -> visit.Found:
    return mapped(home / "map-language")


@pytest.fixture(scope="module")
def signed(home: Path) -> visit.Found:
    return mapped(home / "map-signed", statistic="signed")


def quiet(*_: object, **__: object) -> None:
    """A progress bar that nobody sees."""


# --- three voices ---


def said(found: visit.Found, percent: float, sampling: Sampling = SHORT) -> list[str]:
    *_, last = voices(found, "the small king", percent, sampling, "")
    return [*last[:4]]  # no top mask here has massive units, so the last has nothing to say


def test_the_texts_grow_and_are_what_each_is_by_itself(language: visit.Found) -> None:
    steps = list(voices(language, "the small king", 20, Sampling(max_new_tokens=8), "one"))
    for voice in range(4):
        grown = [step[voice] for step in steps]
        assert all(later.startswith(earlier) for earlier, later in pairwise(grown))
    *texts, quiet, note, tokens = steps[-1]
    masks, _ = language.voices(20)
    assert [*masks] == ["top", "loud", "control"]
    assert not quiet.visible
    assert [step[-1] for step in steps[:-1]] == [""] * (len(steps) - 1)
    with visit.MODELS.held(language.settings) as model:
        alone = [
            [*stream(model, "the small king", Sampling(max_new_tokens=8), mask)][-1][0]
            for mask in (None, *masks.values())
        ]
        read = token_changes(model, f"the small king{texts[0]}", masks)
    assert texts == alone
    for name in masks:
        assert VOICES[name][0] in tokens
        assert f"{read.mean(name, 14)[0]:+.2f} ({read.mean(name, 14)[1]} tokens)" in tokens
    assert len(set(texts)) > 1
    n_units = len(top_percent(language.map, 20))
    assert f"{n_units} units for phantom-lm:language in phantom/lm" in note


def test_between_two_tokens_the_model_is_free_and_has_no_hook(language: visit.Found) -> None:
    growing = voices(language, "the small king", 5, SHORT, "one")
    next(growing)
    with visit.MODELS.held(language.settings) as model:
        modules = list(model.module.modules())
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in modules)
    growing.close()  # type: ignore[attr-defined]


def test_visitors_who_take_turns_each_get_what_they_get_alone(
    language: visit.Found, signed: visit.Found
) -> None:
    asked = [(found, percent) for found in (language, signed) for percent in (1.0, 5.0, 20.0)]
    alone = [said(*each) for each in asked]
    order = [number % len(asked) for number in range(24)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda number: said(*asked[number]), order))
    assert answers == [alone[number] for number in order]
    assert len({str(each) for each in alone}) > 3


def test_one_who_leaves_is_written_nothing_more(language: visit.Found) -> None:
    growing = voices(language, "the small king", 5, Sampling(max_new_tokens=50), "leaver")
    next(growing)
    VISITORS.stop("leaver writes")
    with pytest.raises(Stopped):
        next(growing)


def test_a_visitor_who_ran_nothing_gets_the_phantom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    *_, (*_, note, _, found) = write("the small king", 5, 0, 1, 2, 0, None)
    assert "phantom-lm:language in phantom/lm" in note
    assert found.title == "phantom-lm:language in phantom/lm"


def test_a_model_without_a_map_gets_a_quick_one_and_its_own_map_is_taken_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(visit, "QUICK_TEXTS", 12)
    asked = ("the small king", 5, 0, 1, 2, 0, None, False, "phantom/lm-plain")
    for _ in range(2):
        *_, (*_, note, tokens, found) = write(*asked, progress=quiet)  # type: ignore[arg-type]
        assert "phantom-lm:language in phantom/lm-plain" in note
        assert "made quickly, of 12 texts of either side" in note
        assert "token by token" in tokens
        assert found is None  # the page's own result is still the page's own
        (folder,) = Path("runs").iterdir()
    assert visit.found_of("phantom/lm-plain").map.n_target == 12
    whole = mapped(Path("runs/whole"), model="phantom/lm-plain")
    assert visit.found_of("phantom/lm-plain").map.fingerprint == whole.map.fingerprint
    assert folder.name != "whole"


def test_a_prompt_in_a_template_is_written_on_from_there(
    language: visit.Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    with visit.MODELS.held(language.settings) as model:
        tokenizer, turn = model.tokenizer, "the {{ messages[0].content }}"
        monkeypatch.setattr(tokenizer, "chat_template", turn)
        wanted = continuations(model, "the small king", SHORT, special=False)
    *_, (intact, *_) = voices(language, "small king", 5, SHORT, "", chat=True)
    assert [intact] == wanted


def test_a_phantom_says_which_words_it_was_never_taught(language: visit.Found) -> None:
    def note(prompt: str) -> str:
        return next(voices(language, prompt, 5, SHORT, ""))[-2]

    assert "never taught" not in note("the small king sees")
    assert "It was never taught Once, <b>, reads them" in unescape(note("Once the <b> king"))
    assert "<b>" not in note("Once the <b> king")
    assert "a1, b2, c3, d4, e5 and 1 more," in note("a1 b2 c3 d4 e5 f6 the f6")


def test_most_of_a_layer_still_has_a_control(language: visit.Found) -> None:
    *_, (intact, *_, note, _) = voices(language, "the small king", 60, SHORT, "")
    assert intact
    assert "No control of this size" not in note


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"prompt": "  "}, "the prompt is empty"),
        ({"prompt": None}, "the prompt is empty"),
        ({"prompt": "word " * 2_000_000}, "a prompt of 10,000,000 letters"),
        ({"percent": 1e308}, "units ablated 1e"),
        ({"percent": float("nan")}, "units ablated nan"),
        ({"percent": "../../etc/passwd"}, "units ablated ../../etc"),
        ({"temperature": -1}, "temperature -1"),
        ({"top_p": 0}, "top_p 0"),
        ({"max_new_tokens": 1e9}, "max new tokens 1000000000"),
        ({"seed": -3}, "sampling seed -3"),
        ({"prompt": "the king " * 200, "max_new_tokens": 100}, "reads 128 at most"),
        ({"chat": True}, "chat_template: phantom/lm has none"),
        ({"writer": "../../etc/passwd"}, "model ../../etc/passwd: choose from phantom/lm"),
    ],
)
def test_what_makes_no_sense_gets_one_line(
    changed: dict[str, Any], message: str, language: visit.Found
) -> None:
    given: dict[str, Any] = {
        "prompt": "the king", "percent": 1, "temperature": 0, "top_p": 1, "max_new_tokens": 3,
        "seed": 0, "found": language,
    }  # fmt: skip
    steps = write(**{**given, **changed})
    *texts, note, tokens, kept = next(steps)
    assert [*texts, tokens] == [""] * 6  # those of the last prompt are gone
    assert message in unescape(note)
    assert kept == gr.skip()
    with pytest.raises(gr.Error) as caught:
        list(steps)
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 300


# --- running and showing ---


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
