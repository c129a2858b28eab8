"""What a person does on every page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.patience import wait_for

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


def open_a_unit(page: Page, by_key: bool = False) -> None:
    """Choose the first layer that has units in the mask, and the first of these.

    Once more, if it was too soon: layers are listed anew after a finding has come.
    """
    units = page.locator("#face-units label")

    def opened() -> bool:
        if by_key:
            page.locator("#face-layers input").first.press("Space")
        else:
            page.locator("#face-layers label").first.click()
        if units.first.is_visible():
            units.first.click()
        return page.locator("#face-unit-responses img").is_visible()

    wait_for(opened, page)


def give_picture(page: Page, path: Path) -> None:
    """Choose a file under Try it, in the place of the picture that is there."""
    page.locator("#picture img").wait_for()
    page.locator("#picture").get_by_label("Remove").click()
    page.locator("#picture input[type=file]").set_input_files(path)
