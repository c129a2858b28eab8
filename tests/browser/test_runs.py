"""The Runs page's handlers, without a browser."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd
import pytest
from filelock import FileLock

from browser import naming, runs
from browser.heading import heading
from browser.outcome import FILES
from browser.page import Page
from common.base.called import Called
from common.base.errors import RunError, SettingError
from common.study.digests import check_digests
from common.study.results import load_results
from common.study.settings import read_controls
from vision_loc.experiment import Settings, run

pytestmark = pytest.mark.draws_report

ONE = Settings(
    model="phantom/planted",
    localizer="phantom-planted:pattern",
    evaluation="phantom-planted",
    top=(6.25,),
    controls=read_controls("layer-matched:1"),
    device="cpu",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to work in that holds two finished runs and one that was killed."""
    folder = tmp_path_factory.mktemp("runs-page")
    run(ONE, folder / "runs" / "one")
    run(Settings(**{**vars(ONE), "top": (3, 6.25)}), folder / "runs" / "two")
    (folder / "runs" / "half").mkdir()
    entry = (folder / "runs" / "one" / "run.json").read_text()
    (folder / "runs" / "half" / "run.json").write_text(entry)
    return folder


@pytest.fixture(autouse=True)
def _at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)


def page(name: str, front: str) -> Page:
    def fill(settings: Mapping[str, Any]) -> list[Any]:
        if settings["top"] != "6.25":
            raise SettingError("top: not on offer")
        return [settings["model"], settings["top"]]

    return Page(name, [None, None], None, front, fill, lambda folder: folder.name)  # type: ignore[arg-type]


PAGES = [page("language", "llm-loc"), page("faces", "vision-loc")]


def is_skipped(update: Any) -> bool:
    return bool(update == gr.skip())


def test_a_run_opens_with_its_report_its_files_and_its_units() -> None:
    opened = runs.open_run("one", PAGES)
    frame, row, *files, again, delete, question, other, own = opened[:-6]
    assert "sandbox=''" in frame
    assert "<script" not in frame
    assert row.visible
    assert [Path(file.value["path"]).name for file in files] == [*FILES.values()]
    assert again.interactive
    assert delete.interactive
    assert not question.visible
    assert is_skipped(other)
    assert own == "one"
    # Its own page is to show it, with its settings in the form; the other one is left alone.
    assert all(map(is_skipped, opened[-6:-3]))
    assert opened[-3:] == ["one", "phantom/planted", "6.25"]
    assert [is_skipped(each) for each in runs.open_run("two", PAGES)[-3:]] == [False, True, True]


def test_a_run_that_is_not_finished_says_so() -> None:
    note, row, *_ = runs.open_run("half", PAGES)
    assert "repeat it, and it goes on" in note
    assert not row.visible


def test_nothing_is_chosen() -> None:
    closed = runs.open_run(None, PAGES)
    frame, row, *_, again, delete, _ = closed[:-8]
    assert all(map(is_skipped, closed[-8:]))
    assert frame == ""
    assert not row.visible
    assert not again.interactive
    assert not delete.interactive
    assert runs.compare_runs("one", None)[0] == ""


@pytest.mark.parametrize("name", ["../runs-page", "/etc/passwd", "runs/one", ".", "<b>", 3])
def test_a_name_that_is_no_run_is_refused(name: Any) -> None:
    for act in (
        lambda: runs.open_run(name, PAGES),
        lambda: runs.compare_runs(name, "one"),
        lambda: runs.compare_all("one", None, [name]),
        lambda: runs.repeat(name, PAGES),
        lambda: runs.delete_chosen(name),
    ):
        with pytest.raises(RunError, match="no run of that name"):
            act()


def test_a_report_that_is_a_link_is_not_followed(home: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.html"
    secret.write_text("secret")
    report = home / "runs" / "one" / "report.html"
    report.unlink()
    report.symlink_to(secret)
    frame, _, offered, *_ = runs.open_run("one", PAGES)
    assert "secret" not in frame
    assert not report.is_symlink()  # made again, in the place of the link
    assert offered.interactive


def test_two_runs_side_by_side_show_what_differs() -> None:
    html, left, right = runs.compare_runs("one", "two")
    assert html.count("fl-finding") == 2
    assert "≠ top<" in html
    assert ">model<" in html
    assert "≠ model<" not in html
    assert left.visible
    assert right.visible


def test_any_number_of_runs_is_one_table_and_one_forest_plot() -> None:
    html, plot = runs.compare_all("one", None, ["two"])
    assert html.count("<tr") == 3
    assert "one model is one subject" in html
    assert "different shares" in html
    assert len(rows_of(html)) == 2
    assert plot.visible
    # Two alone stand beside each other already, and one alone is no comparison.
    for few in (("one", "two", []), ("one", None, None), (None, None, ["one"])):
        assert runs.compare_all(*few)[0] == ""
    assert len(rows_of(runs.compare_all("one", "two", ["one"])[0])) == 2


def test_comparing_with_a_run_that_is_not_finished_says_how_to_finish_it() -> None:
    with pytest.raises(RunError, match="run the same settings again"):
        runs.compare_runs("one", "half")


def test_repeating_leads_to_the_page_of_its_front_end_with_its_settings() -> None:
    tabs, *form = runs.repeat("one", PAGES)
    assert tabs.selected == "faces"
    assert [is_skipped(each) for each in form] == [True, True, False, False]
    assert form[2:] == ["phantom/planted", "6.25"]
    with pytest.raises(SettingError, match="not on offer"):
        runs.repeat("two", PAGES)
    with pytest.raises(SettingError, match="no page here is of vision-loc"):
        runs.repeat("one", PAGES[:1])


def test_the_list_is_sent_again_only_when_it_has_changed() -> None:
    seen, html, names, finished, others = runs.refresh()
    assert "half" in html
    assert {value for _, value in names.choices} == {"one", "two", "half"}
    assert {value for _, value in finished.choices} == {"one", "two"}
    assert others.choices == finished.choices
    assert all(is_skipped(each) for each in runs.look_again(seen, "one", None))
    _, _, names, finished, others = runs.look_again("", "one", "gone", ["two", "gone"])
    assert names.value == "one"
    assert finished.value is None
    assert others.value == ["two"]


def rows_of(html: str) -> pd.DataFrame:
    """The table that a link of the page holds."""
    data = html.split("data:text/csv;base64,")[1].split("'")[0]
    return pd.read_csv(io.BytesIO(base64.b64decode(data)))


def test_the_list_is_searched_sorted_and_taken_away_as_a_table() -> None:
    def listed(words: str, order: str = "newest") -> list[str]:
        return [*rows_of(runs.look_again("", None, None, [], words, order)[1])["run"]]

    assert {*listed("")} == {"one", "two", "half"}
    assert listed("TWO planted") == ["two"]
    effects = rows_of(runs.look_again("", None, None, [], "", "effect")[1])["effect"]
    assert effects.notna().tolist() == [True, True, False]
    assert effects[0] >= effects[1]
    nothing = runs.look_again("", None, None, [], "no-such-word")[1]
    assert "None of 3 runs has these words" in nothing
    seen = runs.look_again("", None, None)[0]
    assert runs.look_again(seen, None, None, [], "one")[0] != seen
    with pytest.raises(RunError, match="no order 'colour': choose one of newest, model"):
        runs.look_again("", None, None, [], "", "colour")


def test_a_run_gets_a_name_and_a_note_and_stays_what_it_was(home: Path) -> None:
    folder = home / "runs" / "two"
    assert naming.naming_of(None)[0].visible is False
    entry = naming.keep_called("two", " The second <b> ", "with a\nsecond dose")
    assert entry.called == Called("The second <b>", "with a\nsecond dose")
    check_digests(folder)
    load_results(folder)
    report = (folder / "report.html").read_text()
    for said in ("The second &lt;b&gt;", "with a\nsecond dose"):
        assert said in report
    row, name, note = naming.naming_of("two")
    assert (row.visible, name, note) == (True, "The second <b>", "with a\nsecond dose")
    assert "The second &lt;b&gt;" in heading(folder, lambda _: [])
    html = runs.look_again("", None, None, [], "second dose")[1]
    assert "The second &lt;b&gt; <small>two · " in html
    (listed,) = rows_of(html).to_dict("records")
    assert (listed["run"], listed["name"]) == ("two", "The second <b>")
    for bad in ("../two", None):
        with pytest.raises(RunError, match="no run of that name"):
            naming.keep_called(bad, "x", "y")
    naming.keep_called("two", "", "")
    assert "second dose" not in (folder / "report.html").read_text()


def test_a_run_is_deleted_after_the_question_and_not_while_it_runs(home: Path) -> None:
    folder = home / "runs" / "gone"
    folder.mkdir()
    (folder / "run.json").write_text((home / "runs" / "one" / "run.json").read_text())
    group, words = runs.ask("gone")
    assert group.visible
    assert "cannot be undone" in words
    assert folder.exists()
    with FileLock(folder / ".lock"), pytest.raises(RunError, match="is running"):
        runs.delete_chosen("gone")
    _, html, names, _, _, question = runs.delete_chosen("gone")
    assert not folder.exists()
    assert not list((home / "runs").glob(".deleted*"))
    assert "gone" not in html
    assert {value for _, value in names.choices} == {"one", "two", "half"}
    assert not question.visible
