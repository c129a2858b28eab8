"""The notebooks run from their first cell to the last; see :mod:`tests.docs.notebooks`."""

from __future__ import annotations

import os
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import Any

import pytest

from tests.docs.notebooks import NOTEBOOKS, REAL, executed
from tests.docs.pages import ROOT

LONGEST = 120  # seconds of processor time
pytestmark = pytest.mark.slow  # each starts an interpreter and runs an experiment: a minute


def said(notebook: Any) -> list[str]:
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [output.get("text", "") for cell in cells for output in cell.outputs]


def each() -> list[object]:
    real = dict.fromkeys(REAL, pytest.mark.reference)
    return [pytest.param(path, id=path.stem, marks=real.get(path.stem, ())) for path in NOTEBOOKS]


@pytest.mark.parametrize("path", each())
def test_a_notebook_runs(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    pytest.importorskip("nbclient", reason="the extra notebooks: make notebooks")
    pytest.importorskip("ipykernel", reason="the extra notebooks: make notebooks")
    if path.stem in REAL:
        reference = request.getfixturevalue("reference")
        monkeypatch.setenv("FUNCLOC_DATA", str((reference / "data").resolve()))
    # A kernel is a process of its own: it finds the package as this one does.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.delenv("FUNCLOC_PIXELS", raising=False)
    begun = getrusage(RUSAGE_CHILDREN).ru_utime
    notebook = executed(path, tmp_path)
    assert getrusage(RUSAGE_CHILDREN).ru_utime - begun < LONGEST
    assert not [text for text in said(notebook) if "Traceback" in text]
    assert any(text.strip() for text in said(notebook))
