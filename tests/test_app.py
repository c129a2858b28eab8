"""The app as a whole: its defaults, and what an API client can do and cannot."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

import app
from common.study.listing import Entry, list_runs
from tests.e2e.server import APP, client_of
from vision_loc import phantom

PLANTED = {
    "model": "phantom/planted",
    "localizer": "phantom-planted:pattern",
    "evaluation": "phantom-planted",
    "statistic": "magnitude",
    "score": "welch",
    "kind": "block",
    "unit": "channel",
    "controls": "magnitude-matched:19",
    "exclude_massive": "",
    "ablation": "zero",
    "untrained_seeds": "0",
    "items": "",
    "measure": "accuracy",
    "doses": ["5"],
    "seed": 0,
}


SLOW = ("matplotlib", "scipy.stats", "sklearn", "timm", "torch", "torchvision", "transformers")
FIRST_PAGE = f"import sys, app; app.build(); print(sorted(sys.modules.keys() & set({SLOW})))"


def test_the_first_page_imports_nothing_that_is_slow_to_import() -> None:
    command = [sys.executable, "-W", "ignore", "-c", FIRST_PAGE]
    here = {**os.environ, "PYTHONPATH": str(APP.parent)}
    done = subprocess.run(command, cwd=APP.parent, env=here, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_nobody_else_is_let_in_unless_asked() -> None:
    given = inspect.signature(app.main).parameters
    assert given["host"].default == "127.0.0.1"
    assert given["share"].default is False
    options = app.launch_options()
    assert options["max_file_size"] == "10mb"
    assert not options["show_error"]
    assert "allowed_paths" not in options


def test_a_taken_port_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Taken:
        def __init__(self, may_delete: bool) -> None: ...

        def launch(self, **_: object) -> None:
            raise OSError("Cannot find empty port in range: 80-80. You can set another.")

    monkeypatch.setattr(app, "build", Taken)
    with pytest.raises(SystemExit, match=r"range: 80-80\); choose another --port"):
        app.main(port=80)


@pytest.fixture(scope="module")
def folder(app_folder: Path) -> Path:
    return app_folder


@pytest.fixture(scope="module")
def url(app_url: str) -> str:
    return app_url


@pytest.fixture(scope="module")
def picture(folder: Path) -> str:
    phantom.draw(0, 1, "eval").save(folder / "face.png")
    return str(folder / "face.png")


def test_every_control_has_a_label_and_a_line_of_help(url: str) -> None:
    with urllib.request.urlopen(f"{url}/config") as answer:
        config = json.load(answer)
    asked = ("dropdown", "radio", "checkboxgroup", "slider", "number", "textbox")
    controls = [each["props"] for each in config["components"] if each["type"] in asked]
    assert len(controls) >= 9
    assert all(props["label"] and props["info"] for props in controls)
    public = [each for each in config["dependencies"] if each["api_visibility"] == "public"]
    # A number behind a name says that another function took the name before it.
    assert not [each["api_name"] for each in public if re.search(r"_\d+$", each["api_name"])]


def _holding(node: dict[str, Any]) -> Iterator[int]:
    """The places of the page that hold others."""
    if node.get("children"):
        yield node["id"]
    for each in node.get("children", ()):
        yield from _holding(each)


def test_no_event_tells_a_place_that_holds_others_how_it_goes(url: str) -> None:
    # Gradio's page would read all that is in there anew at every step of every event.
    with urllib.request.urlopen(f"{url}/config") as answer:
        config = json.load(answer)
    holding = set(_holding(config["layout"]))
    assert len(holding) > 20
    for event in config["dependencies"]:
        told = event["outputs"] if event["show_progress_on"] is None else event["show_progress_on"]
        assert not (event["backend_fn"] and holding & set(told)), event["api_name"]


def call(url: str, name: str, *data: Any) -> str:
    """What the server streams back to a hand-made request."""
    body = json.dumps({"data": data}).encode()
    headers = {"Content-Type": "application/json"}
    place = f"{url}/gradio_api/call{name}"
    with urllib.request.urlopen(urllib.request.Request(place, body, headers)) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{place}/{event}") as stream:
        return str(stream.read().decode())


def top(answer: Any) -> list[Any]:
    """Class and probability of the three top-5."""
    return [label and label["confidences"] for label in answer[:3]]


def _is_this(entry: Entry) -> bool:
    return entry.settings["model"] == PLANTED["model"] and entry.settings["top"] == "5"


def test_a_client_runs_looks_and_reads_and_leaves_the_neighbour_alone(
    url: str, folder: Path, picture: str
) -> None:
    one, two = client_of(url), client_of(url)
    finding, table, *_ = one.predict(**PLANTED, api_name="/run")
    assert "most selective for phantom-planted:pattern" in finding
    assert "top 5 %" in table
    (run,) = [each for each in list_runs(folder / "runs") if _is_this(each)]
    one.predict(api_name="/runs")
    frame, *_ = one.predict(name=run.name, api_name="/open")
    assert "srcdoc" in frame

    def look(visitor: Client) -> list[Any]:
        sent = handle_file(picture)
        return top(visitor.predict(upload=sent, percent=5, api_name="/look"))

    alone = {one: look(one), two: look(two)}
    assert {entry["label"] for entry in alone[one][0]} == set(phantom.CONDITIONS)
    assert alone[two][0][0]["label"] == "face-01"
    with ThreadPoolExecutor(2) as pool:
        visits = [(visitor, pool.submit(look, visitor)) for _ in range(10) for visitor in alone]
        assert all(answer.result() == alone[visitor] for visitor, answer in visits)
    one.close()
    two.close()


@pytest.mark.parametrize("path", ["/etc/passwd", "../../etc/passwd", "runs/x/run.json"])
def test_no_path_that_a_visitor_sends_is_opened(path: str, url: str, folder: Path) -> None:
    (folder / "runs" / "x").mkdir(parents=True, exist_ok=True)
    (folder / "runs" / "x" / "run.json").write_text("{}")
    file = {"path": path, "orig_name": "face.png", "meta": {"_type": "gradio.FileData"}}
    form = [f"local/{path}", *list(PLANTED.values())[1:]]
    for name, *data in (("/look", file, 1, None), ("/open", path), ("/run", *form)):
        answer = call(url, name, *data)
        assert answer.startswith("event: error"), answer
        assert "root:" not in answer
        assert "Traceback" not in answer
    for place in (path, str(folder / path), str(folder / "log"), str(APP)):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{url}/gradio_api/file={place}")
        assert refused.value.code in (403, 404)
        refused.value.close()


def test_an_upload_that_is_no_picture_gets_one_line(url: str, folder: Path) -> None:
    (folder / "words.png").write_text("words")
    visitor = client_of(url)
    with pytest.raises(AppError, match=r"words\.png: no picture; give PNG"):
        visitor.predict(upload=handle_file(str(folder / "words.png")), percent=1, api_name="/look")
    visitor.close()
