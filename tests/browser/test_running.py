"""A run that is opened on its page: all of the page is of that run, and says so."""

from __future__ import annotations

import json
from html import unescape
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from browser.heading import heading
from browser.outcome import Outcome
from common.base.errors import SettingError
from common.study.settings import read_controls
from vision_loc.app.tab import RUNNING
from vision_loc.app.visit import OFFER
from vision_loc.experiment import Settings, run

NUMBER = 1 + Outcome.n_places() + 1 + 3
ONE = Settings(
    model="phantom/planted", localizer="phantom-planted:pattern", evaluation="phantom-planted",
    top=(1,), controls=read_controls("magnitude-matched:19"), device="cpu", items=5,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("running")
    run(ONE, folder / "runs" / "one")
    (folder / "runs" / "half").mkdir()
    for name in ("run.json", "selectivity.safetensors"):
        (folder / "runs" / "half" / name).write_bytes((folder / "runs/one" / name).read_bytes())
    return folder


def test_an_opened_run_fills_every_place_of_the_page() -> None:
    found, finding, table, *places, head, name, now = RUNNING.reopen("one", "")
    assert len(places) == NUMBER - 6
    assert (found.folder.name, name, now) == ("one", "one", "one")
    assert "fl-finding" in finding
    assert "magnitude-matched 1 %" in table
    assert "phantom/planted" in head
    assert not any(each == gr.skip() for each in places)


def test_a_run_that_is_shown_is_not_drawn_again() -> None:
    for asked, now in (("one", "one"), ("", "one"), (None, "")):
        assert RUNNING.reopen(asked, now) == [gr.skip()] * NUMBER
    with pytest.raises(gr.Error, match="no run of that name"):
        RUNNING.reopen("../one", "")


def test_of_an_unfinished_run_nothing_of_another_is_left() -> None:
    found, finding, table, *figures, row = RUNNING.reopen("half", "one")[:7]
    assert found.folder.name == "half"
    assert "press Run with these settings, and it goes on" in finding
    assert table == ""
    assert not any(each.visible for each in (*figures, row))


def test_the_heading_says_whose_result_it_is_by_its_run(home: Path) -> None:
    folder = home / "runs" / "one"
    said = heading(folder, OFFER.filled)
    for part in ("phantom/planted", "phantom-planted:pattern", "href='?tab=runs&amp;run=one'"):
        assert part in said
    form = said.partition("data-form='")[2].partition("'")[0]
    settings = json.loads((folder / "run.json").read_text())["settings"]
    assert json.loads(unescape(form)) == OFFER.filled(settings)

    def unsaid(_: Any) -> list[Any]:
        raise SettingError("the form cannot say that")

    assert "data-form" not in heading(folder, unsaid)
    about = json.loads((folder / "run.json").read_text())
    about["settings"]["model"] = "local//srv/models/<b>'net"
    other = home / "other"
    other.mkdir()
    (other / "run.json").write_text(json.dumps(about))
    assert "<b>local/&lt;b&gt;&#x27;net</b>" in heading(other, unsaid)
