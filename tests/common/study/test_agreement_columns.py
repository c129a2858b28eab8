"""What one of two tables alone has is counted, whole columns among it."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.study.agreement import agreements

OLD = "item,mask,margin,label\na,intact,1,x\nb,intact,2,y\n"


@pytest.mark.parametrize(
    ("now", "gone", "new"),
    [
        (OLD, 0, 0),
        ("item,mask,margin\na,intact,1\nb,intact,2\n", 2, 0),
        ("item,mask,margin,label,more\na,intact,1,x,0\nb,intact,2,y,0\n", 0, 2),
        ("item,mask,label\na,intact,x\n", 3, 0),
    ],
)
def test_a_column_that_is_gone_does_not_agree(
    now: str, gone: int, new: int, tmp_path: Path
) -> None:
    for name, text in (("old", OLD), ("now", now)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "items.csv").write_text(text)
    (found,) = agreements(tmp_path / "old", tmp_path / "now")
    assert (found.gone, found.new) == (gone, new)
    assert found.agrees == (gone == 0)
