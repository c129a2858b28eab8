"""Stimulus sets that are downloaded: placed whole and checked, or not at all."""

from __future__ import annotations

import io
import os
import tarfile
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from common.base.cache import STAMP
from common.base.errors import DataError
from common.data import transfer
from common.data.download import Download, fetch, is_outdated, is_whole, read_checksums
from common.data.manifest import load_manifest
from tests.common.data.server import BIG, Server, names_in, sha

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


def test_what_a_kill_leaves_behind_a_whole_set_is_removed(server: Server, tmp_path: Path) -> None:
    wanted = archive_of(server, zipped(MEMBERS))
    folder = fetch("set", wanted, tmp_path)
    (tmp_path / ".partial" / "set").mkdir()
    (tmp_path / ".partial" / "set" / "archive").write_bytes(zipped(MEMBERS))
    assert_placed(fetch("set", wanted, tmp_path))
    assert folder.is_dir()
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
    server.drops = [300_000, *[0] * (transfer.RETRIES + 1)]
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
