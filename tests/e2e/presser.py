"""A person with a browser of their own, in a process of their own."""

from __future__ import annotations

import os
import signal

from common.study.plan import DEFAULT_CONTROLS
from tests.e2e.conftest import ARGUMENTS, chromium
from tests.e2e.patience import MOMENT


def press_run(url: str) -> None:
    """Open the Language page, start a run and stay, until killed with all of one's group."""
    from playwright.sync_api import sync_playwright

    os.setsid()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=ARGUMENTS, timeout=MOMENT
        )
        page = browser.new_page()
        page.set_default_timeout(MOMENT)
        page.goto(f"{url}/?tab=language&controls={DEFAULT_CONTROLS}")
        page.wait_for_function("window.funclocRestored")  # what the link asks for is there
        form = "Choose model, localizer and doses yourself"
        page.get_by_text(form).locator("visible=true").click()
        page.get_by_role("button", name="Run", exact=True).locator("visible=true").click()
        signal.pause()  # until it is killed
