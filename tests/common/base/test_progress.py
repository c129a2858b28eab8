"""The terminal while work goes on: one line, and nothing left of it."""

from __future__ import annotations

import io
import sys

import pytest

from common.base.progress import LEFT, NOTE, PART, Progress, terminal


class Screen(io.StringIO):
    """A terminal that shows one line: what is written over what was there."""

    def isatty(self) -> bool:
        return True

    @property
    def lines(self) -> list[str]:
        """Each state that the line was in."""
        return [state.rstrip() for state in self.getvalue().split("\r")]


def work(progress: Progress) -> None:
    for number in range(3):
        progress("files", number, 3)
        progress("bytes", 0, 7)
        progress("bytes", 7, 7)
    progress("files", 3, 3)
    progress("evaluate", 0, 2)
    for done in range(6):
        progress(PART, done, 5)


def test_one_line_at_a_time_and_none_when_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", screen := Screen())
    monkeypatch.setattr("common.base.progress.SELDOM", 0)
    with terminal() as progress:
        work(progress)
        assert screen.lines[-1].startswith("evaluate:")
    shown = screen.getvalue()
    assert "\n" not in shown
    assert "\x1b" not in shown  # nor does the cursor leave the line
    assert screen.lines[-2:] == ["", ""]
    assert any("3 of 5" in line for line in screen.lines)
    after = [each for each in screen.lines if each][-1]
    assert "of 5" not in after  # a part that is done is not told any more
    for one, two in zip(screen.lines, screen.lines[1:], strict=False):
        if one and two:
            assert one.split(":")[0] == two.split(":")[0]  # a step's line is taken away before


def test_an_estimate_is_said_once_and_what_is_left_beside_the_bar(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stderr", screen := Screen())
    monkeypatch.setattr("common.base.progress.SELDOM", 0)
    with terminal(spoken=lambda text: text.replace("`items`", "--items")) as progress:
        progress("evaluate", 0, 9)
        progress(f"{NOTE}about 5 h; with `items` 10: 8 min", 0, 0)
        progress(PART, 2, 5)
        progress(LEFT, 10, 1000)
        progress("evaluate", 9, 9)
        progress("report", 0, 1)
    assert "about 5 h; with --items 10: 8 min\n" in screen.getvalue()
    assert any("2 of 5, about 16 min left" in line for line in screen.lines)
    assert not any("left" in line for line in screen.lines if line.startswith("report"))


def test_nothing_is_shown_where_no_terminal_is_or_none_is_wanted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with terminal() as progress:
        work(progress)
        progress(f"{NOTE}about 5 h", 0, 0)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(sys, "stderr", screen := Screen())
    with terminal(False) as progress:
        work(progress)
    assert screen.getvalue() == ""
