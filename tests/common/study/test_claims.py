"""One process at a time holds a name, and a dead one's is free."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Event, Thread

import pytest

from common.base.errors import RunError
from common.study import claims
from common.study.claims import HEART, TAKING, Claims
from tests.forked import forked


def test_one_at_a_time_and_free_afterwards(tmp_path: Path) -> None:
    one, two = Claims(tmp_path), Claims(tmp_path)
    with one.claimed("a") as first, two.claimed("a") as second, two.claimed("b") as third:
        assert (first, second, third) == (True, False, True)
    with two.claimed("a") as again:
        assert again
    assert not [*tmp_path.iterdir()]


def test_an_error_inside_gives_it_free(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Claims(tmp_path).claimed("a"):
        raise ZeroDivisionError
    with Claims(tmp_path).claimed("a") as again:
        assert again


def held(folder: Path) -> None:
    with Claims(folder, beat=0.02).claimed("a"):
        time.sleep(60)


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[BaseProcess]:
    """Another process that holds a name."""
    child = forked(held, tmp_path)
    ends = time.monotonic() + 60
    while not (tmp_path / "a" / HEART).exists():
        time.sleep(0.02)
        assert time.monotonic() < ends
    yield child
    child.kill()
    child.join()


def test_a_living_process_keeps_it_and_a_killed_one_loses_it(
    tmp_path: Path, holder: BaseProcess
) -> None:
    watching = Claims(tmp_path, dead=0.6)
    ends = time.monotonic() + 1.0
    while time.monotonic() < ends:  # longer than the dead are waited for
        with watching.claimed("a") as mine:
            assert not mine
        time.sleep(0.05)
    assert f"(process {holder.pid})" in watching.holder("a")
    assert holder.pid is not None
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    begun = time.monotonic()
    while True:
        with watching.claimed("a") as mine:
            if mine:
                break
        time.sleep(0.02)
        assert time.monotonic() < begun + 10
    assert time.monotonic() >= begun + 0.5
    assert [each.name for each in tmp_path.iterdir()] == [TAKING]  # which is empty, and hidden


def test_ages_are_told_by_the_watchers_own_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(claims, "monotonic", lambda: now)
    place = tmp_path / "a"
    place.mkdir()
    (place / HEART).write_text(json.dumps({"host": "h", "pid": 1, "token": "t", "beat": 3}))
    os.utime(place / HEART, (0, 0))  # by the file's own time it would be ages
    one = Claims(tmp_path)
    for now in (0.0, claims.DEAD - 1):  # noqa: B007
        with one.claimed("a") as mine:
            assert not mine
    now = claims.DEAD + 1
    with one.claimed("a") as mine:
        assert mine


def test_of_many_that_find_a_dead_one_one_gets_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / HEART).write_text("its last beat")
    every = [Claims(tmp_path, dead=0.0) for _ in range(8)]
    for each in every:
        each._seen["a"] = "its last beat", 0.0
    got, go, leave = [], Event(), Event()

    def attempt(one: Claims) -> None:
        go.wait()
        with one.claimed("a") as mine:
            got.append(mine)
            if mine:
                leave.wait(10)

    threads = [Thread(target=attempt, args=(each,)) for each in every]
    for thread in threads:
        thread.start()
    go.set()
    while len(got) < len(every):
        time.sleep(0.01)
    leave.set()
    for thread in threads:
        thread.join()
    assert sorted(got) == [False] * 7 + [True]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(RunError, match="cannot be claimed"),
        Claims(tmp_path / "file").claimed("a"),
    ):
        pass
