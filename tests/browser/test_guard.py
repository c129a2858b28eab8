"""What stands before the app: names that it may be called by, and how much a request may bring."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import app
from browser.guard import Guard, name_of, size_of


async def behind(_scope: Any, receive: Any, send: Any) -> None:
    """An app that reads all of the body, and answers with its length."""
    seen = 0
    while (message := await receive())["type"] == "http.request":
        seen += len(message["body"])
        if not message.get("more_body"):
            break
    said = f"{seen} {message['type']}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": said})


def answer(
    guard: Guard, host: str = "localhost:7860", parts: tuple[bytes, ...] = (b"",), **told: Any
) -> tuple[int, dict[str, str], str]:
    """Status, headers and body of the answer to a request."""
    headers = {"host": host, **told.pop("headers", {})}
    scope = {
        "type": "http", "method": "POST", "path": "/gradio_api/upload",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()], **told,
    }  # fmt: skip
    sent: list[dict[str, Any]] = []
    waiting = [
        {"type": "http.request", "body": part, "more_body": number < len(parts) - 1}
        for number, part in enumerate(parts)
    ]

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(guard(scope, receive, send))
    said = {name.decode(): value.decode() for name, value in sent[0].get("headers", ())}
    return sent[0].get("status", sent[0].get("code")), said, sent[-1].get("body", b"").decode()


ALONE = Guard(behind, hosts=app.ALONE)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:7860", "LOCALHOST", "[::1]:80", "[::1]"])
def test_it_is_called_by_its_own_names(host: str) -> None:
    status, headers, body = answer(ALONE, host, (b"abc", b"de"))
    assert (status, body) == (200, "5 http.request")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert headers["content-security-policy"] == "frame-ancestors 'self'"


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:7860", "localhost.evil", "", "[::2]"]
)
def test_a_name_that_was_bound_to_this_machine_is_refused(host: str) -> None:
    status, _, body = answer(ALONE, host)
    assert (status, body) == (400, "This app is called 127.0.0.1, and by no other name.\n")
    assert answer(ALONE, host, type="websocket")[0] == 1008
    status, headers, _ = answer(Guard(behind), host)  # where others may come, any name will do
    assert status == 200
    assert "x-frame-options" not in headers  # a Space is shown in a frame


def test_the_app_is_served_behind_it() -> None:
    for alone, hosts in ((True, app.ALONE), (False, None)):
        (middleware,) = app.launch_options(alone)["app_kwargs"]["middleware"]
        assert middleware.cls is Guard
        assert middleware.kwargs == {"hosts": hosts}


def test_a_request_brings_so_much_and_no_more() -> None:
    small = Guard(behind, largest=4)
    assert answer(small, parts=(b"ab", b"cd"))[2] == "4 http.request"
    assert answer(small, parts=(b"ab", b"cd", b"e"))[2] == "4 http.disconnect"
    assert answer(small, headers={"content-length": "5"})[0] == 413
    assert answer(small, headers={"content-length": "-1"})[0] == 413


def test_uploads_have_so_much_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    full = Guard(behind, most=9)
    assert answer(full)[0] == 200
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a").write_bytes(b"0123456789")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert size_of(tmp_path) > 9
    assert answer(full)[0] == 507
    assert answer(full, method="GET")[0] == 200
    assert answer(full, path="/gradio_api/queue/join")[0] == 200


def test_a_name_is_read_without_its_port() -> None:
    assert [name_of(host) for host in ("a:1", "A", "[::1]:8", "")] == ["a", "a", "::1", ""]


def test_no_proxy_stands_between_the_app_and_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "intern.example")
    monkeypatch.setenv("no_proxy", "")
    app.reach_oneself()
    import os

    assert os.environ["NO_PROXY"] == "intern.example,127.0.0.1,localhost,::1"
    assert os.environ["no_proxy"] == "127.0.0.1,localhost,::1"
