"""The list of run folders, and what is opened by a name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from browser import fragments
from common.base.errors import RunError
from common.study import listing
from common.study.listing import Entry, finished_run, list_runs, run_named
from common.study.results import save_results
from tests.common.made import made


def make_run(root: Path, name: str, verdict: str | None = "It did.", started: str = "1") -> Path:
    """A run folder, as far as the list reads it."""
    folder = root / name
    folder.mkdir(parents=True)
    about = {
        "settings": {"model": f"m/{name}", "top": "1"},
        "localizer": {"name": "floc:faces"},
        "started": started,
        "identity": {"evaluation": {}},
    }
    (folder / "run.json").write_text(json.dumps(about))
    if verdict is not None:
        save_results(folder, made(verdict=verdict))
    return folder


def test_the_list_holds_run_folders_and_nothing_else(tmp_path: Path) -> None:
    make_run(tmp_path, "old", started="1")
    make_run(tmp_path, "new", verdict=None, started="2")
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "old")
    for name, text in (("list", "[]"), ("words", '{"settings": 3}'), ("bytes", "\x00")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(text)
    entries = list_runs(tmp_path)
    assert [entry.name for entry in entries] == ["new", "old"]
    assert [entry.verdict for entry in entries] == ["not finished", "It did."]
    assert list_runs(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    "name", ["../runs", "/etc/passwd", "runs/done", "./done", ".", "", "link", "<b>", None, 3, [1]]
)
def test_a_name_that_is_not_listed_is_refused(name: object, tmp_path: Path) -> None:
    make_run(tmp_path, "done")
    (tmp_path / "link").symlink_to(tmp_path / "done")
    with pytest.raises(RunError, match="no run of that name"):
        run_named(name, tmp_path)


def test_a_run_that_is_not_finished_says_how_to_finish_it(tmp_path: Path) -> None:
    make_run(tmp_path, "half", verdict=None)
    assert run_named("half", tmp_path).settings["top"] == "1"
    with pytest.raises(RunError, match="run the same settings again"):
        finished_run("half", tmp_path)


def test_a_comparison_of_sites_is_listed_with_its_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("begun", "whole"):
        about = json.loads((make_run(tmp_path, name, verdict=None) / "run.json").read_text())
        del about["localizer"]  # as compare-sites writes it
        about["settings"] |= {"localizer": None, "target": "mine", "control": "others"}
        (tmp_path / name / "run.json").write_text(json.dumps({**about, "kinds": []}))
    (tmp_path / "whole" / "sites.json").write_text("{}")
    found = "one kind is largest", "It is the heads.", "mine-vs-others"
    monkeypatch.setattr(listing, "_kinds_found", lambda *_: found)
    entries = {entry.name: entry for entry in list_runs(tmp_path)}
    begun, whole = entries["begun"], entries["whole"]
    assert (begun.finished, begun.localizer) == (False, "mine and others")
    assert (whole.finished, whole.localizer) == (True, "mine-vs-others")
    assert (whole.outcome, whole.verdict) == found[:2]
    assert "● One kind is largest" in fragments.runs([whole])
    with pytest.raises(RunError, match="is a comparison of sites, which has a report of its own"):
        finished_run("whole", tmp_path)


def test_what_data_say_is_escaped() -> None:
    bad = "<script>alert(1)</script>"
    shown = [
        fragments.runs([Entry(Path(bad), bad, bad, bad, bad, True, bad, {})]),
        fragments.note(bad),
        fragments.table([bad], [[bad]], bad),
        fragments.report_frame(bad, bad),
        fragments.gallery(
            {
                "heading": bad,
                "caption": bad,
                "pictures": [{"alt": bad, "data": "AAAA", "caption": bad}],
            }
        ),
    ]
    assert not any("<script" in html for html in shown)
