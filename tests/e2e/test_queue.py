"""Who waits for another's run is told their place, and leaves the queue with the page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from common.study.listing import list_runs
from common.study.plan import DEFAULT_CONTROLS
from tests.e2e.pages import see_the_run
from tests.e2e.patience import MOMENT

pytestmark = pytest.mark.e2e

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LONG = f"model=phantom/cnn&localizer=phantom:faces&evaluation=phantom&controls={DEFAULT_CONTROLS}"
SHORT = "model=phantom/planted&localizer=phantom-planted:pattern&evaluation=phantom-planted"
FILLED = "(value) => [...document.querySelectorAll('input')].some((each) => each.value === value)"


def visitor(browser: Browser, url: str, settings: str, seed: int) -> Page:
    """A page on which a run has been asked for."""
    page = browser.new_page()
    page.set_default_timeout(MOMENT)
    page.goto(f"{url}/?{settings}&seed={seed}")
    page.get_by_text("Choose model, localizer and doses yourself").first.click()
    page.wait_for_function(FILLED, arg=str(seed))  # by the link, a moment after the page is up
    page.get_by_role("button", name="Run", exact=True).first.click()
    return page


def test_a_visitor_sees_their_place_and_leaves_it_with_the_page(
    browser: Browser, app_url: str, app_folder: Path
) -> None:
    first = visitor(browser, app_url, LONG, 901)
    first.get_by_text("Step 4 of 4").first.wait_for()
    second = visitor(browser, app_url, SHORT, 902)
    second.get_by_text("queue: 1/1").first.wait_for()
    third = visitor(browser, app_url, SHORT, 903)
    third.get_by_text("queue: 2/2").first.wait_for()
    second.close()
    first.get_by_role("button", name="Stop", exact=True).first.click()
    see_the_run(third)
    seeds = {run.settings["seed"] for run in list_runs(app_folder / "runs")}
    assert {901, 903} <= seeds
    assert 902 not in seeds
    first.close()
    third.close()
