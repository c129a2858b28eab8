"""What all tests share."""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from unittest.mock import patch

import pytest
from PIL import Image

# Each worker has a core to itself, and so have the processes that it starts; before torch is there.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

# Decoded pictures are not kept between tests, but for those that are about it.
os.environ["FUNCLOC_PIXELS"] = "0"

from common.base.memory import keep_freed_memory
from common.report import shown
from common.report.figures import canvas
from tests.e2e.server import served
from vision_loc import phantom

keep_freed_memory()  # as the programs do


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder with real stimuli and models, or a skip that says how to give one."""
    folder = Path(os.environ.get("FUNCLOC_REFERENCE", "../shared"))
    if not (folder / "models").is_dir():
        pytest.skip(f"no reference stimuli and models in {folder} (set FUNCLOC_REFERENCE)")
    return folder


PICTURED = {"llm_loc.experiment": "Texts", "vision_loc.experiment": "Pictures"}


@pytest.fixture(scope="module", autouse=True)
def _without_report(request: pytest.FixtureRequest) -> Iterator[None]:
    """Drawing a report and what it shows takes longer than a small run; some modules ask for it."""
    if request.node.get_closest_marker("draws_report"):
        yield
        return
    with ExitStack() as patched:
        drawn = patch("common.study.verbs.make_report", lambda folder, _: folder / "report.html")
        patched.enter_context(drawn)
        of_map = patch("common.study.verbs.make_map_report", lambda folder, _: folder)
        patched.enter_context(of_map)
        patched.enter_context(patch("common.study.verbs.illustrate_map", lambda *_: None))
        for module in filter(sys.modules.__contains__, PICTURED):
            what = f"{module}.{PICTURED[module]}.illustrate"
            patched.enter_context(patch(what, lambda *_: None))
        yield


@pytest.fixture(scope="module", autouse=True)
def _one_untrained_network(request: pytest.FixtureRequest) -> Iterator[None]:
    """Where nobody says how many, one stands beside a model; some modules are about the number."""
    if request.node.get_closest_marker("usual_untrained"):
        yield
        return
    with patch("common.study.baseline.UNTRAINED_SEEDS", 1):
        yield


@pytest.fixture(scope="session", autouse=True)
def _drawn_once() -> Iterator[None]:
    """A picture of the phantom takes 4 ms, and runs ask for the same thousand again and again."""
    once, planted_once = cache(phantom.draw), cache(phantom.draw_planted)

    def draw(label: int, index: int, split: str, hide_face: bool = False) -> Image.Image:
        return once(label, index, split, hide_face).copy()

    def draw_planted(condition: str, index: int, split: str) -> Image.Image:
        return planted_once(condition, index, split).copy()

    with patch.multiple(phantom, draw=draw, draw_planted=draw_planted):
        yield


@pytest.fixture(scope="session", autouse=True)
def _certificates_read_once() -> Iterator[None]:
    """Each client of the app reads the machine's certificates, though it talks to this machine."""
    with patch("ssl.create_default_context", cache(ssl.create_default_context)):
        yield


@pytest.fixture(scope="module", autouse=True)
def _coarse_figures(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fine points and a layout without overlaps take most of a report's time; who looks asks."""
    if request.node.get_closest_marker("lays_out_figures"):
        yield
        return
    with patch.object(shown, "DPI", 40), patch.object(canvas, "LAYOUT", None):
        yield


@pytest.fixture(scope="session")
def app_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the app that all tests share works."""
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="session")
def app_url(app_folder: Path) -> Iterator[str]:
    """The address of the app that all tests share: each start of one takes seconds."""
    with served(app_folder) as address:
        yield address
