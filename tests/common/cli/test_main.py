"""What escapes from a command is one line: names that no terminal or text can hold, too."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import typer
from torch import nn

from common import Survey
from common.base.errors import SettingError, SiteError
from common.cli.main import STOPPED, run_command
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
    print_sites("local/x[/y]", Surveyed(), "all", False)  # type: ignore[arg-type]
    out = capsys.readouterr().out
    assert "Run folder: runs/x[/y]\n" in out
    assert "local/x[/y]" in out


def test_sites_of_a_kind_that_there_is_not_are_an_error_that_says_what_to_write(
    capsys: pytest.CaptureFixture[str],
) -> None:
    survey = Survey(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2)), torch.zeros(1, 3))
    with pytest.raises(SiteError, match="no site of kind attn; write `kind` op"):
        print_sites("net", survey, "attn", False)
    print_sites("net", survey, "attn", True)
    assert "net" in capsys.readouterr().out


def stopped() -> None:
    raise KeyboardInterrupt


def aborted() -> None:
    raise typer.Abort


def misused() -> None:
    raise typer.BadParameter("no such thing")


def refused() -> None:
    raise SettingError("`batch_size` 0: give 1 or more")


def interrupted() -> None:
    raise typer.Exit(130)


def failed() -> None:
    raise typer.Exit(3)


@pytest.mark.parametrize(
    ("work", "status", "said"),
    [
        (stopped, 1, f"vision-loc: {STOPPED}\n"),
        (interrupted, 1, f"vision-loc: {STOPPED}\n"),
        (aborted, 1, "vision-loc: aborted\n"),
        (misused, 1, "vision-loc: Invalid value: no such thing (see vision-loc --help)\n"),
        (refused, 1, "vision-loc: `batch_size` 0: give 1 or more\n"),
        (failed, 3, ""),
        (lambda: None, 0, ""),
        (lambda: 2, 2, ""),
    ],
)
def test_each_way_to_end_has_its_line_and_its_status(
    work: Callable[[], object],
    status: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def command(**_: object) -> object:
        try:
            return work()
        except typer.Exit as ended:  # as click does where it does not end the process
            return ended.exit_code

    with pytest.raises(SystemExit) as ended:
        run_command(command, "vision-loc")
    assert ended.value.code == status
    assert capsys.readouterr().err == said


def test_what_nobody_foresaw_is_a_traceback() -> None:
    def broken(**_: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_command(broken, "vision-loc")
