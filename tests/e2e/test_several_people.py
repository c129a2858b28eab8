"""Several people at one app: nobody's ablation is another's; who goes leaves the model free."""

from __future__ import annotations

import json
import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock, Timeout

from browser.offer import QUICK
from common.measure.masks import top_percent
from llm_loc.app.tab_write import voices
from llm_loc.app.visit import DEMO, found_in
from llm_loc.experiment import localize_only
from llm_loc.generate import Sampling
from tests.e2e.patience import MOMENT, wait_for
from tests.e2e.presser import press_run
from tests.e2e.server import client_of, served, start
from tests.forked import forked

pytestmark = pytest.mark.e2e

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PROMPT, TOKENS = "the small king", 2
FACES = {
    "model": "phantom/cnn",
    "localizer": "phantom:faces",
    "evaluation": "phantom",
    "statistic": "magnitude",
    "score": "welch",
    "kind": "block",
    "unit": "channel",
    "controls": QUICK,
    "exclude_massive": "",
    "ablation": "zero",
    "doses": ["1"],
    "seed": 0,
}


@pytest.fixture(scope="module")
def folder(app_folder: Path) -> Path:
    """Where the app works; it holds two maps of one model."""
    for name, statistic in (("plain", "magnitude"), ("signed", "signed")):
        settings = replace(DEMO, statistic=statistic, device="cpu", untrained_seeds=0)  # type: ignore[arg-type]
        localize_only(settings, app_folder / "runs" / name)
    return app_folder


@pytest.fixture(scope="module")
def url(app_url: str) -> str:
    return app_url


# --- many requests, interleaved ---

VOICES = ("intact", "top", "loud", "control")


def alone(folder: Path, name: str, percent: float) -> list[str]:
    """The texts as nobody else's request could have touched them."""
    found = found_in(folder / "runs" / name)
    sampling = Sampling(max_new_tokens=TOKENS)
    *_, last = voices(found, PROMPT, percent, sampling, "alone")
    return [*last[: len(VOICES)]]


def by_client(url: str, name: str, percents: list[float]) -> list[list[str]]:
    visitor = client_of(url)
    visitor.predict(api_name="/runs")
    visitor.predict(name=name, api_name="/open")
    answers = [
        visitor.predict(
            prompt=PROMPT, percent=percent, temperature=0, top_p=1, max_new_tokens=TOKENS, seed=0,
            api_name="/write",
        )
        for percent in percents
    ]  # fmt: skip
    visitor.close()
    return [list(answer[: len(VOICES)]) for answer in answers]


def open_page(browser: Browser, url: str, name: str) -> Page:
    page = browser.new_page()
    page.set_default_timeout(MOMENT)
    page.goto(f"{url}/?tab=language&tokens={TOKENS}")
    page.locator("#prompt textarea").fill(PROMPT)
    page.get_by_role("tab", name="Runs", exact=True).click()
    page.locator("#run input").click()
    page.get_by_role("option", name=re.compile(rf"^{name}\b")).click()
    page.locator("#report").get_by_text("A map only").wait_for()
    page.get_by_role("tab", name="Language", exact=True).click()
    return page


def by_page(page: Page, percent: float, n_units: int, expected: list[str]) -> list[str]:
    """What the page shows in the end; it grows word by word."""
    page.locator("#share input[type=number]").fill(f"{percent:g}")
    page.get_by_role("button", name="Write", exact=True).click()
    page.locator("#voices-note").get_by_text(f"{n_units:,} units for").wait_for()
    boxes = [page.locator(f"#voice-{voice} textarea") for voice in VOICES]

    def shown() -> list[str] | None:
        texts = [box.input_value() for box in boxes]
        return texts if texts == expected else None

    return wait_for(shown, page)  # and not read once more: what is written anew grows again


def test_two_clients_and_two_pages_each_get_what_they_get_alone(
    browser: Browser, url: str, folder: Path
) -> None:
    percents = [1.0, 5.0, 12.0, 20.0]
    names = ("plain", "signed")
    pairs = [(name, percent) for name in names for percent in percents]
    expected = {pair: alone(folder, *pair) for pair in pairs}
    assert len({str(texts) for texts in expected.values()}) > len(percents)
    pages = [open_page(browser, url, name) for name in names]
    found = found_in(folder / "runs" / "plain").map
    sizes = {percent: len(top_percent(found, percent)) for percent in percents}
    asked = [percents[number % len(percents)] for number in range(30)]
    with ThreadPoolExecutor(2) as pool:
        clients = [pool.submit(by_client, url, name, asked) for name in names]
        seen = [
            (name, percent, by_page(page, percent, sizes[percent], expected[name, percent]))
            for percent in asked[:5]
            for name, page in zip(names, pages, strict=True)
        ]
        answers = [client.result() for client in clients]
    for name, percent, texts in seen:
        assert texts == expected[name, percent]
    for name, answer in zip(names, answers, strict=True):
        assert answer == [expected[name, percent] for percent in asked]
    assert len(seen) + sum(map(len, answers)) == 70
    for page in pages:
        page.close()


# --- who goes in the midst ---


def is_free(run: Path) -> bool:
    try:
        with FileLock(run / ".lock", timeout=0):
            return True
    except Timeout:
        return False


def the_run(folder: Path, model: str) -> Path | None:
    """The folder of the model's run that is being evaluated."""
    measured = (folder / "runs").glob(f"{model}-*/partial/intact.safetensors")
    return next((run for run in (path.parents[1] for path in measured) if not is_free(run)), None)


def test_a_browser_that_is_killed_frees_the_model(url: str, folder: Path) -> None:
    browser = forked(press_run, url)

    def begun() -> Path | None:
        assert browser.is_alive(), "the browser did not come as far as a run"
        return the_run(folder, "lm")

    try:
        run = wait_for(begun)
    finally:
        os.killpg(browser.pid or 0, signal.SIGKILL)
        browser.join(20)
    wait_for(lambda: is_free(run))  # long before the run would have ended by itself
    assert not (run / "results.json").exists()
    assert (run / "partial" / "intact.safetensors").exists()


def test_a_server_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    process, url = start(tmp_path)
    client = client_of(url)
    client.submit(**FACES, api_name="/run")
    run = wait_for(lambda: the_run(tmp_path, "cnn"))
    process.kill()
    process.join(20)
    client.close()
    kept = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    assert not (run / "results.json").exists()
    with served(tmp_path) as again:
        client = client_of(again)
        work = client.submit(**FACES, api_name="/run")
        wait_for(lambda: not is_free(run))
        finding = work.result(120)[0]
        client.close()
    assert "most selective for phantom:faces" in finding
    assert {"run.json", "selectivity.safetensors", "stimuli.csv"} <= set(kept)
    for name, content in kept.items():
        assert (run / name).read_bytes() == content
    entry = json.loads((run / "results.json").read_text())
    assert len(entry["ablations"]) == 20
