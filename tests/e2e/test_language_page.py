"""What a person does on the Language page, in a real browser."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from llm_loc import phantom
from tests.e2e.pages import see_the_run
from tests.e2e.patience import MOMENT, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.e2e

FORM = "Choose model, localizer and doses yourself"


@pytest.fixture(scope="module")
def folder(app_folder: Path) -> Path:
    return app_folder


@pytest.fixture(scope="module")
def url(app_url: str) -> str:
    return app_url


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 1280, "height": 860})
    opened.set_default_timeout(MOMENT)
    yield opened
    opened.close()


def visit(page: Page, address: str) -> None:
    """Open the Language page; the first tab shows until the address has been read."""
    page.goto(address)
    page.locator("#prompt").wait_for()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).locator("visible=true").click()


def chosen(page: Page, name: str) -> Locator:
    """A field of the form that is open."""
    return page.get_by_role("combobox", name=name, exact=True).locator("visible=true")


def test_from_the_first_button_to_a_stop_to_the_finding_to_the_page_of_a_unit(
    page: Page, url: str, folder: Path
) -> None:
    visit(page, f"{url}/?tab=language")
    press(page, "Show me on the phantom")
    page.get_by_text("Step 3 of 5").wait_for()
    assert not page.get_by_text("All numbers").is_visible()
    press(page, "Stop")
    page.get_by_text("Stopped; the same settings go on").wait_for()
    begun = [
        path.parent
        for path in (folder / "runs").glob("lm-*/selectivity.safetensors")
        if not (path.parent / "results.json").exists()
    ]
    assert begun
    press(page, "Show me on the phantom")
    see_the_run(page, "language")
    wait_for(lambda: page.locator("#language-table tr.fl-strong").count() == 2, page)  # doses
    page.locator("#profile img").wait_for()
    page.get_by_text("All numbers").click()
    page.locator("#lost").get_by_text("Accuracy by phenomenon").wait_for()
    layer = page.locator("#language-layers input").first
    layer.focus()
    layer.press("Space")  # as a keyboard does it
    page.locator("#language-units label").first.click()
    page.locator("#language-unit-responses img").wait_for()
    assert page.locator("#most-driving-texts tbody tr").count() == 6
    assert "sentence" in page.locator("#most-driving-texts").inner_text()
    assert page.locator("#least-driving-texts tbody tr").count() == 6
    press(page, "Ablate this unit alone")
    page.locator("#language-unit-effect").get_by_text("this unit").wait_for()
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_model_without_a_map_writes_at_one_press_and_every_token_says_what_it_lost(
    page: Page, url: str
) -> None:
    visit(page, f"{url}/?tab=language&writer=phantom/lm-plain&tokens=8&percent=10")
    page.wait_for_function("window.funclocRestored")
    wait_for(lambda: chosen(page, "Who writes").input_value() == "phantom/lm-plain", page)
    press(page, "Write")
    read = page.locator("#tokens .fl-tokens")
    read.first.wait_for()
    assert "made quickly, of 60 texts of either side" in page.locator("#voices-note").inner_text()
    assert read.count() == 3  # top, loudness-matched, layer-matched
    written = page.locator("#voice-intact textarea").input_value()
    prompt = page.locator("#prompt textarea").input_value()
    for one in read.all():
        assert one.inner_text().replace("▸", "") == f"{prompt}{written}"
    titles = read.first.locator("span[title*='likely: log p']")
    assert titles.count() >= 8
    page.get_by_text("Every token in numbers").click()
    rows = page.locator("#tokens tbody tr")
    assert rows.count() == titles.count() + 1
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_model_that_came_after_the_start_is_on_offer_and_a_link_restores_it(
    page: Page, url: str, folder: Path
) -> None:
    visit(page, f"{url}/?tab=language&model=local/models/late")
    page.get_by_text("Model: what the link asks for is left at its default").wait_for()
    late = folder / "models" / "late"
    shutil.copytree(phantom.WEIGHTS / "lm", late)
    config = json.loads((late / "config.json").read_text())
    config["architectures"] = ["LlamaForCausalLM"]  # as transformers writes it
    (late / "config.json").write_text(json.dumps(config))
    visit(
        page,
        f"{url}/?tab=language&model=local/models/late&localizer=phantom-lm:language"
        "&evaluation=phantom-lm&seed=7&sampling_seed=3",
    )
    page.get_by_text(FORM).locator("visible=true").click()
    model = chosen(page, "Model")
    assert model.input_value() == "late"
    assert page.get_by_label("Seed", exact=True).locator("visible=true").input_value() == "7"
    assert chosen(page, "Localizer").input_value().startswith("phan")
    page.get_by_text("Sampling", exact=True).click()
    assert page.get_by_label("Sampling seed").input_value() == "3"
    press(page, "Run")
    page.get_by_text("Step 1 of 5").or_(page.get_by_text("Step 3 of 5")).first.wait_for()
    press(page, "Stop")
    page.get_by_text("Stopped; the same settings go on").wait_for()
    # A visitor's own choice of a model brings the stimuli that go with it.
    model.click()
    page.get_by_role("option", name="phantom/lm", exact=True).click()
    model.click()
    page.get_by_role("option", name="late").click()
    localizer = chosen(page, "Localizer")
    wait_for(lambda: not localizer.input_value().startswith("phantom"), page)
    assert localizer.input_value()
