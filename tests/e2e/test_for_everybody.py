"""The app on a phone, by keyboard alone, and as a screen reader is told of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import pytest

from tests.e2e.pages import open_a_unit, see_the_run, tab
from tests.e2e.patience import MOMENT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.e2e

PHONE, LAPTOP = (390, 844), (1280, 860)
PLANTED = "model=phantom/planted&localizer=phantom-planted:pattern&evaluation=phantom-planted"
CUT = """[...document.querySelectorAll(".fl-scroll, .fl-table caption, .fl-table :is(th, td)")]
  .filter((each) => each.offsetParent && !each.closest("thead"))
  .filter((each) => each.scrollWidth > each.clientWidth + 1
    || each.getBoundingClientRect().right > innerWidth).map((each) => each.innerText)"""
# Of every cell, its head as a phone shows it, and as the table has it.
HEADS = """[...document.querySelectorAll(".fl-table")].flatMap((table) => {
  const heads = [...table.querySelectorAll("thead th")].map((each) => each.textContent);
  return [...table.querySelectorAll("tbody td")].map(
    (cell) => [cell.dataset.label, heads[cell.cellIndex]]);
})"""
# A visitor's own picture is as good as decoration to who cannot see it, a file input stands behind
# its button, and a text that cannot be written in loses its label to the button that copies it.
UNTOLD = "#picture img[alt], [type=file], textarea:disabled"
HEADLESS_ROWS = """() => [...document.querySelectorAll(".fl-table tbody tr")]
  .filter((row) => !row.querySelector("th[scope=row]")).map((row) => row.innerText)"""
NAMELESS = """(untold) => [
  ...document.querySelectorAll("button, input, textarea, iframe, img, [role=group]")]
  .filter((each) => each.offsetParent && !each.matches(untold))
  .filter((each) => ![
    each.getAttribute("aria-label"), each.getAttribute("alt"), each.title, each.innerText,
    ...[...(each.labels ?? [])].map((label) => label.innerText),
    ...[...each.querySelectorAll("img")].map((image) => image.alt),
  ].some((name) => name && name.trim())).map((each) => each.outerHTML.slice(0, 200))"""
FILLED = "[...document.querySelectorAll('input')].some((each) => each.value === 'phantom/planted')"
HEADINGS = """[...document.querySelectorAll("h1, h2, h3, h4, h5, h6")]
  .filter((each) => each.offsetParent).map((each) => Number(each.tagName[1]))"""
FOCUSED = """() => {
  const each = document.activeElement, style = getComputedStyle(each);
  if (each === document.body) return null;
  return [each.outerHTML.slice(0, 200), style.outlineStyle, parseFloat(style.outlineWidth)];
}"""


def opened(browser: Browser, url: str, size: tuple[int, int], scheme: Any = "light") -> Page:
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    page.set_default_timeout(MOMENT)
    page.goto(f"{url}/?{PLANTED}")
    return page


def see_a_finding(page: Page) -> None:
    """A run of the form, one of its units, and that unit alone."""
    page.get_by_text("Choose model, localizer and doses yourself").first.click()
    page.wait_for_function(FILLED)  # by the link, a moment after the page is up
    page.get_by_role("button", name="Run", exact=True).first.click()
    see_the_run(page)
    open_a_unit(page)
    page.get_by_role("button", name="Ablate this unit alone", exact=True).click()
    page.locator(".fl-table").get_by_text("this unit").wait_for()


def see_a_picture(page: Page) -> None:
    tab(page, "Try it")
    page.locator("#without-control h2").wait_for()  # of the one that is answered already
    page.locator("#examples button").first.click()
    page.locator("#without-control h2").wait_for()
    page.locator("#driven tbody tr").first.wait_for()


def see_a_run(page: Page) -> None:
    tab(page, "Runs")
    page.locator("#runs tbody tr").first.wait_for()
    page.locator("#run input").click()
    page.get_by_role("option").filter(has_not_text="(").first.click()
    page.locator("iframe.fl-report").wait_for()


SIGHTS = [see_a_finding, see_a_picture, see_a_run]


@pytest.fixture(scope="module")
def phone(browser: Browser, app_url: str) -> Iterator[Page]:
    page = opened(browser, app_url, PHONE)
    yield page
    page.close()


def test_a_phone_shows_all_of_every_table(phone: Page) -> None:
    for see in SIGHTS:
        see(phone)
        assert phone.evaluate(CUT) == []
    heads = phone.evaluate(HEADS)
    assert len(heads) > 20
    assert all(shown == head for shown, head in heads)
    label = "e => getComputedStyle(e, '::before').content"
    cell = phone.locator("#runs tbody td").first
    assert cell.evaluate(label) == '"model: "'
    phone.set_viewport_size({"width": LAPTOP[0], "height": LAPTOP[1]})
    assert cell.evaluate(label) == "none"
    phone.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})


def test_a_phone_keeps_the_slider_beside_what_it_changes(phone: Page) -> None:
    see_a_picture(phone)
    three = [phone.locator(f"#{name}") for name in ("intact", "without-top", "without-control")]
    first, *_, last = (each.bounding_box() or {} for each in three)
    height = (phone.locator("#percent").bounding_box() or {})["height"]
    assert height + last["y"] + last["height"] - first["y"] <= PHONE[1]  # all on one screen
    phone.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    for name in ("percent", "share"):
        if name == "share":
            tab(phone, "Language")
            phone.locator("#voice-control").evaluate("each => each.scrollIntoView()")
        place = phone.locator(f"#{name}").bounding_box() or {}
        assert 0 <= place["y"] < 40


def test_everything_has_a_name_and_headings_skip_no_level(browser: Browser, app_url: str) -> None:
    page = opened(browser, app_url, LAPTOP)
    tab(page, "Language")
    seen = [page.evaluate(NAMELESS, UNTOLD), page.evaluate(HEADINGS)]
    for see in SIGHTS:
        tab(page, "Faces")
        see(page)
        seen += [page.evaluate(NAMELESS, UNTOLD), page.evaluate(HEADINGS)]
    for nameless, levels in zip(seen[::2], seen[1::2], strict=True):
        assert nameless == []
        assert levels[0] == 1
        assert all(level <= before + 1 for before, level in pairwise(levels))
    assert page.evaluate(HEADLESS_ROWS) == []  # at once: the list of runs comes anew
    page.close()


def stops_after(page: Page, name: str) -> list[tuple[str, str, float]]:
    """What the key Tab comes to after the tab of that name, and how it is outlined there."""
    page.get_by_role("tab", name=name, exact=True).focus()
    stops: list[tuple[str, str, float]] = []
    while len(stops) < 60:
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUSED)
        if stop is None:
            break
        stops.append(stop)
    return stops


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_keyboard_reaches_everything_and_shows_where_it_is(
    browser: Browser, app_url: str, scheme: Literal["light", "dark"]
) -> None:
    page = opened(browser, app_url, LAPTOP, scheme)
    page.get_by_role("button", name="Show me on the phantom").first.wait_for()
    for name in ("Faces", "Try it", "Language", "Runs"):
        tab(page, name)
        stops = stops_after(page, name)
        if len(stops) <= 3:  # a page that is filled while it opens takes the focus away
            stops = stops_after(page, name)
        assert len(stops) > 3
        assert all(style == "solid" and width >= 3 for _, style, width in stops), stops
    page.close()
