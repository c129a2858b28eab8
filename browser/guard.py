"""What stands before every request: whose page it may come from, and how much it may bring.

A page of another site can let its own name point to 127.0.0.1 and then speak to an app that listens
there alone; its requests say that name as their host, and are refused.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from tempfile import gettempdir
from typing import Any

LARGEST_BODY = 64 << 20  # bytes of one request
MOST_UPLOADED = 2 << 30  # bytes of all uploads that lie there
UPLOAD = "/upload"

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Message, Receive, Send], Awaitable[None]]


class Guard:
    """An ASGI middleware.

    Parameters
    ----------
    app : callable
        What is behind it.
    hosts : tuple of str, optional
        Names by which the app may be called; left out, any. With names, no page of another site may
        show it in a frame either.
    largest : int
        Bytes of one request.
    most : int
        Bytes of uploads that may lie there before another is taken.
    """

    def __init__(
        self,
        app: Asgi,
        hosts: tuple[str, ...] | None = None,
        largest: int = LARGEST_BODY,
        most: int = MOST_UPLOADED,
    ) -> None:
        self._app, self._hosts = app, hosts
        self._largest, self._most = largest, most

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        status, said = self._refusal(scope, headers)
        if status:
            await _refuse(scope, send, status, said)
            return
        await self._app(scope, _counted(receive, self._largest), self._with_headers(send))

    def _refusal(self, scope: Message, headers: dict[str, str]) -> tuple[int, str]:
        host = name_of(headers.get("host", ""))
        if self._hosts is not None and host not in self._hosts:
            return 400, f"This app is called {self._hosts[0]}, and by no other name."
        told = headers.get("content-length", "0")
        if not told.isdigit() or int(told) > self._largest:
            return 413, f"A request may have {self._largest >> 20} MB; this one says it has more."
        uploads = scope["type"] == "http" and scope["path"].rstrip("/").endswith(UPLOAD)
        if uploads and scope["method"] == "POST" and size_of(upload_folder()) > self._most:
            return 507, "There is no room for more uploads now; try again in an hour."
        return 0, ""

    def _with_headers(self, send: Send) -> Send:
        more = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"same-origin")]
        if self._hosts is not None:
            more += [
                (b"x-frame-options", b"SAMEORIGIN"),
                (b"content-security-policy", b"frame-ancestors 'self'"),
            ]

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *more]}
            await send(message)

        return answer


def name_of(host: str) -> str:
    """The name in a ``Host`` header, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()


def upload_folder() -> Path:
    """Where Gradio keeps what visitors upload."""
    return Path(os.environ.get("GRADIO_TEMP_DIR") or Path(gettempdir()) / "gradio")


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder; those that go meanwhile count nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118 (many files)
            except OSError:
                continue
    return total


def _counted(receive: Receive, largest: int) -> Receive:
    """The same, ending a body that is longer than it may be, whatever its length says."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > largest:
                return {"type": "http.disconnect"}
        return message

    return counted


async def _refuse(scope: Message, send: Send, status: int, said: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    body = f"{said}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
