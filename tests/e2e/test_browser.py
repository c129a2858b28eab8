"""What a person does in the browser, in a real one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd
import pytest

from common.study.plan import DEFAULT_CONTROLS
from common.study.settings import read_controls
from tests.e2e.pages import give_picture, open_a_unit, see_the_run, tab
from tests.e2e.patience import MOMENT, wait_for
from vision_loc import phantom
from vision_loc.experiment import Settings, run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.e2e

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SIZES = {"laptop": (1280, 860), "phone": (390, 844)}
PLANTED = "model=phantom/planted&localizer=phantom-planted:pattern&evaluation=phantom-planted"
# Two figures are on the page, and each has come.
DRAWN = """(n) => {
  const seen = [...document.querySelectorAll(".fl-figure img")].filter((each) => each.offsetParent);
  return seen.length === n && seen.every((each) => each.complete && each.naturalWidth > 0);
}"""


@pytest.fixture(scope="module")
def folder(app_folder: Path) -> Path:
    return app_folder


@pytest.fixture(scope="module")
def url(app_url: str) -> str:
    return app_url


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 1280, "height": 860})
    opened.set_default_timeout(MOMENT)
    opened.goto(url)
    yield opened
    opened.close()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def test_stop_stops_and_the_first_button_goes_on_to_the_finding(page: Page, folder: Path) -> None:
    others = set((folder / "runs").glob("cnn-*"))  # the app is shared: runs of other tests
    press(page, "Show me on the phantom")
    page.get_by_text("Step 4 of 4").wait_for()

    def measured() -> bool:
        """The step shows before its first outcome is in; a stop is to come in the midst of it."""
        kept = (folder / "runs").glob("cnn-*/partial/intact.safetensors")
        return any(path.parents[1] not in others for path in kept)

    wait_for(measured, page)
    press(page, "Stop")
    page.get_by_text("Stopped; the same settings go on").wait_for()
    (begun,) = set((folder / "runs").glob("cnn-phantom-faces-*")) - others
    assert not (begun / "results.json").exists()
    assert (begun / "partial" / "intact.safetensors").exists()
    press(page, "Show me on the phantom")
    see_the_run(page)
    finding = page.locator(".fl-finding")
    assert "Evidence that these units serve face more than object" in finding.inner_text()
    assert page.locator("#table tr.fl-strong").count() == 2
    assert "face-" in page.locator("#face-lost").inner_text()
    figure = page.locator(".fl-figure img").first
    figure.wait_for()
    assert (figure.get_attribute("alt") or "").startswith("Accuracy by dose of the top mask")
    with page.expect_download() as download:
        page.locator(".fl-figure").first.get_by_label("Download").click()
    assert download.value.suggested_filename.endswith(".png")


def test_run_works_again_after_an_error(page: Page, url: str) -> None:
    page.goto(f"{url}/?{PLANTED}")
    page.wait_for_function("window.funclocRestored")
    page.get_by_text("Choose model, localizer and doses yourself").first.click()
    dose = page.get_by_label("1", exact=True).first
    dose.uncheck()
    run = page.get_by_role("button", name="Run", exact=True).first
    run.click()
    message = page.locator(".toast-body").get_by_text("dose (none): choose from")
    message.wait_for()
    assert message.inner_text().startswith("That did not work\n")
    page.locator("button:enabled").get_by_text("Run", exact=True).first.wait_for()
    page.locator("button:disabled").get_by_text("Stop", exact=True).first.wait_for()
    dose.check()
    run.click()
    see_the_run(page)


def test_a_result_says_whose_it_is_and_back_and_reload_keep_it(page: Page, url: str) -> None:
    page.goto(f"{url}/?{PLANTED}")
    page.wait_for_function("window.funclocRestored")
    page.get_by_text("Choose model, localizer and doses yourself").first.click()
    page.get_by_role("button", name="Run", exact=True).first.click()
    head = page.locator("#faces-head")
    head.get_by_text("phantom/planted").wait_for()
    changed = head.get_by_text("Settings changed since")
    page.get_by_label("5", exact=True).first.check()
    changed.wait_for()
    page.get_by_label("5", exact=True).first.uncheck()
    changed.wait_for(state="hidden")
    head.get_by_role("link").click()  # without loading the page anew
    page.frame_locator("iframe.fl-report").get_by_text("To repeat this run").wait_for()
    tab(page, "Language")
    page.wait_for_url("**tab=language**")
    page.go_back()
    page.locator("iframe.fl-report").wait_for()
    page.go_back()
    head.get_by_text("phantom/planted").wait_for()
    page.reload()
    head.get_by_text("phantom/planted").wait_for()


def test_a_run_is_gone_on_with_after_a_reload(page: Page, url: str) -> None:
    page.goto(f"{url}/?controls={DEFAULT_CONTROLS}&seed=77")
    page.wait_for_function("window.funclocRestored")
    page.get_by_text("Choose model, localizer and doses yourself").first.click()
    page.get_by_role("button", name="Run", exact=True).first.click()
    page.get_by_text("Step 4 of 4").wait_for()
    page.get_by_label("Seed").first.fill("78")  # the run that was begun is meant
    page.get_by_label("Seed").first.press("Tab")
    page.wait_for_url("**seed=78**")
    page.reload()
    page.get_by_role("button", name="Go on with it").locator("visible=true").click()
    page.get_by_text("Step 4 of 4").wait_for()
    assert "seed=77" in page.url
    press(page, "Stop")
    page.get_by_text("Stopped; the same settings go on").wait_for()


def test_a_layer_its_units_and_the_page_of_one(page: Page) -> None:
    press(page, "Show me on the phantom")
    see_the_run(page)
    open_a_unit(page, by_key=True)
    page.get_by_text("Units of stage3.0:output in the mask").wait_for()
    assert page.locator("#most-driving img").count() == 6
    press(page, "Ablate this unit alone")
    page.locator("#face-unit-effect").get_by_text("this unit").wait_for()
    assert "[" in page.locator("#face-unit-effect").inner_text()


def test_any_unit_is_opened_on_the_map_and_by_its_link_and_a_picture_shows_where(
    page: Page,
) -> None:
    press(page, "Show me on the phantom")
    chart = page.locator("#face-map img")
    chart.wait_for()
    box = chart.bounding_box() or {}
    chart.click(position={"x": 0.6 * box["width"], "y": 0.5 * box["height"]})
    facts = page.locator("#face-unit-facts")
    facts.get_by_text("Link to this unit").wait_for()
    said = facts.inner_text()
    page.wait_for_url("**run=cnn-*&at=*")
    link = page.url
    page.goto("about:blank")
    page.goto(link)
    wait_for(lambda: facts.count() and facts.inner_text() == said, page)
    assert page.locator("#most-driving img").count() == 6
    named = page.get_by_label("Any unit").locator("visible=true")
    named.fill("#2")
    named.press("Enter")
    facts.get_by_text("Rank 2 of").wait_for()
    tab(page, "Try it")
    page.locator("#without-control h2").wait_for()  # of the one that is answered already
    page.locator("#examples button").first.click()
    page.locator("#driven tbody tr").first.wait_for()
    press(page, "Where in the picture?")
    for name in ("answers", "changes"):
        page.locator(f"#where-{name} img").wait_for()
    assert "grey squares" in page.locator("#where-said").inner_text()


def test_the_slider_changes_what_the_model_sees_without_its_units(page: Page, folder: Path) -> None:
    tab(page, "Try it")
    phantom.draw(0, 1, "eval").save(folder / "face.png")
    give_picture(page, folder / "face.png")
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
    assert page.locator("#driven tbody tr").count() == 8


def test_a_link_opens_the_settings_again(page: Page, url: str) -> None:
    page.wait_for_function("window.funclocRestored")  # until then the address is not written
    page.get_by_text("Choose model, localizer and doses yourself").click()
    page.get_by_label("5", exact=True).check()
    page.get_by_label("Seed").fill("7")
    page.get_by_label("Seed").press("Tab")
    page.wait_for_url("**seed=7**")
    tab(page, "Try it")
    page.wait_for_url("**tab=try**")
    link = page.url
    page.goto("about:blank")
    page.goto(link)
    page.locator("#percent").wait_for()  # the tab that was open
    tab(page, "Faces")
    page.get_by_text("Choose model, localizer and doses yourself").click()
    assert page.get_by_label("5", exact=True).is_checked()
    assert page.get_by_label("Seed").input_value() == "7"
    page.goto(f"{url}/?tab=faces&model=../../etc/passwd&seed=-1&kind=javascript:alert(1)")
    page.get_by_text("what the link asks for is left at its default").first.wait_for()
    page.get_by_text("Choose model, localizer and doses yourself").click()
    assert page.get_by_label("Model", exact=True).first.input_value() == "phantom/cnn"
    assert page.get_by_label("Seed").input_value() == "0"


def test_an_upload_that_is_no_picture_is_a_message(page: Page, folder: Path) -> None:
    tab(page, "Try it")
    (folder / "words.png").write_text("words")
    give_picture(page, folder / "words.png")
    page.get_by_text("words.png: no picture").first.wait_for()  # whoever asks again is told again
    page.locator("#note").get_by_text("Choose a picture.").wait_for()
    page.locator("#picture img").wait_for(state="detached")  # it was not taken
    assert page.locator(".toast-body").count() <= 1


@pytest.fixture(scope="module")
def finished(folder: Path) -> list[str]:
    """Names of two finished runs that differ in the statistic and the doses."""
    some = Settings(
        model="phantom/planted", localizer="phantom-planted:pattern", device="cpu",
        evaluation="phantom-planted", top=(3, 6.25), controls=read_controls("magnitude-matched:2"),
    )  # fmt: skip
    run(some, folder / "runs" / "planted-one")
    run(replace(some, statistic="signed", top=(6.25,)), folder / "runs" / "planted-two")
    return ["planted-one", "planted-two"]


def choose(page: Page, place: str, name: str) -> None:
    page.locator(f"#{place} input").click()
    page.get_by_role("option", name=name).click()
    page.get_by_role("option").first.wait_for(state="detached")  # a list takes a moment to close


def test_a_run_is_compared_with_another(page: Page, finished: list[str]) -> None:
    one, two = finished
    tab(page, "Runs")
    choose(page, "run", one)
    choose(page, "rival", two)
    compared = page.locator("#compared")
    compared.get_by_text("With which settings").wait_for()
    assert compared.locator(".fl-finding").count() == 2
    differing = compared.locator("tr.fl-strong").all_inner_texts()
    assert any("magnitude" in row and "signed" in row for row in differing)
    page.locator(".fl-figure").last.scroll_into_view_if_needed()  # they load when they are seen
    page.wait_for_function(DRAWN, arg=2)
    page.frame_locator("iframe.fl-report").get_by_text("To repeat this run").wait_for()
    page.locator("#others input").click()  # its list stays open, for more may be chosen
    page.get_by_role("option", name=two).click()
    page.keyboard.press("Escape")
    page.locator("#together").get_by_text("one model is one subject").wait_for()
    page.locator("#forest img").wait_for()
    page.locator("#filter :is(input, textarea)").fill("planted-two")
    page.locator("#runs").get_by_text("1 of ").wait_for()
    with page.expect_download() as download:
        page.get_by_text("These runs as CSV").click()
    assert len(pd.read_csv(download.value.path())) == 1


def test_a_prompt_is_continued_three_ways(page: Page) -> None:
    tab(page, "Language")
    share = page.locator("#share input[type=number]")
    share.fill("20")
    share.press("Tab")
    press(page, "Write")
    page.locator("#voices-note").get_by_text("units for phantom-lm:language").wait_for()
    page.get_by_role("button", name="Write", exact=True).and_(page.locator(":enabled")).wait_for()
    boxes = [page.locator(f"#voice-{voice} textarea") for voice in ("intact", "top", "control")]

    def differ() -> bool:
        texts = [box.input_value() for box in boxes]
        return all(texts) and len(set(texts)) == 3

    wait_for(differ, page)


def test_a_run_is_opened_and_its_numbers_are_downloaded(page: Page, finished: list[str]) -> None:
    tab(page, "Runs")
    choose(page, "run", finished[0])
    report = page.frame_locator("iframe.fl-report")
    report.get_by_text("To repeat this run").wait_for()
    with page.expect_download() as download:
        page.get_by_text("Numbers (results.json)").last.click()
    assert download.value.suggested_filename == "results.json"


def test_screens_fit(browser: Browser, url: str) -> None:
    page = browser.new_page()
    page.set_default_timeout(MOMENT)
    page.goto(url)
    press(page, "Show me on the phantom")
    see_the_run(page)
    open_a_unit(page)
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            for name in ("Faces", "Try it", "Language", "Runs"):
                tab(page, name)
                fits = page.evaluate("document.documentElement.scrollWidth") <= width
                assert fits, (size, scheme, name)
    page.close()


def test_a_link_opens_two_runs_beside_each_other(page: Page, url: str, finished: list[str]) -> None:
    one, two = finished
    tab(page, "Runs")
    choose(page, "run", one)
    choose(page, "rival", two)
    page.wait_for_url(f"**tab=runs&run={one}&rival={two}")
    link = page.url
    page.goto("about:blank")
    page.goto(link)
    page.locator("#compared").get_by_text("With which settings").wait_for()
    assert page.locator("#run input").input_value() == one
    page.frame_locator("iframe.fl-report").get_by_text("To repeat this run").wait_for()
    page.goto(f"{url}/?tab=runs&run=../../etc")
    page.get_by_text("what the link asks for is left at its default").first.wait_for()
    assert page.locator("#run input").input_value() == ""
