"""What a person does on every page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page


def tab(page: Page, name: str) -> None:
    """Go to a tab; on a narrow screen it may stand in the menu of those that found no room."""
    here = page.get_by_role("tab", name=name, exact=True)
    more = page.locator(".overflow-menu > button")
    here.or_(more).first.wait_for()
    if not here.is_visible():
        more.click()
        here = page.locator(".overflow-dropdown").get_by_text(name, exact=True)
    here.click()


def see_the_run(page: Page, name: str = "faces") -> None:
    """Wait until a page shows a run, and no longer the finding that ships."""
    page.locator(f"#{name}-head .fl-go").wait_for()


def give_picture(page: Page, path: Path) -> None:
    """Choose a file under Try it, in the place of the picture that is there."""
    page.locator("#picture img").wait_for()
    page.locator("#picture").get_by_label("Remove").click()
    page.locator("#picture input[type=file]").set_input_files(path)
