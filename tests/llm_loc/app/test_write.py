"""Texts are written with and without the language units, without a browser."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from html import unescape
from itertools import pairwise
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from browser.events import VISITORS
from browser.visitors import Stopped
from common.base.files import read_sealed, save_sealed
from common.measure.masks import top_percent
from llm_loc.app import visit
from llm_loc.app.tab_write import VOICES, voices, write
from llm_loc.generate import Sampling, continuations, stream
from llm_loc.tokens import token_changes
from tests.llm_loc.app.conftest import mapped, quiet

SHORT = Sampling(max_new_tokens=5)


@pytest.fixture(autouse=True)
def _at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)


@pytest.fixture(scope="module")
def signed(home: Path) -> visit.Found:
    return mapped(home / "map-signed", statistic="signed")


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


def test_a_model_without_its_adapter_is_not_taken_for_the_one_that_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(visit, "QUICK_TEXTS", 12)
    folder = mapped(Path("runs/adapted"), model="phantom/lm-plain").folder
    about = read_sealed(folder / "run.json")
    about["settings"]["adapter"] = "somewhere/lora"
    save_sealed(folder / "run.json", about)
    assert visit.found_of("phantom/lm-plain").folder.name != "adapted"


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
