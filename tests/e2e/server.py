"""The app as its own process, on a free port, working in a folder of the test's."""

from __future__ import annotations

import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

from browser.offer import QUICK
from common.base.quiet import hush_libraries
from common.study.settings import read_controls
from tests.e2e.patience import PATIENCE
from tests.forked import forked

if TYPE_CHECKING:
    from gradio_client import Client

APP = Path(__file__).parents[2] / "app.py"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(folder: Path) -> tuple[BaseProcess, str]:
    """An app that keeps its runs in `folder`, and its address, once it answers."""
    for _ in range(5):
        try:
            return _start(folder)
        except RuntimeError as error:
            # Between being found free and being listened on, a port may be taken.
            if "cannot listen" not in str(error):
                raise
    raise RuntimeError("no port stays free")


def _start(folder: Path) -> tuple[BaseProcess, str]:
    port, log = free_port(), folder / "log"
    env = {
        "GRADIO_TEMP_DIR": str(folder / "uploads"),
        "FUNCLOC_CACHE": str(folder / "cache"),
        "FUNCLOC_PIXELS": "1",  # as the programs do: a picture is drawn once
        "FUNCLOC_MODELS": "",  # those of the folder's own models/
    }
    process = forked(serve, port, log=log, folder=folder, env=env)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process, log)
    except BaseException:
        process.kill()
        raise
    return process, url


def _no_file_was_given(*_: object, **__: object) -> None:
    raise AssertionError(
        "give Gradio the file of a picture (browser.pictures.kept), not its points"
    )


def serve(port: int) -> None:
    """What ``python app.py --port`` does, with first buttons that show fewer items and masks.

    Beside a model stands one untrained network, where nobody asks for another number.
    """
    import app
    from llm_loc.app import visit as language
    from vision_loc.app import visit as faces

    quick = {"top": (1.0, 5.0), "controls": read_controls(QUICK)}
    fewer = {
        "common.study.baseline.UNTRAINED_SEEDS": 1,
        "llm_loc.app.tab.DEMO": replace(language.DEMO, items=8, **quick),
        "vision_loc.app.tab.DEMO": replace(faces.DEMO, items=4, **quick),
        "gradio.processing_utils.save_pil_to_cache": _no_file_was_given,
        "gradio.processing_utils.save_img_array_to_cache": _no_file_was_given,
    }
    with ExitStack() as patched:
        for name, less in fewer.items():
            patched.enter_context(patch(name, less))
        hush_libraries()
        app.main(port=port)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of an app that keeps its runs in `folder`."""
    process, url = start(folder)
    try:
        yield url
    finally:
        process.terminate()
        process.join(20)


def client_of(url: str) -> Client:
    """Somebody who uses the app from Python, and leaves its pictures where they are."""
    from gradio_client import Client  # takes seconds, and few tests need it

    patient = {"timeout": PATIENCE}
    quiet = {"verbose": False, "analytics_enabled": False, "download_files": False}
    return Client(url, httpx_kwargs=patient, **quiet)


def _wait(url: str, process: BaseProcess, log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.is_alive():
        try:
            # The first page of a busy machine takes long, and asking again begins it anew.
            with urllib.request.urlopen(url, timeout=PATIENCE):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"the app did not start: {log.read_text()[-2000:]}")
