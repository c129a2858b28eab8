"""axe-core finds nothing in the app and the report: on a laptop and a phone, light and dark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from common.report import make_report
from common.study.results import load_results
from common.study.settings import read_controls
from tests.e2e.pages import see_the_run, tab
from tests.e2e.patience import MOMENT
from vision_loc.experiment import Settings, run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.e2e

SIZES = {"laptop": (1280, 860), "phone": (390, 844)}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
PLANTED = "model=phantom/planted&localizer=phantom-planted:pattern&evaluation=phantom-planted"
RUNS = ("axe-one", "axe-two")
GRADIOS = {  # rule: why it says nothing of this app's own markup
    "image-redundant-alt": "Gradio's footer and galleries call a button and its picture alike",
}


def axe(page: Page, without: dict[str, str]) -> list[str]:
    """What axe-core has to say of a page: rule, place and why."""
    api: Any = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
    )
    options = {
        "resultTypes": ["violations"],
        "rules": {rule: {"enabled": False} for rule in without},
        "iframes": False,  # a report in its frame runs no script; it is looked at by itself
    }
    page.wait_for_function("!document.querySelector('.pending')")  # what is asked for is pale
    page.wait_for_timeout(800)  # colours fade from one scheme to the other
    found = api.Axe().run(page, options=options).response["violations"]
    return [
        f"{rule['id']}: {node['target']} {node['html'][:200]} {node['failureSummary'][:300]}"
        for rule in found
        for node in rule["nodes"]
    ]


def everywhere(page: Page, without: dict[str, str]) -> list[str]:
    """The same at both widths, light and dark: what is said, and where."""
    found = []
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            found += [f"{size}, {scheme}: {said}" for said in axe(page, without)]
    page.set_viewport_size({"width": SIZES["laptop"][0], "height": SIZES["laptop"][1]})
    return found


# --- what there is to see ---


def see_the_first_screen(page: Page) -> None:
    page.locator("#finding .fl-plain").wait_for()
    page.locator("#face-map img").wait_for()
    page.get_by_text("What these words mean").locator("visible=true").first.click()


def see_a_run_of_the_form(page: Page) -> None:
    """The form that is open, a run that goes on, and what it found."""
    page.get_by_text("Choose model, localizer and doses yourself").first.click()
    page.get_by_role("button", name="Run", exact=True).first.click()
    see_the_run(page)
    page.locator("#faces-go:enabled").wait_for()  # a button that cannot be pressed is pale


def see_a_unit(page: Page) -> None:
    named = page.get_by_label("Any unit").locator("visible=true")
    named.fill("#2")
    named.press("Enter")
    page.locator("#face-unit-facts").get_by_text("Rank 2 of").wait_for()
    page.get_by_role("button", name="Ablate this unit alone", exact=True).click()
    page.locator("#face-unit-effect").get_by_text("this unit").wait_for()
    page.locator("button:enabled").get_by_text("Ablate this unit alone").first.wait_for()


def see_a_picture(page: Page) -> None:
    tab(page, "Try it")
    page.locator("#driven tbody tr").first.wait_for()
    page.get_by_role("button", name="Where in the picture?", exact=True).click()
    page.locator("#where-changes img").wait_for()
    one = page.locator("#where-unit :is(input, textarea)")
    one.fill("#1")
    one.press("Enter")
    page.locator("#where-answers img[alt*='answers most']").wait_for()


def see_texts(page: Page) -> None:
    tab(page, "Language")
    page.locator("#language-finding .fl-plain").wait_for()
    page.get_by_role("button", name="Write", exact=True).click()
    page.locator("#tokens .fl-tokens").first.wait_for()
    page.get_by_text("Every token in numbers").click()


def see_a_comparison(page: Page) -> None:
    page.goto(f"{page.url.partition('?')[0]}?tab=runs&run={RUNS[0]}&rival={RUNS[1]}")
    page.locator("#compared").get_by_text("With which settings").wait_for()
    page.frame_locator("iframe.fl-report").get_by_text("To repeat this run").wait_for()


SIGHTS = [
    see_the_first_screen,
    see_a_run_of_the_form,
    see_a_unit,
    see_a_picture,
    see_texts,
    see_a_comparison,
]


@pytest.fixture(scope="module")
def finished(app_folder: Path) -> list[Path]:
    """Two runs that differ."""
    folders = [app_folder / "runs" / name for name in RUNS]
    for folder, statistic in zip(folders, ("magnitude", "signed"), strict=True):
        settings = Settings(
            model="phantom/planted", localizer="phantom-planted:pattern", device="cpu",
            evaluation="phantom-planted", top=(3, 6.25), statistic=statistic,
            controls=read_controls("magnitude-matched:2"), untrained_seeds=0,
        )  # fmt: skip
        run(settings, folder)
        make_report(folder, load_results(folder))
    return folders


@pytest.fixture(scope="module")
def page(browser: Browser, app_url: str, finished: list[Path]) -> Iterator[Page]:  # noqa: ARG001
    opened = browser.new_page()
    opened.set_default_timeout(MOMENT)
    opened.goto(f"{app_url}/?{PLANTED}")
    opened.wait_for_function("window.funclocRestored")
    yield opened
    opened.close()


@pytest.mark.parametrize("see", SIGHTS)
def test_axe_finds_nothing_in_the_app(page: Page, see: Callable[[Page], None]) -> None:
    see(page)
    assert "\n".join(everywhere(page, GRADIOS)) == ""


def test_axe_finds_nothing_in_a_report(browser: Browser, finished: list[Path]) -> None:
    page = browser.new_page()
    page.goto((finished[0] / "report.html").as_uri())
    assert "\n".join(everywhere(page, {})) == ""
    page.close()
