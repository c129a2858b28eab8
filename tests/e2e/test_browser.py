"""What a person does in the browser, in a real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.server import served
from vision_loc import phantom

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.e2e

SIZES = {"laptop": (1280, 860), "phone": (390, 844)}
MOMENT = 30_000  # milliseconds


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def url(browser: Browser, folder: Path) -> Iterator[str]:
    assert browser.is_connected()  # without one no app is started
    with served(folder) as address:
        yield address


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 1280, "height": 860})
    opened.set_default_timeout(MOMENT)
    opened.goto(url)
    yield opened
    opened.close()


def tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def test_stop_stops_and_the_first_button_goes_on_to_the_finding(page: Page, folder: Path) -> None:
    press(page, "Show me on the phantom")
    page.get_by_text("Step 3 of 3").wait_for()
    # The step shows before its first outcome is in; a stop is to come in the midst of it.
    for _ in range(MOMENT // 20):
        if list((folder / "runs").glob("*/partial/intact.safetensors")):
            break
        page.wait_for_timeout(20)
    press(page, "Stop")
    page.get_by_text("Stopped; the same settings go on").wait_for()
    (run,) = (folder / "runs").iterdir()
    assert not (run / "results.json").exists()
    assert (run / "partial" / "intact.safetensors").exists()
    press(page, "Show me on the phantom")
    finding = page.locator(".fl-finding")
    finding.wait_for()
    assert "Evidence that these units serve face more than object" in finding.inner_text()
    assert page.locator("#table tr.fl-top").count() == 2
    page.locator("img[src^='data:image/png'], .matplotlib img").first.wait_for()


def test_the_slider_changes_what_the_model_sees_without_its_units(page: Page, folder: Path) -> None:
    tab(page, "Try it")
    phantom.draw(0, 1, "eval").save(folder / "face.png")
    page.locator("#picture input[type=file]").set_input_files(folder / "face.png")
    ablated = page.locator("#without-top h2")
    ablated.wait_for()
    control = page.locator("#without-control h2")
    page.locator("#percent input[type=number]").fill("0.1")
    page.get_by_text("The 1 top units").or_(page.get_by_text("The 1 top unit ")).wait_for()
    assert ablated.inner_text() == control.inner_text() == "face-01"
    slider = page.locator("#percent input[type=range]")
    slider.focus()
    slider.press("End")
    page.get_by_text("The 122 top units").wait_for()
    assert ablated.inner_text() != "face-01"


def test_an_upload_that_is_no_picture_is_a_message(page: Page, folder: Path) -> None:
    tab(page, "Try it")
    (folder / "words.png").write_text("words")
    page.locator("#picture input[type=file]").set_input_files(folder / "words.png")
    page.get_by_text("words.png: no picture").wait_for()


def test_a_run_is_opened_and_its_numbers_are_downloaded(page: Page) -> None:
    tab(page, "Runs")
    page.locator("#run input").click()
    page.get_by_role("option").first.click()
    report = page.frame_locator("iframe.fl-report")
    report.get_by_text("To repeat this run").wait_for()
    with page.expect_download() as download:
        page.get_by_text("Numbers (results.json)").last.click()
    assert download.value.suggested_filename == "results.json"


@pytest.mark.parametrize("size", SIZES)
def test_screens_fit(size: str, browser: Browser, url: str, tmp_path: Path) -> None:
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(MOMENT)
    page.goto(url)
    press(page, "Show me on the phantom")
    page.locator(".fl-finding").wait_for()
    for name in ("Faces", "Try it", "Runs"):
        tab(page, name)
        page.screenshot(path=tmp_path / f"{size}-{name}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
