"""Whatever is sent to whatever endpoint: a message, no traceback, no file of somebody else's."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from tests.pictures import save_bomb

FILE = {"path": "/etc/passwd", "orig_name": "face.png", "meta": {"_type": "gradio.FileData"}}
BAD: dict[str, Any] = {
    "path": "../../etc/passwd",
    "script": "javascript:alert(1)",
    "huge": 1e308,
    "negative": -1,
    "none": None,
    "list": [[]],
    "object": {"a": 1},
    "file": FILE,
}
SECRETS = ("root:", "Traceback", 'File "')


@pytest.fixture(scope="module")
def folder(app_folder: Path) -> Path:
    return app_folder


@pytest.fixture(scope="module")
def url(app_url: str) -> str:
    return app_url


@pytest.fixture(scope="module")
def endpoints(url: str) -> dict[str, list[Any]]:
    """Every public endpoint, with a value that each of its parameters takes."""
    with urllib.request.urlopen(f"{url}/gradio_api/info") as answer:
        named = json.load(answer)["named_endpoints"]
    return {
        name: [each.get("parameter_default") for each in about["parameters"]]
        for name, about in named.items()
    }


def call(url: str, name: str, data: list[Any], visitor: str | None = None) -> str:
    """What the server answers to a request made by hand.

    For a visitor who is new, Gradio looks all components over: longer than it takes to refuse.
    """
    place = f"{url}/gradio_api/call{name}"
    headers = {"Content-Type": "application/json"}
    body = {"data": data, "session_hash": visitor}
    request = urllib.request.Request(place, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request) as answer:
            event = json.load(answer)["event_id"]
        with urllib.request.urlopen(f"{place}/{event}", timeout=60) as stream:
            return str(stream.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return f"event: error\n{error.code} {error.read().decode()}"


def check_words(name: str, answer: str) -> None:
    """Whatever is refused is refused in one line that a person can read; nothing leaks."""
    assert not any(secret in answer for secret in SECRETS), (name, answer[:500])
    refused = answer.split("event: error\ndata: ")[1:]
    for data in refused:
        line = json.loads(data)["error"]
        assert line, (name, answer[:500])
        assert len(line.split()) > 4, (name, line)
        assert "\n" not in line, (name, line)


@pytest.mark.parametrize("kind", BAD)
def test_what_makes_no_sense_is_refused_everywhere(
    kind: str, url: str, endpoints: dict[str, list[Any]]
) -> None:
    assert {"/run", "/run_language", "/write", "/open", "/compare", "/repeat", "/delete"} <= {
        *endpoints
    }
    for name, usual in endpoints.items():
        if not usual:
            continue
        answer = call(url, name, [BAD[kind]] * len(usual), visitor=f"all {kind}")
        check_words(name, answer)
        if BAD[kind] is not None:
            assert "event: error" in answer, (name, answer[:500])


@pytest.mark.parametrize("kind", ["object", "none", "file"])
def test_one_value_that_makes_no_sense_is_enough(
    kind: str, url: str, endpoints: dict[str, list[Any]]
) -> None:
    for name, usual in endpoints.items():
        for place in range(len(usual)):
            sent = [BAD[kind] if at == place else value for at, value in enumerate(usual)]
            answer = call(url, name, sent, visitor=f"one {kind}")
            check_words(name, answer)
            if kind == "file":
                assert "event: error" in answer, (name, answer[:500])


def test_values_that_are_missing_are_asked_for(url: str, endpoints: dict[str, list[Any]]) -> None:
    for name, usual in endpoints.items():
        if usual:
            answer = call(url, name, [], visitor="silent")
            check_words(name, answer)
            assert "A value is missing" in answer, (name, answer[:500])


def test_a_text_of_ten_megabytes_is_refused_in_one_line(url: str) -> None:
    answer = call(url, "/write", ["word " * 2_000_000, 1, 0, 1, 3, 0, False, "above"])
    assert "a prompt of 10,000,000 letters" in answer
    assert len(answer) < 1000


def test_a_picture_of_900_million_pixels_is_refused_in_one_line(url: str, folder: Path) -> None:
    save_bomb(folder / "huge.png", 30_000)
    visitor = Client(url, verbose=False, analytics_enabled=False, download_files=False)
    with pytest.raises(AppError, match=r"huge\.png: far too many pixels"):
        visitor.predict(upload=handle_file(str(folder / "huge.png")), percent=1, api_name="/look")
    visitor.close()


@pytest.mark.parametrize(
    "place",
    [
        "/etc/passwd",
        "../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "runs/x/run.json",
        "log",
        "app.py",
    ],
)
def test_no_file_is_served_that_the_app_did_not_offer(place: str, url: str, folder: Path) -> None:
    (folder / "runs" / "x").mkdir(parents=True, exist_ok=True)
    (folder / "runs" / "x" / "run.json").write_text("{}")
    for asked in (place, str(folder / place)):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{url}/gradio_api/file={asked}")
        assert refused.value.code in (400, 403, 404)
        refused.value.close()
