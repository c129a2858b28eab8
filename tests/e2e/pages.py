"""What a person does on every page."""

from __future__ import annotations

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
