"""Downloads, against a server of our own that can break off, refuse, and serve something else."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from common.base.errors import DataError
from common.data import download
from common.data.download import STAMP, Download, fetch, get, is_outdated, is_whole, read_checksums
from common.data.manifest import load_manifest

BIG = hashlib.sha256(b"seed").digest() * 20_000  # 640 kB, ten chunks


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


class Server:
    """Files by path; `drops` are the bytes after which the next answers break off."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.drops: list[int] = []
        self.statuses: list[int] = []
        self.ranges = True
        self.lengths = True
        self.gate: threading.Event | None = None
        self.asked: list[tuple[str, str | None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range")
        self.asked.append((request.path, wanted))
        if self.gate:
            self.gate.wait(10)
        content = self.files.get(request.path)
        status = self.statuses.pop(0) if self.statuses else 200 if content is not None else 404
        if status != 200 or content is None:
            request.send_error(status)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        if start and start >= len(content):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(content)}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if self.lengths:
            request.send_header("Content-Length", str(len(content) - start))
        request.end_headers()
        until = start + self.drops.pop(0) if self.drops else len(content)
        request.wfile.write(content[start:until])
        request.close_connection = True


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running = Server()
    yield running
    running.close()


# --- one file ---


def test_a_file_arrives_whole_and_says_how_far_it_is(server: Server, tmp_path: Path) -> None:
    server.files["/big"] = BIG
    told: list[tuple[int, int]] = []
    get(server.url + "big", tmp_path / "new" / "big", sha(BIG), lambda *n: told.append(n))
    assert (tmp_path / "new" / "big").read_bytes() == BIG
    assert told[0][1] == len(BIG)
    assert told[-1] == (len(BIG), len(BIG))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert names_in(tmp_path / "new") == ["big"]


def test_a_file_of_unknown_length_ends_its_progress_once(server: Server, tmp_path: Path) -> None:
    server.files["/big"] = BIG
    server.lengths = False
    told: list[tuple[int, int]] = []
    get(server.url + "big", tmp_path / "big", sha(BIG), lambda *n: told.append(n))
    assert [done for done, total in told if done >= total] == [len(BIG)]


def test_a_broken_connection_is_taken_up_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.files["/big"] = BIG
    server.drops = [200_000, 250_000]
    get(server.url + "big", tmp_path / "big", sha(BIG))
    assert (tmp_path / "big").read_bytes() == BIG
    starts = [int((asked or "bytes=0-")[6:-1]) for _, asked in server.asked]
    assert len(starts) == 3
    assert 0 == starts[0] < starts[1] <= 200_000 < starts[2] <= 450_000


def test_the_same_command_goes_on_after_it_was_stopped(server: Server, tmp_path: Path) -> None:
    server.files["/big"] = BIG
    server.drops = [300_000, *[0] * (download.RETRIES + 1)]
    with pytest.raises(DataError, match=r"broke after 0\.[23]\d* MB .*goes on from there"):
        get(server.url + "big", tmp_path / "big", sha(BIG))
    assert not (tmp_path / "big").exists()
    kept = (tmp_path / "big.part").stat().st_size
    assert 0 < kept <= 300_000
    get(server.url + "big", tmp_path / "big", sha(BIG))
    assert server.asked[-1] == ("/big", f"bytes={kept}-")
    assert (tmp_path / "big").read_bytes() == BIG


def test_a_stop_by_hand_keeps_what_is_there(server: Server, tmp_path: Path) -> None:
    server.files["/big"] = BIG

    def stop(done: int, _total: int) -> None:
        if done > 200_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(server.url + "big", tmp_path / "big", sha(BIG), stop)
    assert (tmp_path / "big.part").stat().st_size > 200_000


def test_a_server_without_ranges_starts_over(server: Server, tmp_path: Path) -> None:
    server.files["/big"] = BIG
    server.ranges = False
    server.drops = [400_000]
    get(server.url + "big", tmp_path / "big", sha(BIG))
    assert (tmp_path / "big").read_bytes() == BIG


@pytest.mark.parametrize("part", [BIG, BIG + b"of another file"], ids=["whole", "too long"])
def test_a_part_that_leaves_nothing_to_ask_for(server: Server, tmp_path: Path, part: bytes) -> None:
    server.files["/big"] = BIG
    (tmp_path / "big.part").write_bytes(part)
    get(server.url + "big", tmp_path / "big", sha(BIG))
    assert (tmp_path / "big").read_bytes() == BIG


def test_a_wrong_checksum_names_file_and_both_and_leaves_nothing(
    server: Server, tmp_path: Path
) -> None:
    server.files["/big"] = b"something else"
    with pytest.raises(DataError) as caught:
        get(server.url + "big", tmp_path / "big", sha(BIG))
    for part in ("big", sha(BIG), sha(b"something else"), "removed"):
        assert part in str(caught.value)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(("status", "said"), [(404, "HTTP 404 (Not Found)"), (503, "HTTP 503")])
def test_a_refusal_names_the_url(server: Server, tmp_path: Path, status: int, said: str) -> None:
    server.statuses = [status]
    with pytest.raises(DataError) as caught:
        get(server.url + "gone", tmp_path / "gone")
    assert str(caught.value).startswith(f"{server.url}gone: {said}")
    assert names_in(tmp_path) == []


def test_no_network_is_one_line(tmp_path: Path, server: Server) -> None:
    server.close()
    with pytest.raises(DataError, match=r"/x: no connection to the server$"):
        get(server.url + "x", tmp_path / "x")
    with pytest.raises(DataError, match=r"x: no network, or no such server$"):
        get("http://nowhere.invalid/x", tmp_path / "x")
    server.http = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.thread = threading.Thread(target=server.http.serve_forever, args=(0.01,))
    server.thread.start()


def test_a_server_that_says_nothing_is_given_up(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "READ_SECONDS", 0.1)
    server.gate = threading.Event()
    with pytest.raises(DataError, match="the server does not answer"):
        get(server.url + "x", tmp_path / "x")
    server.gate.set()


# --- a whole set ---

FILES = {"a/1.txt": b"one", "a/2.txt": b"two", "b c/3.txt": BIG}
CHECKSUMS = {path: sha(content) for path, content in FILES.items()}
MEMBERS = {f"set-1/{path}": content for path, content in FILES.items()}


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as bundle:
        for name, content in members.items():
            bundle.writestr(name, content)
    return stream.getvalue()


def tarred(members: dict[str, bytes], link: str | None = None) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as bundle:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            bundle.addfile(info, io.BytesIO(content))
        if link:
            info = tarfile.TarInfo("set-1/link")
            info.type, info.linkname = tarfile.SYMTYPE, link
            bundle.addfile(info)
    return stream.getvalue()


def archive_of(server: Server, content: bytes, **more: Any) -> Download:
    server.files["/set"] = content
    entry = {"archive": server.url + "set", "strip": "set-1/", "files": CHECKSUMS, **more}
    return Download.model_validate(entry)


def assert_placed(folder: Path) -> None:
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != STAMP
    }
    assert found == FILES
    assert is_whole(folder)
    assert not (folder.parent / ".partial" / folder.name).exists()


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_an_archive_is_placed_whole_and_got_once(server: Server, tmp_path: Path, pack: Any) -> None:
    wanted = archive_of(server, pack({**MEMBERS, "set-1/README": b"", "other/1.txt": b""}))
    told: list[tuple[str, int, int]] = []
    folder = fetch("set", wanted, tmp_path, lambda *n: told.append(n))
    assert folder == tmp_path / "set"
    assert_placed(folder)
    for step in ("download set (kB)", "unpack set"):
        ends = [n for n in told if n[0] == step and n[1] >= n[2]]
        assert len(ends) == 1, step
    assert fetch("set", wanted, tmp_path) == folder
    assert len(server.asked) == 1


def test_an_archive_with_a_checksum_of_its_own_needs_no_list(
    server: Server, tmp_path: Path
) -> None:
    content = zipped(MEMBERS)
    assert_placed(
        fetch("set", archive_of(server, content, files={}, sha256=sha(content)), tmp_path)
    )


def test_an_interrupted_archive_goes_on(server: Server, tmp_path: Path) -> None:
    wanted = archive_of(server, zipped(MEMBERS))
    server.drops = [300_000, *[0] * (download.RETRIES + 1)]
    with pytest.raises(DataError, match="goes on from there"):
        fetch("set", wanted, tmp_path)
    assert not (tmp_path / "set").exists()
    assert_placed(fetch("set", wanted, tmp_path))
    assert (server.asked[-1][1] or "").startswith("bytes=")


def test_files_one_by_one_go_on_with_the_first_that_is_missing(
    server: Server, tmp_path: Path
) -> None:
    wanted = Download(base=server.url + "raw", files=CHECKSUMS)
    server.files = {"/raw/a/1.txt": b"one", "/raw/b%20c/3.txt": BIG}
    with pytest.raises(DataError, match=r"raw/a/2\.txt: HTTP 404"):
        fetch("set", wanted, tmp_path)
    assert not (tmp_path / "set").exists()
    server.files["/raw/a/2.txt"] = b"two"
    assert_placed(fetch("set", wanted, tmp_path))
    assert [path for path, _ in server.asked].count("/raw/a/1.txt") == 1


@pytest.mark.parametrize("name", ["../evil", "set-1/../../evil", "/tmp/evil", "..\\evil", "C:\\e"])
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_an_archive_that_leads_outside_is_refused(
    server: Server, tmp_path: Path, pack: Any, name: str
) -> None:
    root = tmp_path / "deep" / "cache"
    content = pack({name: b"evil", **MEMBERS})
    wanted = archive_of(server, content, files={}, sha256=sha(content))
    with pytest.raises(DataError, match=r"archive is refused, for its member .*(evil|C:)"):
        fetch("set", wanted, root)
    assert not [path for path in tmp_path.rglob("*") if path.name in ("evil", "e")]
    assert not (root / "set").exists()


def test_links_of_an_archive_are_left_out(server: Server, tmp_path: Path) -> None:
    content = tarred(MEMBERS, link="/etc/passwd")
    assert_placed(
        fetch("set", archive_of(server, content, files={}, sha256=sha(content)), tmp_path)
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (zipped({**MEMBERS, "set-1/a/2.txt": b"2"}), "a/2.txt in the archive: SHA-256 should be"),
        (zipped({"set-1/a/1.txt": b"one"}), "2 of 3 files are not in the archive, the first: a/2"),
        (b"<html>Please log in</html>", "no archive that can be read"),
        (zipped(MEMBERS)[:-100], "no archive that can be read"),
        (tarred(MEMBERS)[:-100], "no archive that can be read"),
    ],
    ids=["changed", "missing", "html", "cut zip", "cut tar"],
)
def test_a_bad_archive_is_removed_and_can_be_got_anew(
    server: Server, tmp_path: Path, content: bytes, said: str
) -> None:
    wanted = archive_of(server, content)
    with pytest.raises(DataError) as caught:
        fetch("set", wanted, tmp_path)
    assert said in str(caught.value)
    assert server.url in str(caught.value)
    assert not (tmp_path / "set").exists()
    server.files["/set"] = zipped(MEMBERS)
    assert_placed(fetch("set", wanted, tmp_path))


def test_two_at_once_download_once(server: Server, tmp_path: Path) -> None:
    wanted = archive_of(server, zipped(MEMBERS))
    server.gate = threading.Event()
    waits = threading.Event()
    failures: list[BaseException] = []

    def told(step: str, done: int, total: int) -> None:
        del done, total
        if step.startswith("wait"):
            waits.set()

    def one() -> None:
        try:
            fetch("set", wanted, tmp_path, told)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert waits.wait(5)
    server.gate.set()
    for thread in threads:
        thread.join(10)
    assert not failures
    assert len(server.asked) == 1
    assert_placed(tmp_path / "set")


def test_a_cache_that_cannot_be_written_is_one_line(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = archive_of(server, zipped(MEMBERS))
    root = tmp_path / "readonly"
    root.mkdir()
    if os.geteuid() == 0:  # whom no permission stops

        def refuse(path: Path, *_: Any, **__: Any) -> None:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(Path, "mkdir", refuse)
    root.chmod(0o555)
    with pytest.raises(DataError, match=r"readonly/.*cannot be written \(Permission denied\); cho"):
        fetch("set", wanted, root)
    root.chmod(0o755)
    assert names_in(root) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_one_line(server: Server, tmp_path: Path) -> None:
    wanted = archive_of(server, zipped(MEMBERS))
    work = tmp_path / ".partial" / "set"
    work.mkdir(parents=True)
    (work / "archive.part").symlink_to("/dev/full")
    with pytest.raises(DataError, match=r"cannot be written \(No space left on device\)"):
        fetch("set", wanted, tmp_path)
    assert not (tmp_path / "set").exists()


def test_a_folder_of_somebody_else_is_left_alone(server: Server, tmp_path: Path) -> None:
    wanted = archive_of(server, zipped(MEMBERS))
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="not made by a download; move it away"):
        fetch("set", wanted, tmp_path)
    assert names_in(tmp_path / "set") == ["mine.txt"]
    assert server.asked == []


def test_another_revision_is_not_taken_for_this_one(server: Server, tmp_path: Path) -> None:
    folder = fetch("set", archive_of(server, zipped(MEMBERS)), tmp_path)
    newer = archive_of(server, zipped(MEMBERS), files={"a/1.txt": sha(b"one")})
    assert is_outdated(folder, newer)
    with pytest.raises(DataError, match="of another revision; move it away"):
        fetch("set", newer, tmp_path)
    assert_placed(folder)


# --- what a manifest may say ---


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({}, "either an archive or a base"),
        ({"archive": "http://x/a", "base": "http://x"}, "either an archive or a base"),
        ({"archive": "http://x/a"}, "needs checksums"),
        ({"base": "http://x", "files": {"../a": "0" * 64}}, "leads out of its folder"),
        ({"base": "http://x", "files": {"/a": "0" * 64}}, "leads out of its folder"),
        ({"base": "http://x", "files": {"a": "12"}}, "should match pattern"),
        ({"base": "file:///etc", "files": {"a": "0" * 64}}, "should match pattern"),
        ({"base": "http://x", "files": {"a": "0" * 64}, "size": 3}, "not permitted"),
        ({"base": "http://x", "files": {}, "checksums": "x"}, "either files or checksums"),
        ({"base": "http://x", "checksums": "x"}, "in the file of a manifest"),
    ],
)
def test_an_impossible_download_is_refused(entry: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Download.model_validate(entry)


def test_checksums_are_read_as_sha256sum_writes_them(tmp_path: Path) -> None:
    table = tmp_path / "set.sha256"
    table.write_text(f"# where from\n{sha(b'')}  a b/c's.jpg\n\n")
    assert read_checksums(table) == {"a b/c's.jpg": sha(b"")}
    table.write_text("abc a.jpg\n")
    with pytest.raises(ValueError, match="line 1 is not"):
        read_checksums(table)
    with pytest.raises(ValueError, match="cannot be read"):
        read_checksums(tmp_path / "none")


@pytest.mark.parametrize(("name", "n"), [("floc", 1584), ("imagenet-sample", 1000)])
def test_the_bundled_checksums_are_complete(name: str, n: int) -> None:
    found = load_manifest(name)
    assert found.download is not None
    assert len(found.download.files) == n
    assert found.source.revision is not None
    assert found.source.revision in (found.download.archive or "")
    assert found.source.revision in found.download.strip
    for condition in found.conditions.values():
        folder = (condition.files or "").removesuffix("*.jpg")
        assert sum(path.startswith(folder) for path in found.download.files) == condition.n
