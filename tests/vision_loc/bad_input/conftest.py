"""The program as bad input finds it, and somebody's own pictures to spoil."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.vision_loc.bad_input.said import Call, draw_into
from vision_loc import cli, phantom


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """Run ``vision-loc …``: its exit status, and both streams."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("FUNCLOC_DATA", raising=False)

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["vision-loc", *map(str, words)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, out, err

    return run


@pytest.fixture
def refused(call: Call) -> Callable[..., str]:
    """Run ``vision-loc …``, which must fail with one line; gives that line."""

    def run(*words: object) -> str:
        status, out, err = call(*words)
        assert status == 1, (out, err)
        assert out == ""
        assert err.startswith("vision-loc: ")
        assert err.count("\n") == 1, err
        assert "Traceback" not in err
        return err

    return run


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Somebody's own pictures: two folders for the localizer, and a table to evaluate on."""
    folder = tmp_path / "mine"
    draw_into(folder / "target", "target", "localizer", 6)
    draw_into(folder / "control", "control", "localizer", 6)
    rows = ["file,class_index,group"]
    for label, what in enumerate(phantom.CONDITIONS):
        draw_into(folder / "eval" / what, what, "eval", 6)
        rows += [f"{what}/{i:02d}.png,{label},{what}" for i in range(6)]
    (folder / "eval" / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder
