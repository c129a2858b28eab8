"""One file over HTTP: whole, from where it broke, checked, or one line that says why not."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from common.base.errors import DataError
from common.data import transfer
from common.data.transfer import get
from tests.common.data.server import BIG, Server, names_in, sha


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
    server.drops = [300_000, *[0] * (transfer.RETRIES + 1)]
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
    monkeypatch.setattr(transfer, "READ_SECONDS", 0.1)
    server.gate = threading.Event()
    with pytest.raises(DataError, match="the server does not answer"):
        get(server.url + "x", tmp_path / "x")
    server.gate.set()


def test_an_answer_that_breaks_off_at_its_beginning_is_asked_for_again(
    server: Server, tmp_path: Path
) -> None:
    server.files["/few"] = b"x" * 1000  # less than what is written at once
    for lengths in (True, False):
        server.lengths, server.drops = lengths, [10, 20] if lengths else []
        get(f"{server.url}few", tmp_path / str(lengths), sha(b"x" * 1000))
        assert (tmp_path / str(lengths)).read_bytes() == b"x" * 1000
    server.drops, server.lengths = [1] * (transfer.RETRIES + 2), True
    with pytest.raises(DataError, match="the server closed the connection"):
        get(f"{server.url}few", tmp_path / "never")
