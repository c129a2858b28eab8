"""Downloads: a set's files, and all that a server and an archive may do to them."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from common.base.cache import STAMP
from common.data import transfer
from common.data.download import Download, fetch
from tests.common.data.server import Server
from tests.faults.cases import Case, chance, pick
from tests.faults.seen import noise

Files = dict[str, bytes]


@cache
def server() -> Server:
    """One server for all."""
    return Server()


def sha(content: bytes) -> str:
    """SHA-256."""
    return hashlib.sha256(content).hexdigest()


def some_files(rng: np.random.Generator) -> Files:
    """Files by path."""
    names = [
        f"{pick(rng, ['', 'a/', 'a/b c/', 'ü/'])}{number}.bin"
        for number in range(int(rng.integers(1, 5)))
    ]
    return {name: noise(rng, int(rng.integers(0, 3000))).tobytes() for name in names}


def packed(rng: np.random.Generator, files: Mapping[str, bytes], strip: str, how: str) -> bytes:
    """An archive of any kind, and what somebody put into it besides."""
    out, bad = (
        io.BytesIO(),
        {"climbs": "../../evil", "absolute": "/tmp/evil", "inner": "a/../../../evil"},
    )
    members = {f"{strip}{path}": content for path, content in files.items()}
    if how in bad:
        members[pick(rng, [strip, ""]) + bad[how] if how != "absolute" else bad[how]] = b"evil"
    if chance(rng, 0.5):
        with zipfile.ZipFile(
            out, "w", pick(rng, [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
        ) as bundle:
            for name, content in members.items():
                bundle.writestr(name, content)
        return out.getvalue()
    mode: Any = f"w:{pick(rng, ['', 'gz', 'bz2', 'xz'])}"
    with tarfile.open(fileobj=out, mode=mode) as bundle:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            bundle.addfile(info, io.BytesIO(content))
        if how == "link":
            info = tarfile.TarInfo(f"{strip}{next(iter(files))}")
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            bundle.addfile(info)
    return out.getvalue()


def downloads(rng: np.random.Generator, folder: Path) -> Case:
    """A set by one archive, or file by file."""
    files, own = some_files(rng), server()
    own.files.clear()
    own.drops, own.statuses, own.ranges, own.lengths = [], [], chance(rng, 0.7), chance(rng, 0.7)
    if chance(rng, 0.4):
        own.lengths |= True  # or nobody could know that something broke off
        own.drops = [int(rng.integers(1, 500)) for _ in range(int(rng.integers(1, 3)))]
    checks = {path: sha(content) for path, content in files.items()}
    wrong = chance(rng, 0.4)
    if chance(rng, 0.4):
        download, how = by_file(rng, files, checks, wrong)
    else:
        download, how = by_archive(rng, files, checks, wrong)

    def read() -> Any:
        with patch.object(transfer, "PAUSE_SECONDS", 0.0):
            place = fetch("set", download, folder / "cache")
        return {
            path.relative_to(place).as_posix(): path.read_bytes()
            for path in place.rglob("*") if path.is_file() and path.name != STAMP
        }  # fmt: skip

    def same(one: Any, two: Any) -> bool:
        outside = [*folder.rglob("*evil*")]
        return bool(one == two) and not outside and not Path("/tmp/evil").exists()

    refusal = {"": "never", "cut": "may"}.get(how, "must")  # a tar may end in nothing
    return Case(read, files, refusal, same=same, about=f"{how} {own.drops}")


def by_file(
    rng: np.random.Generator, files: Files, checks: Mapping[str, str], wrong: bool
) -> tuple[Download, str]:
    """Each file by itself."""
    own, how = server(), ""
    served = {
        f"/{path.replace(' ', '%20').replace('ü', '%C3%BC')}": content
        for path, content in files.items()
    }
    if wrong:
        how = pick(rng, ["other", "gone", "status"])
        name = pick(rng, sorted(served))
        if how == "gone":
            del served[name]
        elif how == "other":
            served[name] += b"x"
        else:
            own.statuses = [pick(rng, [403, 404, 500, 503])]
            own.drops = []
    own.files.update(served)
    return Download(base=own.url, files=dict(checks)), how


def by_archive(
    rng: np.random.Generator, files: Files, checks: Mapping[str, str], wrong: bool
) -> tuple[Download, str]:
    """All in one archive, with checksums of the files or of the archive."""
    own, how = server(), ""
    strip = pick(rng, ["", "set-1/"])
    if wrong:
        how = pick(
            rng, ["climbs", "absolute", "inner", "cut", "lacks", "other", "checksum", "text"]
        )
    inside = dict(files)
    if how == "lacks":
        del inside[next(iter(inside))]
    if how == "other":
        inside[next(iter(inside))] += b"x"
    content = packed(rng, inside, strip, how)
    whole = sha(content)
    if how == "cut":
        content = content[: int(rng.integers(len(content) // 2))]
    if how == "text":
        content = b"<html>moved</html>"
    if how == "checksum":
        whole = sha(b"")
    own.files["/set.zip"] = content
    by_whole = how in ("checksum", "") and chance(rng, 0.5)
    files_told = {} if by_whole or how == "checksum" else dict(checks)
    told = whole if by_whole or how == "checksum" else None
    return Download(archive=f"{own.url}set.zip", strip=strip, sha256=told, files=files_told), how
