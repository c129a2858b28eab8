"""``python -m benchmarks.app``: how long somebody waits for the browser app, in a real browser.

From ``python app.py`` until the server answers, until the first finding is on the screen with
nothing pressed, and from the first of thirty steps of the slider under Try it until all is told of
the last. Each is the median of a few starts with the smallest and the largest, beside its goal; the
browser is open before the clock starts. The load of the machine is printed, for the figures are of
the clock on the wall.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.table import Table

from tests.e2e.patience import MOMENT, wait_for
from tests.e2e.server import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

APP = Path(__file__).parents[1] / "app.py"
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
ROUNDS = 3  # starts of the app
STEPS = 30  # of the slider, from its first value on
TOLD = "The 24 top units"  # of the phantom's 612, at the 4 % that these steps end at
GOALS = {"server up": None, "first finding": 10.0, "30 steps sent": None, "30 steps settled": 6.0}


def measured(browser: Browser) -> dict[str, float]:
    """One start of the app: seconds by what was waited for."""
    with TemporaryDirectory() as folder:
        began = time.perf_counter()
        with started(Path(folder)) as url:
            up = time.perf_counter() - began
            page = browser.new_page(viewport={"width": 1280, "height": 860})
            page.set_default_timeout(MOMENT)
            page.goto(url, wait_until="commit")
            page.locator("#finding .fl-plain").get_by_text("Face: 100 → 14 % right.").wait_for()
            found = time.perf_counter() - began
            sent, settled = stepped(page)
            page.close()
    return dict(zip(GOALS, (up, found, sent, settled), strict=True))


@contextmanager
def started(folder: Path) -> Iterator[str]:
    """The app as ``python app.py`` starts it, working in a folder; its address once it is up."""
    port = free_port()
    own = {"FUNCLOC_MODELS": "", "FUNCLOC_CACHE": str(folder / "cache")}
    command = [sys.executable, str(APP), "--port", str(port)]
    with subprocess.Popen(
        command, cwd=folder, env={**os.environ, **own}, stdout=subprocess.DEVNULL
    ) as process:
        try:
            wait_for(lambda: _listens(port) or process.poll() is not None)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def stepped(page: Page) -> tuple[float, float]:
    """Seconds until all keys of the slider are taken, and until the page is at rest again."""
    under_way: set[object] = set()
    page.get_by_role("tab", name="Try it", exact=True).click()
    page.locator("#without-control h2").wait_for()
    page.wait_for_timeout(3000)  # whatever else the page still asks for
    page.on("request", lambda each: under_way.add(each))
    page.on("requestfinished", lambda each: under_way.discard(each))
    page.on("requestfailed", lambda each: under_way.discard(each))
    slider = page.locator("#percent input[type=range]")
    slider.focus()
    began = time.perf_counter()
    for _ in range(STEPS):
        slider.press("ArrowRight")
    sent = time.perf_counter() - began
    page.locator("#note").get_by_text(TOLD).wait_for()
    wait_for(lambda: not under_way, page)
    return sent, time.perf_counter() - began


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def table(rounds: list[dict[str, float]]) -> Table:
    """The medians over rounds, each with its range and its goal."""
    load = os.getloadavg()[0]
    shown = Table("seconds", "median", "from", "to", "goal", title=f"The app (load {load:.1f})")
    for name, goal in GOALS.items():
        took = [each[name] for each in rounds]
        numbers = (statistics.median(took), min(took), max(took))
        shown.add_row(name, *(f"{each:.1f}" for each in numbers), f"{goal:g}" if goal else "")
    return shown


def main() -> None:
    """Print the table."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        sys.exit(f"benchmarks.app: no browser called {', '.join(BROWSERS)}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        rounds = [measured(browser) for _ in range(ROUNDS)]
        browser.close()
    Console().print(table(rounds))


if __name__ == "__main__":
    main()
