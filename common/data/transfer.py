"""One file over HTTP, got whole and checked, or not at all.

:func:`get` goes on where an earlier try stopped (HTTP ``Range``, a ``.part`` file beside the
target) and checks the SHA-256.
"""

from __future__ import annotations

import http
import re
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import requests

from common.base.errors import DataError
from common.base.files import mismatch, sha256_of

CONNECT_SECONDS, READ_SECONDS = 10, 30
RETRIES = 3
PAUSE_SECONDS = 1.0
CHUNK = 1 << 16


class _ClosedEarly(requests.ConnectionError):
    """An answer ended before all of it had come."""


BROKEN = (_ClosedEarly, requests.exceptions.ChunkedEncodingError)  # the server is there


def get(
    url: str,
    target: Path,
    sha256: str | None = None,
    report: Callable[[int, int], None] = lambda _done, _total: None,
    session: requests.Session | None = None,
) -> None:
    """Get one file over HTTP, going on where an earlier try stopped.

    Parameters
    ----------
    url : str
        Where the file is.
    target : Path
        Where it shall be. Until it is whole and right it lies beside that, as ``NAME.part``.
    sha256 : str, optional
        What its SHA-256 must be.
    report : callable
        Told the number of bytes done and of all; of all is one more than done while unknown.
    session : requests.Session, optional
        Keeps the connection open from one file to the next.

    Raises
    ------
    DataError
        If there is no network, the server refuses, the connection breaks again and again without
        a byte between, or the checksum is another one. In the last case the file is removed.
    OSError
        If the file cannot be written.
    """
    part = target.with_name(f"{target.name}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with nullcontext(session) if session else requests.Session() as connection:
            _receive(connection, url, part, report)
    except requests.RequestException as error:  # an address that is none, a ring of redirects
        raise DataError(f"{url}: cannot be downloaded ({error})") from error
    if sha256 is not None and (found := sha256_of(part)) != sha256:
        part.unlink()
        raise DataError(mismatch(target.name, sha256, found, f"from {url}"))
    part.replace(target)


def _receive(
    session: requests.Session, url: str, part: Path, report: Callable[[int, int], None]
) -> None:
    """Ask until the file is whole; patience lasts for as long as something comes."""
    failures = 0
    while True:
        before = _size(part)
        try:
            _ask(session, url, part, report)
            return
        except (
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
        ) as error:
            done = _size(part)
            failures = 0 if done > before else failures + 1
            if not done and not isinstance(error, BROKEN):
                raise DataError(f"{url}: {_reason(error)}") from error
            if failures > RETRIES:
                raise DataError(
                    f"{url}: the connection broke after {done / 1e6:.1f} MB ({_reason(error)}); "
                    "the same command goes on from there"
                ) from error
        time.sleep(PAUSE_SECONDS * failures)


def _ask(
    session: requests.Session, url: str, part: Path, report: Callable[[int, int], None]
) -> None:
    start = _size(part)
    headers = {"Accept-Encoding": "identity"}  # compressed on the way, a range means nothing
    if start:
        headers["Range"] = f"bytes={start}-"
    with session.get(
        url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)
    ) as answer:
        if start and answer.status_code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            if answer.headers.get("Content-Range") == f"bytes */{start}":
                return  # all of it was here already
        elif answer.status_code >= http.HTTPStatus.BAD_REQUEST:
            raise DataError(f"{url}: HTTP {answer.status_code} ({_meaning(answer)})")
        else:
            _save(answer, part, start, report)
            return
    part.unlink()  # longer than the file there: of something else
    _ask(session, url, part, report)


def _save(
    answer: requests.Response, part: Path, start: int, report: Callable[[int, int], None]
) -> None:
    """Write an answer: behind what is there if the server went along with that, else anew."""
    follows = answer.headers.get("Content-Range", "").startswith(f"bytes {start}-")
    if not follows:
        start = 0
    length = answer.headers.get("Content-Length")
    total = start + int(length) if length else None
    with part.open("ab" if start else "wb") as file:
        done = start
        for chunk in answer.iter_content(CHUNK):
            file.write(chunk)
            done += len(chunk)
            report(done, done + 1 if total is None else total)
    if total is None:
        report(done, done)
    elif done < total:
        raise _ClosedEarly("closed early")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _meaning(answer: requests.Response) -> str:
    known = {status.value: status.phrase for status in http.HTTPStatus}
    return known.get(answer.status_code, "no such status is known")


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return "the server's certificate is not trusted"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy refuses"
    if isinstance(error, requests.Timeout):
        return "the server does not answer"
    if isinstance(error, BROKEN):
        return "the server closed the connection"
    if re.search("resol|getaddrinfo|unreachable", str(error), re.IGNORECASE):
        return "no network, or no such server"
    return "no connection to the server"
