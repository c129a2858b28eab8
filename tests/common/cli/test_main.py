"""What escapes from a command is one line: names that no terminal or text can hold, too."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from common.cli.main import run_command
from common.cli.printing import print_place, print_sites


def too_long() -> None:
    Path("x" * 5000).stat()


def odd() -> None:
    "a\udcff.png".encode()


def full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (too_long, f"{'x' * 200}: File name too long"),
        (odd, r"'a\udcff.png': is not UTF-8; rename it"),
        (full, "No space left on device"),
    ],
)
def test_it_is_one_line(
    work: Callable[[], None],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.argv", ["vision-loc"])
    program = typer.Typer()
    program.command()(work)
    with pytest.raises(SystemExit) as ended:
        run_command(program, "vision-loc")
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"vision-loc: {said}\n"


def test_a_name_that_looks_like_markup_is_printed_as_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Surveyed:
        left_out: dict[str, str] = {}  # noqa: RUF012

        def offered(self, _: str) -> list[object]:
            return []

    print_place("Run folder", Path("runs/x[/y]"))
    print_sites("local/x[/y]", Surveyed(), "block", False)  # type: ignore[arg-type]
    out = capsys.readouterr().out
    assert "Run folder: runs/x[/y]\n" in out
    assert "local/x[/y]" in out
