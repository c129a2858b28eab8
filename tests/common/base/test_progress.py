"""One line of progress at a time."""

from __future__ import annotations

import pytest

from common.base.progress import PART, terminal


def test_a_step_within_a_step_takes_its_line_and_leaves_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with terminal() as show:
        show("evaluate", 0, 3)
        show("decode", 0, 2)
        show("decode", 2, 2)
        show("evaluate", 1, 3)
        show(PART, 5, 10)
        show("evaluate", 3, 3)
        show(PART, 10, 10)
    shown = capsys.readouterr().err
    assert "evaluate" in shown
    assert "decode" in shown
    assert "\n" not in shown
    assert not shown.rstrip(" ").rpartition("\r")[2]


def test_nothing_is_shown_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal(False) as show:
        show("evaluate", 0, 3)
    assert capsys.readouterr().err == ""
