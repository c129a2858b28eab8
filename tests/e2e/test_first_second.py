"""What is on the screen before anything is pressed, and how runs are kept."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from browser.shipped import TOLD
from common.study.settings import read_controls
from tests.e2e.pages import tab
from tests.e2e.patience import MOMENT, wait_for
from vision_loc.experiment import Settings, run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.e2e

SOME = Settings(
    model="phantom/planted", localizer="phantom-planted:pattern", device="cpu",
    evaluation="phantom-planted", top=(6.25,), controls=read_controls("magnitude-matched:2"),
    untrained_seeds=0,
)  # fmt: skip
BROKEN = (
    "[...document.images].filter(i => i.offsetParent && !(i.complete && i.naturalWidth)).length"
)


def opened(browser: Browser, url: str, said: list[str]) -> Page:
    page = browser.new_page(viewport={"width": 1280, "height": 860}, color_scheme="dark")
    page.set_default_timeout(MOMENT)
    page.on("console", lambda told: said.append(told.text) if told.type == "error" else None)
    page.goto(url)
    return page


def test_a_finding_is_there_before_anything_is_pressed(browser: Browser, app_url: str) -> None:
    said: list[str] = []
    page = opened(browser, app_url, said)
    page.locator("#finding .fl-plain").get_by_text("Face: 100 → 14 % right.").wait_for()
    assert TOLD in page.locator("#faces-head").inner_text()
    assert page.locator("#strip figure").count() == 6
    assert page.locator("#strip figure").first.inner_text().count("✓") == 2  # intact, and a control
    curve = page.locator(".fl-figure img").first
    curve.wait_for()
    wait_for(lambda: page.evaluate(BROKEN) == 0, page)
    # In the dark a figure is bright ink on a dark ground.
    light = np.asarray(Image.open(io.BytesIO(curve.screenshot())).convert("L"))
    assert np.median(light) < 60
    assert (light > 150).mean() > 0.005
    page.get_by_text("What these words mean").click()
    page.get_by_text("as loud: as active on average").wait_for()
    page.locator("#face-layers label").first.wait_for()
    page.locator("#face-map img").wait_for()  # though nothing was run
    page.get_by_label("Any unit").locator("visible=true").wait_for()
    assert not page.get_by_text("What was clicked on the map.").locator("visible=true").count()
    tab(page, "Try it")
    page.locator("#without-control h2").wait_for()  # answered, and by which model
    assert page.locator("#which input").input_value().startswith("phantom/cnn")
    names = [each.get_attribute("aria-label") for each in page.locator("#examples button").all()]
    assert names[0] == "face-06"
    tab(page, "Language")
    page.locator("#language-finding .fl-finding").wait_for()
    assert "● Evidence" in page.locator("#language-finding .fl-finding").inner_text()
    assert page.locator("#language-strip figure").count() == 6
    page.get_by_text("Choose model, localizer and doses yourself").locator("visible=true").click()
    page.get_by_role("button", name="How long will it take?").locator("visible=true").click()
    page.locator("#language-cost").get_by_text("on this machine").wait_for()
    assert said == []
    page.close()


def test_a_run_gets_a_name_and_a_note_which_stand_wherever_it_does(
    browser: Browser, app_url: str, app_folder: Path
) -> None:
    run(SOME, app_folder / "runs" / "to-be-named")
    said: list[str] = []
    page = opened(browser, f"{app_url}/?tab=runs&run=to-be-named", said)
    name = page.locator("#called").get_by_label("Name of the run")
    name.fill("The first one")
    page.locator("#called").get_by_label("Notes").fill("to be shown to Ada")
    page.locator("#keep").click()
    report = page.frame_locator("iframe.fl-report")
    report.get_by_text("to be shown to Ada").wait_for()
    page.locator("#runs tbody").get_by_text("The first one").wait_for()
    page.locator("#filter :is(input, textarea)").fill("shown Ada")
    rows = page.locator("#runs tbody tr")
    wait_for(lambda: rows.count() == 1 and "The first one" in rows.inner_text(), page)
    assert said == []
    page.goto(f"{app_url}/?tab=faces&run=to-be-named")
    said.clear()  # whatever the first page still waited for is broken off by leaving it
    page.locator("#faces-head").get_by_text("The first one").wait_for()
    assert said == []
    page.close()
