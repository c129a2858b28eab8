"""Who does what, among processes on any machines that see one folder.

A claim is a folder that one process alone can make, and a heart that beats in it. Whether a claim
is alive is seen by watching: one whose heart has not beaten while the watcher's own clock went on
for a minute is of a dead process, and free. No clock is compared with another machine's, and no
process number is believed, for machines have their own.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

from filelock import FileLock

from common.base.errors import RunError

BEAT = 10.0  # seconds between two beats
DEAD = 60.0  # seconds without a beat, after which nobody is there any more
HEART = "heart.json"
TAKING = ".taking"  # locked while a dead claim is taken away


class Claims:
    """Claims on names, in a folder.

    Parameters
    ----------
    folder : Path
        Seen by all processes that share the work.
    beat, dead : float
        Seconds between two beats, and without any.
    """

    def __init__(self, folder: Path, beat: float = BEAT, dead: float = DEAD) -> None:
        self.folder, self.beat, self.dead = folder, beat, dead
        self._seen: dict[str, tuple[str, float]] = {}  # by name, the last beat and since when

    @contextmanager
    def claimed(self, name: str) -> Iterator[bool]:
        """Hold a name for this block, if it is free or its holder is dead; whether it is held.

        Raises
        ------
        RunError
            If the folder cannot be written.
        """
        place, token = self.folder / name, uuid4().hex
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not self._made(place, token) and not (
                self._freed(name) and self._made(place, token)
            ):
                yield False
                return
        except OSError as error:
            raise RunError(f"{place}: cannot be claimed ({error.strerror})") from error
        self._seen.pop(name, None)
        stop = threading.Event()
        heart = threading.Thread(target=self._live, args=(place, token, stop), daemon=True)
        heart.start()
        try:
            yield True
        finally:
            stop.set()
            heart.join()
            if _token(place) == token:  # nobody took it while this machine slept
                shutil.rmtree(place, ignore_errors=True)

    def holder(self, name: str) -> str:
        """Who holds a name, as far as it says."""
        about = _about(self.folder / name)
        return f"{about.get('host', 'somebody')} (process {about.get('pid', 'unknown')})"

    def _made(self, place: Path, token: str) -> bool:
        """Make a claim, its heart in it; whether nobody had one."""
        draft = self.folder / f".{place.name}.{token}"
        draft.mkdir()
        (draft / HEART).write_text(_beat(token, 0))
        try:
            draft.rename(place)  # refused where a folder is that is not empty
        except OSError:
            shutil.rmtree(draft, ignore_errors=True)
            return False
        return True

    def _live(self, place: Path, token: str, stop: threading.Event) -> None:
        number = 0
        while not stop.wait(self.beat):
            number += 1
            draft = place / f".{HEART}.{token}"
            with suppress(OSError):  # a full or slow disk: the next beat may get through
                draft.write_text(_beat(token, number))
                draft.replace(place / HEART)

    def _freed(self, name: str) -> bool:
        """Take a dead claim away; whether this process did."""
        place, now = self.folder / name, monotonic()
        beat = _read(place / HEART)
        last, since = self._seen.setdefault(name, (beat, now))
        if beat != last:
            self._seen[name] = beat, now
            return False
        if now - since < self.dead:
            return False
        grave = self.folder / f".{name}.{uuid4().hex}"
        with FileLock(self.folder / TAKING):  # one by one, or a living claim might be moved away
            if _read(place / HEART) != beat:  # somebody else was faster, and has it now
                return False
            try:
                place.rename(grave)
            except OSError:
                return False
        shutil.rmtree(grave, ignore_errors=True)
        return True


def _beat(token: str, number: int) -> str:
    about = {"host": socket.gethostname(), "pid": os.getpid(), "token": token, "beat": number}
    return json.dumps(about)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _about(place: Path) -> dict[str, Any]:
    try:
        found = json.loads(_read(place / HEART))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _token(place: Path) -> str:
    return str(_about(place).get("token", ""))
