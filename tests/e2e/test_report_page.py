"""The report in a real browser, offline, on a laptop and on a phone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from common.report import make_report
from common.study.digests import save_digests
from common.study.results import load_results
from common.study.settings import read_controls
from vision_loc.experiment import Settings, run

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.e2e

WIDTHS = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
BROKEN = "[...document.images].filter(i => !(i.complete && i.naturalWidth)).length"
CUT = (
    "[...document.querySelectorAll('.scroll, .facts div, .finding, .warn')]"
    ".filter(e => e.scrollWidth > e.clientWidth + 1).length"
)


@pytest.fixture(scope="module")
def finished(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001
    """A short run; it asks for the browser so that it is left out where there is none."""
    folder = tmp_path_factory.mktemp("report") / "run"
    settings = Settings(
        model="phantom/planted",
        localizer="phantom-planted:pattern",
        evaluation="phantom-planted",
        top=(3, 6.25),
        controls=read_controls("random:2,layer-matched:2,bottom:1"),
        device="cpu",
    )
    run(settings, folder)
    return folder


def renamed(folder: Path, copy: Path) -> Path:
    """The same run with names as long and as odd as somebody's own folders may have."""
    shutil.copytree(folder, copy)
    path = copy / "results.json"
    results = json.loads(path.read_text(encoding="utf-8"))
    results["model"]["name"] = 'local/"a"<script>alert(1)</script>/' + "long_name" * 20
    results["warnings"].append("word" * 60)
    path.write_text(json.dumps(results), encoding="utf-8")
    save_digests(copy)
    return copy


@pytest.mark.parametrize("width", [390, 900, 1280])
@pytest.mark.parametrize("odd", [False, True], ids=["plain", "odd-names"])
def test_it_opens_offline_and_fits(
    browser: Browser, finished: Path, tmp_path: Path, width: int, odd: bool
) -> None:
    folder = renamed(finished, tmp_path / "odd") if odd else finished
    report = make_report(folder, load_results(folder))
    context = browser.new_context(
        viewport={"width": width, "height": 844},
        color_scheme="dark" if odd else "light",
        offline=True,
    )
    asked: list[str] = []
    said: list[str] = []
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.goto(report.as_uri())
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    finding = page.get_by_text(results["verdict"])
    assert finding.is_visible()
    assert (finding.bounding_box() or {"y": 9999})["y"] < 844  # without scrolling
    content, window = page.evaluate(WIDTHS)
    assert content <= window
    assert page.evaluate(CUT) == 0
    assert page.evaluate(BROKEN) == 0
    assert page.locator("table.masks").is_visible()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert said == []
    context.close()
