"""Ctrl-C says how to go on, whatever typer makes of it."""

from __future__ import annotations

import pytest
import typer

from common.cli.main import run_command


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), typer.Exit(130)])
def test_ctrl_c_says_that_the_same_command_goes_on(
    raised: BaseException, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["vision-loc"])
    program = typer.Typer()

    @program.command()
    def work() -> None:
        raise raised

    with pytest.raises(SystemExit) as ended:
        run_command(program, "vision-loc")
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert told == "vision-loc: stopped; the same command goes on where it stopped\n"
