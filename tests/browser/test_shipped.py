"""The findings that ship agree with the code that ships beside them."""

from __future__ import annotations

import shlex
import zlib
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from browser.heading import heading
from browser.outcome import outcome
from browser.shipped import TOLD, Shipped
from common.base.files import digest_of, read_json
from common.effects.established import established
from common.effects.verdict import verdict, warnings
from common.measure.masks import top_percent
from common.measure.scores import SelectivityMap
from common.study.declared import completed
from common.study.digests import check_digests
from common.study.results import SCHEMA
from llm_loc.app import visit as language
from tests.reference.numbers import kept
from vision_loc.app import visit as faces

ROOT = Path(__file__).parents[2]
BOTH = {"cnn": faces, "lm": language}
ROUNDING: dict[str, Any] = {"rel": 1e-6, "abs": 1e-6}
ONE_ITEM = 0.007  # where two logits are all but equal, another machine may choose another


@pytest.fixture(params=sorted(BOTH))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def shipped(name: str) -> Shipped:
    found: Shipped = BOTH[name].SHIPPED
    return found


def test_it_is_whole_small_and_of_this_schema(shipped: Shipped) -> None:
    check_digests(shipped.folder)
    assert read_json(shipped.folder / "results.json")["schema"] == SCHEMA
    files = [file for file in shipped.folder.rglob("*") if file.is_file()]
    assert sum(len(zlib.compress(file.read_bytes())) for file in files) < 110_000  # in a wheel
    about = (shipped.folder / "run.json").read_text()
    assert "/tmp" not in about
    assert "/home" not in about


def test_its_numbers_are_those_of_the_phantom(name: str, shipped: Shipped) -> None:
    results, wanted = shipped.results, kept()[name]["numbers"]
    found = SelectivityMap.load(shipped.folder / "selectivity.safetensors")
    half = results.selectivity.split_half
    assert half is not None
    assert results.model.fingerprint == wanted["model_fingerprint"]
    assert (found.n_units, results.selectivity.n_units) == (wanted["n_units"],) * 2
    told = (results.selectivity.t_max, float(found.t.sum()), half.correlation)
    assert told == pytest.approx([wanted[n] for n in ("t_max", "t_sum", "split_half")], **ROUNDING)
    for group, rate in results.intact.items():
        assert rate.accuracy == pytest.approx(wanted["intact"][group], abs=ONE_ITEM)
    tops = {mask: each for mask, each in wanted["masks"].items() if mask.startswith("top")}
    compared = 0
    for dose in results.doses:
        top = results.top(dose)
        if top.mask not in tops:
            continue
        units = digest_of(sorted(top_percent(found, dose).units.tolist()))
        assert units == tops[top.mask]["units"]
        for group, effect in top.groups.items():
            assert effect.accuracy == pytest.approx(tops[top.mask]["accuracy"][group], abs=ONE_ITEM)
        compared += 1
    assert compared


def test_its_words_are_those_of_today(name: str, shipped: Shipped) -> None:
    results = shipped.results
    assert verdict(results) == results.verdict
    assert [*warnings(results)] == [*results.warnings]
    assert established(results) == results.established
    about = read_json(shipped.folder / "run.json")
    page: Any = BOTH[name]
    assert page.found_in(shipped.folder).settings == page.DEMO  # what the first button runs
    said = shipped.heading
    assert TOLD in said
    assert about["started"][:10] in said
    assert "fl-go" not in said  # it is no run of the list
    assert "fl-go" in heading(shipped.folder, page.OFFER.filled)


def test_the_first_button_runs_what_make_demo_does(name: str) -> None:
    line = next(
        line for line in (ROOT / "Makefile").read_text("utf-8").splitlines()
        if f"run --model phantom/{name} " in line
    )  # fmt: skip
    _, _, *words = shlex.split(line.strip().rstrip("\\").strip().strip("'"))
    given = {
        option.removeprefix("--"): value
        for option, value in zip(words[::2], words[1::2], strict=True)
    }
    assert completed(type(BOTH[name].DEMO), given) == BOTH[name].DEMO


def test_a_page_begins_with_its_line_its_strip_and_its_curve(shipped: Shipped) -> None:
    assert shipped.strip is not None
    first = shipped.strip.cards[0]
    assert [answer.right for answer in first.answers] == [True, False, True]
    with gr.Column():
        places = outcome(shipped)
    assert shipped.results.verdict.partition(". ")[0] in places.finding.value
    assert "What these words mean" in places.finding.value
    assert places.strip.value.count("<figure>") == len(shipped.strip.cards) == 6
    assert shipped.curve.getbbox() is not None
    assert places.curve.visible
    assert "by dose of the top mask" in places.curve.alt_text
    assert not places.rivals.visible


def test_who_ran_nothing_has_its_map_without_a_run_folder(
    name: str, shipped: Shipped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = BOTH[name].phantom_found()
    assert found.folder == shipped.folder
    assert [*tmp_path.iterdir()] == []
